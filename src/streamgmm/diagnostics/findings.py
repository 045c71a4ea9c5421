"""What is wrong with a mixture, in plain sentences: the component, the cause and the remedy."""

from __future__ import annotations

import numpy as np

from streamgmm.algebra import bhattacharyya
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array, Statistics

from ._words import MOSTLY, along, listed, number, require_mixture
from .conditions import condition_numbers, marchenko_pastur_condition

UNUSED_WEIGHT, UNUSED_ROWS = 1e-3, 0.5
NOISE_CONDITION = 30.0  # about two rows for each feature
SPIKE = 1e-3  # smallest standard deviation, relative to the spread of the rows
UNITS_CONDITION = 1e10  # half of the digits of float64 are lost beyond 1e8
SAME = 0.005  # Bhattacharyya distance: two means 0.2 standard deviations apart

_MORE_ROWS = 'more rows, fewer components, covariance_type="diag" or "tied", or prior="weak"'


def explain(mixture: Mixture, statistics: Statistics) -> list[str]:
    """Say what is wrong with a mixture, and what to do about it.

    Four things are looked for:

    - unused: a weight below 0.001 and less than half a row;
    - starved: too few rows for the covariance, n_features + 1 for "full" and 2 for "diag" and "spherical",
      or so few that white noise would show a condition number above 30 by Marchenko and Pastur;
    - near-singular: in units of the rows' spread, some direction's standard deviation is below 0.001; or
      the condition number is above 1e10 from the features' units alone;
    - duplicate: a Bhattacharyya distance below 0.005, which no change of units changes.

    Parameters
    ----------
    mixture : Mixture
    statistics : Statistics
        Of rows under this mixture, from `e_step`; they need not be the rows that it was learned from.

    Returns
    -------
    list of str
        One sentence or two for each finding; empty if nothing is wrong.

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
    finite = np.isfinite(mixture.means).all(axis=1) & np.isfinite(mixture.kernel_factor()).all(axis=(1, 2))
    if not finite.all():
        broken = [int(k) for k in np.flatnonzero(~finite)]
        return [
            f"{_components(broken)} not finite: the run diverged, most likely because its steps were too "
            "large. Remedy: a smaller learning rate, or standardize the rows and start again."
        ]
    unused = (mixture.weights < UNUSED_WEIGHT) & (statistics.nk < UNUSED_ROWS)
    used = [int(k) for k in np.flatnonzero(~unused)]
    return [
        *(_unused_sentence(int(k), mixture, statistics) for k in np.flatnonzero(unused)),
        *_starved(mixture, statistics, used),
        *_near_singular(mixture, statistics, used),
        *_duplicates(mixture, used),
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


def _components(indices: list[int]) -> str:
    return (
        f"Component{'s' if len(indices) > 1 else ''} {listed(indices)} {'are' if len(indices) > 1 else 'is'}"
    )


def _rows(count: float) -> str:
    words = number(round(count, 3))
    return f"{words} effective row{'' if words == '1' else 's'}"


def _unused_sentence(k: int, mixture: Mixture, statistics: Statistics) -> str:
    return (
        f"Component {k} is unused: its weight is {number(float(mixture.weights[k]))} and no row belongs to "
        f"it ({_rows(float(statistics.nk[k]))}). Remedy: fewer components, or restart it at rows "
        "that the mixture fits badly."
    )


def _starved(mixture: Mixture, statistics: Statistics, used: list[int]) -> list[str]:
    """Judge the rows of each covariance: of a component, or of all together where they share it."""
    n_features = mixture.n_features
    least = mixture.kind.rows_needed(n_features)
    counts = [("The covariance that all components share", float(statistics.nk.sum()))]
    if not mixture.kind.is_shared:
        counts = [(f"Component {k}", float(statistics.nk[k])) for k in used]
    sentences = []
    for name, rows in counts:
        if rows < least:
            sentences.append(
                f"{name} is starved: {_rows(rows)}, but its covariance needs at least {least}. "
                f"Remedy: {_MORE_ROWS}."
            )
        elif least > 2:  # else it has no shape that noise could give it
            condition = marchenko_pastur_condition(rows, n_features)
            if condition > NOISE_CONDITION:
                sentences.append(
                    f"{name} has too few rows for its covariance: with {_rows(rows)} of "
                    f"{n_features} features, white noise would show a condition number of "
                    f"{number(condition)} instead of 1. Remedy: {_MORE_ROWS}."
                )
    return sentences


def _near_singular(mixture: Mixture, statistics: Statistics, used: list[int]) -> list[str]:
    rows = spread(statistics)
    if not rows.all():
        constant = [int(a) for a in np.flatnonzero(rows == 0)]
        if statistics.nk.sum() <= mixture.n_features + 1:
            return []  # a row or two do not vary: that is what being starved says
        return [
            f"All components are flat along feature{'s' if len(constant) > 1 else ''} {listed(constant)}, "
            "which has the same value in all rows. Remedy: drop it."
        ]
    conditions = condition_numbers(mixture)
    covariances = mixture.covariance_matrices()
    shared = mixture.kind.is_shared
    sentences = []
    for k in used[:1] if shared else used:
        name = "The covariance that all components share" if shared else f"Component {k}"
        values, vectors = np.linalg.eigh(covariances[k] / np.outer(rows, rows))
        thinnest = np.sqrt(max(values[0], 0.0))
        if thinnest < SPIKE:
            sentences.append(_spike_sentence(name, thinnest, vectors[:, 0], rows, conditions[k]))
        elif conditions[k] > UNITS_CONDITION:
            sentences.append(
                f"{name} has a condition number of {number(conditions[k])} because the features' units "
                f"differ: the rows spread by {number(rows.min())} along feature {rows.argmin()} and by "
                f"{number(rows.max())} along feature {rows.argmax()}. Remedy: standardize the rows."
            )
    return sentences


def _spike_sentence(name: str, thinnest: float, direction: Array, rows: Array, condition: float) -> str:
    """Say how thin a component is: in units where one feature says it, else relative to the spread."""
    feature = int(np.argmax(np.abs(direction)))
    if direction[feature] ** 2 >= MOSTLY:
        size = f"{number(thinnest * rows[feature])} where the rows spread by {number(rows[feature])}"
    else:
        size = f"{number(thinnest)} of the rows' spread"
    return (
        f"{name} is a spike: its standard deviation{along(direction, len(rows))} is {size} (condition number "
        f'{number(condition)}). Remedy: prior="weak", a larger reg_covar, fewer components, or drop a '
        "redundant feature."
    )


def _duplicates(mixture: Mixture, used: list[int]) -> list[str]:
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
    return [
        f"{_components(sorted(group))} practically the same: their densities overlap by more than 99 %. "
        "Remedy: fewer components, or another start."
        for group in groups
        if len(group) > 1
    ]
