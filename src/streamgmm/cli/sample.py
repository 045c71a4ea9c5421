"""`streamgmm sample`: rows drawn from a model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import click

from . import _options
from ._output import feature_names, to_json, write_lines

_ROWS_AT_ONCE = 65536
_LABEL = "component"


@click.command()
@_options.model
@click.option(
    "-n", "n_rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Number of rows."
)
@click.option("--seed", type=click.IntRange(min=0), help="Random seed; by default, other rows each time.")
@click.option("--labels", is_flag=True, help="Print the component of each row as a last column.")
@_options.as_ndjson
def sample(model: str, n_rows: int, seed: int | None, labels: bool, as_json: bool) -> None:
    """Draw rows from MODEL."""
    import numpy as np

    from streamgmm.persistence import read

    mixture, metadata = read(model)
    names = [*feature_names(mixture, metadata["feature_names"])]
    if labels and _LABEL in names:
        raise click.UsageError(f"--labels: the model has a feature that is named {_LABEL!r} already")
    if labels:
        names.append(_LABEL)
    rng = np.random.default_rng(seed)
    if not as_json:
        write_lines([_csv_line(names)])
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        X, components = mixture.sample(min(_ROWS_AT_ONCE, n_rows - start), rng)
        rows = X.tolist()
        if labels:
            rows = [[*row, label] for row, label in zip(rows, components.tolist(), strict=True)]
        if as_json:
            write_lines(to_json(dict(zip(names, row, strict=True))) for row in rows)
        else:
            write_lines(",".join(map(repr, row)) for row in rows)


def _csv_line(fields: Sequence[str]) -> str:
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(fields)
    return stream.getvalue()
