"""`streamgmm select`: how many components, and which covariances."""

from __future__ import annotations

import re
import sys
from typing import TYPE_CHECKING, Any

import click

from streamgmm._words import quoted

from . import _options
from ._output import describe, table, to_json, warn, warnings_as_lines, write_lines
from .fit import require_model_file

if TYPE_CHECKING:
    from streamgmm.sources import Source

_MOST = 10_000  # numbers of components
_NUMBER = re.compile("0*[1-9][0-9]{0,17}")
_HELD_NUMBERS = 50_000_000  # more are read from the files again for every pass


class Numbers(click.ParamType):  # type: ignore[type-arg]
    """Numbers of components: 1-10, or 2,4,8, or both."""

    name = "numbers"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what help shows."""
        return "A-B,C,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the numbers as a tuple."""
        shown, numbers = quoted(value), dict[int, None]()
        for part in value.split(","):
            ends = [end.strip() for end in part.split("-")]
            if len(ends) > 2 or not all(_NUMBER.fullmatch(end) for end in ends):
                self.fail(f"{shown} must be numbers from 1, such as 1-10 or 2,4,8", param, ctx)
            first, last = int(ends[0]), int(ends[-1])
            if first > last:
                self.fail(f"{shown} must have ranges in rising order, got {quoted(part)}", param, ctx)
            if len(numbers) + last - first >= _MOST:
                self.fail(f"{shown} must be at most {_MOST} numbers", param, ctx)
            numbers |= dict.fromkeys(range(first, last + 1))
        return tuple(numbers)


@click.command()
@_options.files
@_options.columns
@click.option("--components", "-k", type=Numbers(), default="1-10", show_default=True, help="What to try.")
@click.option(
    "--covariance",
    "covariances",
    type=_options.Registered("streamgmm.covariance"),
    multiple=True,
    help="Try only this covariance type; may be given several times.",
)
@click.option(
    "--criterion",
    type=click.Choice(["bic", "aic", "icl", "held-out"]),
    default="bic",
    show_default=True,
    help="What ranks the mixtures.",
)
@click.option(
    "--starts",
    type=click.IntRange(min=1),
    default=1,
    show_default=True,
    help="How often to begin anew, of which the best fits count.",
)
@_options.seed
@click.option("--output", "-o", type=click.Path(), help="The file to write the best model to (.safetensors).")
@_options.as_json
def select(
    files: tuple[str, ...],
    columns: tuple[str, ...] | None,
    components: tuple[int, ...],
    covariances: tuple[str, ...],
    criterion: str,
    starts: int,
    seed: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Fit mixtures with different numbers of components and covariances to FILES, and rank them.

    EM fits each, on all cores, with a weak prior, so that none collapses.
    """
    from streamgmm.covariance import names
    from streamgmm.estimators.select import select as search
    from streamgmm.persistence import save
    from streamgmm.sources import open_source

    if output is not None:
        require_model_file(output)
    source = open_source(files, columns=columns)
    X, n_rows = _rows(source)
    again: dict[str, Any] = {"n_init": starts, "init_params": "best"} if starts > 1 else {}
    is_watched = sys.stderr is not None and sys.stderr.isatty()
    with warnings_as_lines():
        found = search(
            X,
            components,
            covariance_types=covariances or names(),
            criterion=criterion,
            random_state=seed,
            progress=is_watched,
            **again,
        )
    for K, kind, why in found.failures:
        warn(f"{K} components, {kind}: {why}")
    mixture = found.best.to_mixture()
    if output is not None:
        save(mixture, output, feature_names=source.names, n_samples_seen=n_rows)
    if as_json:
        rows = [row._asdict() for row in found.table]
        best = describe(mixture, source.names)
        findings = [finding.text(source.names) for finding in found.findings]
        table_of = {"criterion": criterion, "table": rows, "best": best, "findings": findings}
        write_lines([to_json(table_of)])
    else:
        write_lines([repr(found), "", table(mixture, source.names)])


def _rows(source: Source) -> tuple[Any, int | None]:
    """Return the rows, in memory if there is room, and their number if it is known."""
    import numpy as np

    held: list[Any] = []
    for batch in source.batches():
        held.append(batch.rows)
        if source.rereadable and sum(rows.size for rows in held) > _HELD_NUMBERS:
            return (lambda: (batch.rows for batch in source.batches())), None
    X = np.concatenate(held)
    return X, len(X)
