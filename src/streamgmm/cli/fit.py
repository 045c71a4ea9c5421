"""`streamgmm fit`: learn a mixture from files or standard input, in constant memory."""

from __future__ import annotations

import re
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from . import _options
from ._output import describe, table, to_json, warn, warnings_as_lines, write_lines
from ._rows import STDIN, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgmm.estimators import OnlineGaussianMixture
    from streamgmm.mixture import Mixture
    from streamgmm.sources import Source

_READ_ROWS = 65536
_LARGEST_SEED = 2**32 - 1


class Standardization(NamedTuple):
    """What is subtracted from each column, and what it is then divided by; both (n_features,)."""

    center: NDArray[Any]
    scale: NDArray[Any]


@click.command()
@_options.files
@_options.columns
@click.option(
    "--standardize",
    is_flag=True,
    help="Fit columns in units of their standard deviation from their mean, both taken from the first rows. "
    "The model is given in the data's units; a spherical one then has a variance for each column (diag).",
)
@click.option(
    "--rule",
    type=_options.Registered("streamgmm.rules", "streaming"),
    default="online-em",
    show_default=True,
    help="How a mini-batch changes the mixture.",
)
@click.option(
    "--components",
    "-k",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="Number of components.",
)
@click.option(
    "--covariance",
    type=_options.Registered("streamgmm.covariance"),
    default="full",
    show_default=True,
    help="What the components' covariances share.",
)
@click.option(
    "--batch-size", type=click.IntRange(min=1), default=256, show_default=True, help="Rows in a mini-batch."
)
@click.option(
    "--passes", type=click.IntRange(min=1), default=1, show_default=True, help="How often the files are read."
)
@click.option(
    "--seed", type=click.IntRange(0, _LARGEST_SEED), default=0, show_default=True, help="Random seed."
)
@click.option("--output", "-o", type=click.Path(), help="The model file to write (.safetensors).")
@_options.as_json
@click.pass_context
def fit(
    ctx: click.Context,
    /,
    files: tuple[str, ...],
    columns: tuple[str, ...] | None,
    standardize: bool,
    passes: int,
    output: str | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Learn a mixture from the rows of FILES, and print it.

    Rows are learned in the order in which they come: shuffle sorted data.
    """
    if passes > 1 and STDIN in files:
        raise click.UsageError("standard input (-) can be read only once, so --passes must be 1")
    from streamgmm.persistence import save
    from streamgmm.sources import open_source

    if output is not None:
        require_replaceable(output)
    estimator = _estimator(**parameters)
    batch_size = estimator.batch_size
    source = open_source(files, columns=columns, batch_rows=batch_size * max(1, _READ_ROWS // batch_size))
    units: Standardization | None = None
    start = time.perf_counter()
    with (
        warnings_as_lines(_with_names(source.names, standardize)),
        progress(source, n_passes=passes) as watched,
    ):
        for index in range(passes):
            for rows in watched(source.batches()):
                if standardize and units is None:
                    units = standardization(rows, source.names)
                with in_files(files):
                    estimator.partial_fit(rows if units is None else (rows - units.center) / units.scale)
            if index + 1 < passes and len(estimator.history_) == 0:
                warn("all rows are held and fitted by EM, to which more passes would add nothing")
                break
        with in_files(files):
            mixture = estimator.to_mixture()
    seconds = time.perf_counter() - start
    log_likelihood = estimator.lower_bound_
    if units is not None:
        mixture = unstandardize(mixture, units.center, units.scale)
        log_likelihood -= _log_volume(units)
    n_rows = estimator.n_samples_seen_
    if output is not None:
        save(mixture, output, feature_names=source.names, n_samples_seen=n_rows, metadata=_settings(ctx))
    _report(mixture, source, n_rows, log_likelihood, output, as_json)
    if sys.stderr is not None and sys.stderr.isatty():
        click.echo(f"{n_rows:,} rows in {seconds:.2f} s ({n_rows / seconds:,.0f} rows/s)", err=True)


def standardization(rows: NDArray[Any], names: Sequence[str]) -> Standardization:
    """Return the columns' means and standard deviations; 1 for the deviation of a constant column.

    Parameters
    ----------
    rows : ndarray of shape (n_samples, n_features)
    names : sequence of str
        The columns, for the error.

    Raises
    ------
    ValueError
        If a column's numbers are so large or so small that its standard deviation is lost.

    Examples
    --------
    >>> import numpy as np
    >>> standardization(np.array([[1.0, 7.0], [5.0, 7.0]]), ["a", "b"])
    Standardization(center=array([3., 7.]), scale=array([2., 1.]))
    """
    import numpy as np

    rows = rows.astype(np.float64, copy=False)
    is_constant = rows.min(axis=0) == rows.max(axis=0)
    with np.errstate(over="ignore", invalid="ignore"):
        center = np.where(is_constant, rows[0], rows.mean(axis=0))
        scale = np.where(is_constant, 1.0, rows.std(axis=0))
    bad = np.flatnonzero(~(np.isfinite(center) & np.isfinite(scale) & (scale > 0)))
    if len(bad):
        column = rows[:, bad[0]]
        raise ValueError(
            f"column {names[bad[0]]!r} cannot be standardized: its numbers, {column.min():.3g} to "
            f"{column.max():.3g}, have no standard deviation in float64; rescale it"
        )
    return Standardization(center, scale)


@contextmanager
def in_files(files: Sequence[str]) -> Iterator[None]:
    """Name the files in what the estimator says of their rows."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{', '.join(files)}: {error}") from error


def unstandardize(mixture: Mixture, center: NDArray[Any], scale: NDArray[Any]) -> Mixture:
    """Return the mixture of center + scale * z, for z from a mixture.

    Parameters
    ----------
    mixture : Mixture
        Of rows from which ``center`` was subtracted, then divided by ``scale``.
    center, scale : ndarray of shape (n_features,)
        The scale is positive.

    Returns
    -------
    Mixture
        Of the same covariance type, but "diag" for "spherical".

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture
    >>> mixture = Mixture([1.0], [[0.0, 1.0]], [1.0], "spherical")
    >>> moved = unstandardize(mixture, np.array([5.0, 5.0]), np.array([1.0, 10.0]))
    >>> moved.means, moved.covariances
    (array([[ 5., 15.]]), array([[  1., 100.]]))
    """
    from streamgmm.mixture import Mixture

    means = center + scale * mixture.means
    if mixture.kind.has_matrices:
        factor, covariance_type = scale[:, None] * mixture.factor, mixture.covariance_type
    else:
        factor, covariance_type = scale * mixture.kernel_factor()[:, :, 0], "diag"
    return Mixture.from_factor(mixture.log_weights, means, factor, covariance_type)


def _log_volume(units: Standardization) -> float:
    """Return by how much a log density falls when its rows are put back into their units."""
    import numpy as np

    return float(np.log(units.scale).sum())


def _estimator(
    rule: str, components: int, covariance: str, batch_size: int, seed: int
) -> OnlineGaussianMixture:
    from streamgmm.estimators import OnlineGaussianMixture

    return OnlineGaussianMixture(
        components, covariance_type=covariance, rule=rule, batch_size=batch_size, random_state=seed
    )


def _settings(ctx: click.Context) -> dict[str, Any]:
    """Return what the model was made with, but not where."""
    names = ("rule", "components", "covariance", "batch_size", "passes", "seed", "standardize")
    return {"command": "fit", **{name: ctx.params[name] for name in names}}


def require_replaceable(output: str) -> None:
    """Raise before any row is read if the model cannot be written, or would replace what is not one."""
    from streamgmm.persistence import ModelFileError, require_writable

    try:
        with open(require_writable(output), "rb") as file:
            head = file.read(9)
    except FileNotFoundError:
        return
    if head and head[8:] != b"{":
        raise ModelFileError(f"{output}: is not a model file, and is not replaced by one")


def _with_names(names: Sequence[str], standardize: bool) -> Callable[[str], str]:
    """Return what puts the columns' names, and the data's units, into the estimator's warnings."""

    def listed(match: re.Match[str]) -> str:
        return match[1] + ", ".join(repr(names[int(index)]) for index in match[2].split(","))

    def rewrite(message: str) -> str:
        message = re.sub(r"(constant columns in the first \d+ rows: )\[([\d, ]+)\]", listed, message)
        return re.sub(r"\[[^]]*\] (?=occurs \d+ times)", "one ", message) if standardize else message

    return rewrite


def _report(
    mixture: Mixture, source: Source, n_rows: int, log_likelihood: float, output: str | None, as_json: bool
) -> None:
    if as_json:
        description = describe(mixture, source.names)
        description |= {"rows": n_rows, "log_likelihood_per_row": log_likelihood, "output": output}
        write_lines([to_json(description)])
        return
    known = log_likelihood == log_likelihood
    lines = [
        table(mixture, source.names),
        "",
        f"rows seen: {n_rows}",
        f"log-likelihood per row: {f'{log_likelihood:.6g} nats' if known else 'not known yet'}",
    ]
    write_lines([*lines, f"written to {output}"] if output is not None else lines)
