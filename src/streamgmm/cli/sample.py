"""`streamgmm sample`: rows drawn from a model."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence

import click

from streamgmm._words import printable, quoted

from . import _options
from ._output import feature_names, to_json, warn, write_lines

_ROWS_AT_ONCE = 65536
_LABEL = "component"
_FORMULA = ("=", "+", "-", "@")  # how a field begins that a spreadsheet computes


@click.command()
@_options.model
@click.option(
    "-n", "n_rows", type=click.IntRange(min=1), default=1000, show_default=True, help="Number of rows."
)
@click.option("--seed", type=click.IntRange(min=0), help="Random seed; by default, other rows each time.")
@click.option("--labels", is_flag=True, help="Print the component of each row as a last column.")
@_options.as_ndjson
def sample(model: str, n_rows: int, seed: int | None, labels: bool, as_json: bool) -> None:
    """Draw rows from MODEL.

    In the header, a name that a spreadsheet would take for a formula gets an apostrophe, and control
    characters are written as escapes; --json has the names as they are.
    """
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
        write_lines([_header(names)])
    for start in range(0, n_rows, _ROWS_AT_ONCE):
        X, components = mixture.sample(min(_ROWS_AT_ONCE, n_rows - start), rng)
        rows = X.tolist()
        if labels:
            rows = [[*row, label] for row, label in zip(rows, components.tolist(), strict=True)]
        if as_json:
            write_lines(to_json(dict(zip(names, row, strict=True))) for row in rows)
        else:
            write_lines(",".join(map(repr, row)) for row in rows)


def _header(names: Sequence[str]) -> str:
    """Return the names as the first line, in which no terminal and no spreadsheet finds anything to run."""
    fields = [f"'{name}" if name.lstrip().startswith(_FORMULA) else name for name in map(printable, names)]
    for name, field in zip(names, fields, strict=True):
        if name != field:
            warn(f"column {quoted(name)} is printed as {field}, safe for spreadsheets and terminals")
    stream = io.StringIO()
    csv.writer(stream, lineterminator="").writerow(fields)
    return stream.getvalue()
