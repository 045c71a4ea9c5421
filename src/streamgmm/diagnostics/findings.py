"""What is wrong with a mixture, in plain sentences: the component, the cause and the remedy."""

from __future__ import annotations

import numpy as np

from streamgmm.algebra import bhattacharyya
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._words import MOSTLY, along, require_mixture
from .conditions import condition_numbers, marchenko_pastur_condition
from .finding import Finding
from .optimality import Optimality

UNUSED_WEIGHT, UNUSED_ROWS = 1e-3, 0.5
NOISE_CONDITION = 30.0  # about two rows for each feature
SPIKE = 1e-3  # smallest standard deviation, relative to the spread of the rows
UNITS_CONDITION = 1e10  # half of the digits of float64 are lost beyond 1e8
SAME = 0.005  # Bhattacharyya distance: two means 0.2 standard deviations apart

_MORE_ROWS = ("more rows", "fewer components", 'covariance_type="diag" or "tied"', 'prior="weak"')
_SHARED = "The covariance that all components share"


def explain(mixture: Mixture, statistics: Statistics, optimality: Optimality | None = None) -> list[Finding]:
    """Say what is wrong with a mixture, and what to do about it.

    Five things are looked for:

    - unused: a weight below 0.001 and less than half a row;
    - starved: too few rows for the covariance, n_features + 1 for "full" and 2 for "diag" and "spherical",
      or so few that white noise would show a condition number above 30 by Marchenko and Pastur;
    - near-singular: in units of the rows' spread, some direction's standard deviation is below 0.001; or
      the condition number is above 1e10 from the features' units alone;
    - duplicate: a Bhattacharyya distance below 0.005, which no change of units changes;
    - improvable: one more component gains more than BIC charges for its parameters. That takes the rows: it
      is said if `optimality` has looked at them.

    Parameters
    ----------
    mixture : Mixture
    statistics : Statistics
        Of rows under this mixture, from `e_step`; they need not be the rows that it was learned from.
    optimality : Optimality, optional
        Of this mixture, from `streamgmm.diagnostics.optimality`.

    Returns
    -------
    list of Finding
        Strings of one sentence or two, which are data too; empty if nothing is wrong.

    Raises
    ------
    ValueError
        If the statistics are not those of this mixture, or hold no row.

    Examples
    --------
    >>> from streamgmm import Mixture, e_step
    >>> from streamgmm.diagnostics import explain
    >>> X = [[0.0], [1.0], [2.0], [3.0], [4.0]]
    >>> mixture = Mixture([0.8, 0.2], [[2.0], [4.0]], [[[2.0]], [[1e-8]]])
    >>> for sentence in explain(mixture, e_step(mixture, X)):
    ...     print(sentence)
    Component 1 is starved: 1 effective row, but its covariance needs at least 2. Remedy: more rows, fewer \
components, covariance_type="diag" or "tied", or prior="weak".
    Component 1 is a spike: its standard deviation is 0.0001 where the rows spread by 1.41 (condition number \
1). Remedy: prior="weak", a larger reg_covar, fewer components, or drop a redundant feature.
    """
    require_mixture(mixture)
    _require_matching(statistics, mixture)
    if not isinstance(optimality, Optimality | None):
        raise ValueError(f"`optimality` must be an Optimality or None, got {type(optimality).__name__}")
    finite = np.isfinite(mixture.means).all(axis=1) & np.isfinite(mixture.kernel_factor()).all(axis=(1, 2))
    if not finite.all():
        broken = tuple(int(k) for k in np.flatnonzero(~finite))
        message = (
            f"{_are(broken)} not finite: the run diverged, most likely because its steps were too large."
        )
        remedies = ("a smaller learning rate", "standardize the rows and start again")
        return [Finding("not-finite", message, {}, remedies, broken)]
    unused = (mixture.weights < UNUSED_WEIGHT) & (statistics.nk < UNUSED_ROWS)
    used = [int(k) for k in np.flatnonzero(~unused)]
    return [
        *(_unused(int(k), mixture, statistics) for k in np.flatnonzero(unused)),
        *_starved(mixture, statistics, used),
        *_near_singular(mixture, statistics, used),
        *_duplicates(mixture, used),
        *([optimality.finding] if optimality is not None and optimality.is_improvable else []),
    ]


def spread(statistics: Statistics) -> Array:
    """Return the standard deviation of the rows along each feature (n_features,); 0 where it is rounding."""
    total = statistics.nk.sum()
    center = (statistics.nk @ statistics.origin + statistics.s1.sum(axis=0)) / total
    centered = statistics.recenter(np.broadcast_to(center, statistics.origin.shape))
    variances = centered.squares.sum(axis=0) / total
    shift = np.abs(statistics.origin - center).max(axis=0)
    rounding = 1e-30 * np.square(center) + 1e-14 * np.square(shift)
    return np.sqrt(np.where(variances > rounding, variances, 0.0))


def _require_matching(statistics: object, mixture: Mixture) -> None:
    if not isinstance(statistics, Statistics):
        raise ValueError(f"`statistics` must be a Statistics, got {type(statistics).__name__}")
    if not np.array_equal(statistics.origin, mixture.means, equal_nan=True):
        raise ValueError("`statistics` must be centered at the means of `mixture`: call `recenter`")
    n_moments = len(mixture.kind.moments_shape(*mixture.means.shape))
    if statistics.s2.ndim != n_moments:
        raise ValueError(
            f"`statistics.s2` must have {n_moments} dimensions for {mixture.covariance_type!r}, "
            f"got shape {statistics.s2.shape}"
        )
    if not (np.isfinite(statistics.nk).all() and statistics.nk.sum() > 0):
        raise ValueError(f"`statistics` must hold rows, got `nk` {statistics.nk.tolist()}")


def _are(components: tuple[int, ...]) -> str:
    return "Components {components} are" if len(components) > 1 else "Component {components} is"


def _unused(k: int, mixture: Mixture, statistics: Statistics) -> Finding:
    return Finding(
        "unused",
        "Component {components} is unused: its weight is {weight} and no row belongs to it ({rows} effective "
        "rows).",
        {"weight": float(mixture.weights[k]), "rows": round(float(statistics.nk[k]), 3)},
        ("fewer components", "restart it at rows that the mixture fits badly"),
        (k,),
    )


def _starved(mixture: Mixture, statistics: Statistics, used: list[int]) -> list[Finding]:
    """Judge the rows of each covariance: of a component, or of all together where they share it."""
    n_features = mixture.n_features
    least = mixture.kind.rows_needed(n_features)
    counts: list[tuple[tuple[int, ...], str, float]]
    counts = [((k,), "Component {components}", float(statistics.nk[k])) for k in used]
    if mixture.kind.is_shared:
        counts = [((), _SHARED, float(statistics.nk.sum()))]
    found = []
    for components, name, rows in counts:
        values = {"rows": round(rows, 3), "least": least, "n_features": n_features}
        effective = "{rows} effective row" + ("" if values["rows"] == 1 else "s")
        if rows < least:
            message = f"{name} is starved: {effective}, but its covariance needs at least {{least}}."
            found.append(Finding("starved", message, values, _MORE_ROWS, components))
        elif least > 2:  # else it has no shape that noise could give it
            values["condition"] = marchenko_pastur_condition(rows, n_features)
            if values["condition"] > NOISE_CONDITION:
                message = (
                    f"{name} has too few rows for its covariance: with {effective} of {{n_features}} "
                    "features, white noise would show a condition number of {condition} instead of 1."
                )
                found.append(Finding("noisy", message, values, _MORE_ROWS, components))
    return found


def _near_singular(mixture: Mixture, statistics: Statistics, used: list[int]) -> list[Finding]:
    rows = spread(statistics)
    if not rows.all():
        if statistics.nk.sum() <= mixture.n_features + 1:
            return []  # a row or two do not vary: that is what being starved says
        message = "All components are flat along {features}, which has the same value in all rows."
        constant = tuple(int(a) for a in np.flatnonzero(rows == 0))
        return [Finding("flat", message, {}, ("drop it",), features=constant)]
    conditions = condition_numbers(mixture)
    covariances = mixture.covariance_matrices()
    shared = mixture.kind.is_shared
    found = []
    for k in used[:1] if shared else used:
        components, name = ((), _SHARED) if shared else ((k,), "Component {components}")
        values, vectors = np.linalg.eigh(covariances[k] / np.outer(rows, rows))
        thinnest = np.sqrt(max(values[0], 0.0))
        if thinnest < SPIKE:
            found.append(_spike(name, components, thinnest, vectors[:, 0], rows, conditions[k]))
        elif conditions[k] > UNITS_CONDITION:
            ends = {"condition": conditions[k], "least": rows.min(), "greatest": rows.max()}
            message = (
                f"{name} has a condition number of {{condition}} because the features' units differ: the "
                "rows spread by {least} along {0} and by {greatest} along {1}."
            )
            features = (int(rows.argmin()), int(rows.argmax()))
            found.append(Finding("units", message, ends, ("standardize the rows",), components, features))
    return found


def _spike(
    name: str, components: tuple[int, ...], thinnest: float, direction: Array, rows: Array, condition: float
) -> Finding:
    """Say how thin a component is: in units where one feature says it, else relative to the spread."""
    feature = int(np.argmax(np.abs(direction)))
    where, features = along(direction)
    values, size = {"sd": thinnest, "condition": condition}, "{sd} of the rows' spread"
    if direction[feature] ** 2 >= MOSTLY:
        values |= {"sd": thinnest * rows[feature], "spread": rows[feature]}
        size = "{sd} where the rows spread by {spread}"
    return Finding(
        "spike",
        f"{name} is a spike: its standard deviation{where} is {size} (condition number {{condition}}).",
        values,
        ('prior="weak"', "a larger reg_covar", "fewer components", "drop a redundant feature"),
        components,
        features,
    )


def _duplicates(mixture: Mixture, used: list[int]) -> list[Finding]:
    """Name the groups of components that are linked by distances below `SAME`."""
    groups: list[list[int]] = []
    covariances = mixture.covariance_matrices()
    for k in used:
        linked = [
            group
            for group in groups
            if any(
                bhattacharyya(mixture.means[k] - mixture.means[j], covariances[j], covariances[k]) < SAME
                for j in group
            )
        ]
        groups = [group for group in groups if group not in linked]
        groups.append([*(j for group in linked for j in group), k])
    same = [tuple(sorted(group)) for group in groups if len(group) > 1]
    message = "practically the same: their densities overlap by more than 99 %."
    remedies = ("fewer components", "another start")
    return [Finding("duplicate", f"{_are(group)} {message}", {}, remedies, group) for group in same]
