"""`streamgmm fit`: learn a mixture from files or standard input, in constant memory."""

from __future__ import annotations

import os
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import click

from streamgmm._words import printable

from . import _options
from ._learning import Learned, learn
from ._output import describe, table, to_json, write_lines
from ._rows import STDIN

if TYPE_CHECKING:
    from streamgmm.estimators import OnlineGaussianMixture
    from streamgmm.fit.events import Event
    from streamgmm.report import Watch
    from streamgmm.sources import Source

_READ_ROWS = 65536
_SETTINGS = (
    *("rule", "components", "covariance", "batch_size", "passes", "memory_rows", "on_drift"),
    *("seed", "standardize"),
)


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
    type=_options.Size(),
    default=1,
    show_default=True,
    help="Number of components; auto has as many as the lowest BIC on the rows that are kept.",
)
@click.option(
    "--max-components",
    type=click.IntRange(min=1),
    default=20,
    show_default=True,
    help="The largest number that auto may find.",
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
    "--memory-rows",
    type=click.IntRange(min=0),
    help="Rows kept of all, on which better mixtures are looked for: by default 20 000, or 30 for each "
    "parameter if that is more. 0 keeps none.",
)
@click.option(
    "--on-drift",
    type=click.Choice(["rehearse", "report", "forget"]),
    default="rehearse",
    show_default=True,
    help="What to do when rows are others than before: find out whether they come in some order or have "
    "changed; say so and nothing else; or begin anew at once.",
)
@_options.seed
@click.option("--output", "-o", type=click.Path(), help="The model file to write (.safetensors).")
@click.option(
    "--report",
    type=click.Path(),
    help="An HTML file to write, with the data, the mixture and how it was learned in tables and pictures. "
    "It takes some twenty fits of the first rows, which many components make slow.",
)
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
    report: str | None,
    as_json: bool,
    **parameters: Any,
) -> None:
    """Learn a mixture from the rows of FILES, and print it.

    Files are learned in random order, through a buffer of 262 144 rows: shuffle sorted text that is much
    longer. Standard input is learned in the order in which its rows come. What the learner does beside
    learning (a better mixture, an order, a change) is told on standard error when it happens.
    """
    if passes > 1 and STDIN in files:
        raise click.UsageError("standard input (-) can be read only once, so --passes must be 1")
    watch = _require_writable(output, report)
    from streamgmm.persistence import save
    from streamgmm.sources import open_source

    estimator = _estimator(**parameters)
    batch_size = estimator.batch_size
    source = open_source(files, columns=columns, batch_rows=batch_size * max(1, _READ_ROWS // batch_size))
    learned = learn(estimator, source, files, passes=passes, standardize=standardize, watch=watch)
    settings, n_rows = _settings(ctx), learned.n_rows
    if output is not None:
        save(learned.mixture, output, feature_names=source.names, n_samples_seen=n_rows, metadata=settings)
    if report is not None:
        _write_report(report, learned, source, files, settings)
    _print(learned, source, output, report, as_json)
    if sys.stderr is not None and sys.stderr.isatty():
        speed = n_rows / learned.seconds
        click.echo(f"{n_rows:,} rows in {learned.seconds:.2f} s ({speed:,.0f} rows/s)", err=True)


def _estimator(components: int | str, covariance: str, seed: int, **same: Any) -> OnlineGaussianMixture:
    from streamgmm.estimators import OnlineGaussianMixture

    return OnlineGaussianMixture(components, covariance_type=covariance, random_state=seed, **same)


def _settings(ctx: click.Context) -> dict[str, Any]:
    """Return what the model was made with, but not where."""
    settings = {"command": "fit", **{name: ctx.params[name] for name in _SETTINGS}}
    if settings["components"] == "auto":
        settings["max_components"] = ctx.params["max_components"]
    return {name: value for name, value in settings.items() if value is not None}


def require_model_file(output: str) -> None:
    """Raise before any row is read if the model cannot be written, or would replace what is not one."""
    from streamgmm.persistence import is_model, require_replaceable

    require_replaceable(output, is_model, "a model file")


def _require_writable(output: str | None, report: str | None) -> Watch | None:
    """Raise before any row is read if what is asked for cannot be written; return what a report needs."""
    for option, path in (("--output", output), ("--report", report)):
        if path == STDIN:
            raise click.UsageError(f"{option} must name a file, got {path}")
    if output is not None:
        require_model_file(output)
    if report is None:
        return None
    from streamgmm.report import Watch, require_report

    require_report(report)
    if output is not None and os.path.realpath(output) == os.path.realpath(report):
        raise ValueError(f"{report}: --output and --report must be two files")
    return Watch()


def _write_report(
    path: str, learned: Learned, source: Source, files: Sequence[str], settings: dict[str, Any]
) -> None:
    from streamgmm.report import Report, write

    assert learned.watch is not None
    n_components = learned.mixture.n_components
    report = Report(
        f"{n_components} Gaussian{'s' if n_components > 1 else ''} in {_sources(files)}",
        tuple(source.names),
        learned.watch.summary,
        learned.mixture,
        learned.watch.trail,
        learned.history,
        learned.history_rows,
        learned.log_likelihood,
        {name: value for name, value in settings.items() if name != "command"},
        learned.warnings,
        learned.events,
    )
    write(report, path)


def _sources(files: Sequence[str], shown: int = 3) -> str:
    """Name what the rows came from, but not the folders: a report is made to be sent.

    Examples
    --------
    >>> _sources(["data/a.csv", "-"])
    'a.csv and standard input'
    >>> _sources(["a.csv", "b.csv", "c.csv", "d.csv"])
    'a.csv, b.csv, c.csv and 1 more'
    """
    names = ["standard input" if name == STDIN else os.path.basename(name) for name in files]
    if len(names) > shown:
        names = [*names[:shown], f"{len(names) - shown} more"]
    return " and ".join([", ".join(names[:-1]), names[-1]] if len(names) > 1 else names)


def _described(event: Event) -> dict[str, Any]:
    numbers = {"row": event.row, "reason": event.reason, "gain": event.gain, "since": event.since}
    return numbers | {"components": event.n_components}


def _print(learned: Learned, source: Source, output: str | None, report: str | None, as_json: bool) -> None:
    log_likelihood = learned.log_likelihood
    if as_json:
        description = describe(learned.mixture, source.names)
        description |= {"rows": learned.n_rows, "log_likelihood_per_row": log_likelihood}
        description["events"] = [_described(event) for event in learned.events]
        write_lines([to_json(description | {"output": output, "report": report})])
        return
    known = log_likelihood == log_likelihood
    lines = [
        table(learned.mixture, source.names),
        "",
        f"rows seen: {learned.n_rows}",
        f"log-likelihood per row: {f'{log_likelihood:.6g} nats' if known else 'not known yet'}",
    ]
    lines += [f"written to {printable(output)}"] if output is not None else []
    lines += [f"report written to {printable(report)}"] if report is not None else []
    write_lines(lines)
