"""`streamgmm predict`: the most probable component of each row."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import click

from . import _options
from ._output import to_json, write_lines
from ._rows import open_for_model, progress

if TYPE_CHECKING:
    from numpy.typing import NDArray


@click.command()
@_options.model
@_options.files
@_options.columns
@click.option("--proba", is_flag=True, help="Print the probabilities of all components too: p0, p1, ...")
@_options.as_ndjson
def predict(
    model: str, files: tuple[str, ...], columns: tuple[str, ...] | None, proba: bool, as_json: bool
) -> None:
    """Print each row's most probable component and its probability.

    Rows of FILES that are piped in are answered as they come. Columns are chosen as in score.
    """
    from streamgmm.persistence import read

    loaded = read(model)
    source = open_for_model(loaded, files, columns)
    header = ["component", "probability"]
    if proba:
        header += [f"p{k}" for k in range(loaded.mixture.n_components)]
    needs_header = not as_json
    with progress(source, prints_rows=True) as watched:
        for rows in watched(source.batches(flush=True)):
            resp = loaded.mixture.responsibilities(rows)
            if needs_header:
                write_lines([",".join(header)])
                needs_header = False
            write_lines(_as_json(resp, proba) if as_json else _as_csv(resp, proba))


def _as_csv(resp: NDArray[Any], proba: bool) -> Iterator[str]:
    for component, row in zip(resp.argmax(axis=1).tolist(), resp.tolist(), strict=True):
        yield ",".join([str(component), repr(row[component]), *(map(repr, row) if proba else ())])


def _as_json(resp: NDArray[Any], proba: bool) -> Iterator[str]:
    for component, row in zip(resp.argmax(axis=1).tolist(), resp.tolist(), strict=True):
        answer = {"component": component, "probability": row[component]}
        yield to_json(answer | {"probabilities": row} if proba else answer)
