"""`streamgmm score`: the log density of each row."""

from __future__ import annotations

import click

from . import _options
from ._output import to_json, write_lines
from ._rows import open_for_model, progress


@click.command()
@_options.model
@_options.files
@_options.columns
@click.option("--summary", is_flag=True, help="Print only the mean and the number of rows.")
@_options.as_ndjson
def score(
    model: str, files: tuple[str, ...], columns: tuple[str, ...] | None, summary: bool, as_json: bool
) -> None:
    """Print the log density of each row of FILES under MODEL, in nats.

    Rows that are piped in are scored as they come. The columns with the names of the model's features are
    read; if the files have none of them, all columns, when there are as many.
    """
    from streamgmm.persistence import read

    loaded = read(model)
    source = open_for_model(loaded, files, columns)
    total, n_rows = 0.0, 0
    with progress(source, prints_rows=not summary) as watched:
        for rows in watched(source.batches(flush=not summary)):
            log_prob = loaded.mixture.log_prob(rows)
            if summary:
                total += float(log_prob.sum())
            elif as_json:
                write_lines(to_json({"log_prob": value}) for value in log_prob.tolist())
            else:
                write_lines([*(["log_prob"] if n_rows == 0 else []), *map(repr, log_prob.tolist())])
            n_rows += len(rows)
    if summary and as_json:
        write_lines([to_json({"mean_log_prob": total / n_rows, "rows": n_rows})])
    elif summary:
        write_lines(["mean_log_prob,rows", f"{total / n_rows!r},{n_rows}"])
