"""`streamgmm plot`: a picture of a model, with rows behind it."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from streamgmm._words import printable

from . import _options
from ._figures import new_figure
from ._output import feature_names, warnings_as_lines, write_lines
from ._rows import open_for_model, progress

if TYPE_CHECKING:
    from streamgmm.persistence import ModelFile

_BEGINNINGS = {".png": (b"\x89PNG",), ".svg": (b"<?xml", b"<svg"), ".pdf": (b"%PDF",)}


@click.command()
@_options.model
@_options.optional_files
@_options.columns
@click.option(
    "--features",
    type=_options.Columns(),
    help="The features to draw, by name; by default the first eight.",
)
@click.option("--output", "-o", type=click.Path(), required=True, help="The picture: .png, .svg or .pdf.")
def plot(
    model: str,
    files: tuple[str, ...],
    columns: tuple[str, ...] | None,
    features: tuple[str, ...] | None,
    output: str,
) -> None:
    """Draw MODEL, with at most 2000 of the rows of FILES.

    One feature is drawn as a density, two as ellipses that hold 50 % and 95 % of each component's rows, more
    pair by pair.
    """
    suffix = Path(output).suffix.lower()
    if suffix not in _BEGINNINGS:
        raise click.UsageError(f"--output must end in {', '.join(_BEGINNINGS)}, got {output!r}")
    if columns is not None and not files:
        raise click.UsageError("--columns chooses columns of FILES, but there are none")
    from streamgmm.persistence import read, require_replaceable, write_whole
    from streamgmm.plots._inputs import require_matplotlib

    require_matplotlib("pictures")
    beginnings = _BEGINNINGS[suffix]
    require_replaceable(output, lambda head: head.startswith(beginnings), f"a {suffix[1:].upper()} file")
    loaded = read(model)
    names = feature_names(loaded.mixture, loaded.metadata["feature_names"])
    wanted = range(min(8, len(names))) if features is None else [_index(name, names) for name in features]
    figure = new_figure()
    with warnings_as_lines():
        X = _rows(loaded, files, columns) if files else None
        _draw(loaded, X, list(wanted), list(names), figure)
        picture = _bytes(figure, suffix)
    write_whole(output, picture)
    write_lines([f"written to {printable(output)}"])


def _index(name: str, names: tuple[str, ...]) -> int:
    if name not in names:
        raise click.UsageError(f"--features: the model has {', '.join(names)}, got {name!r}")
    return names.index(name)


def _rows(loaded: ModelFile, files: tuple[str, ...], columns: tuple[str, ...] | None) -> Any:
    """Return at most as many rows as are drawn, each equally likely, in constant memory."""
    from streamgmm.fit.rows import Memory
    from streamgmm.plots._inputs import MAX_ROWS

    source = open_for_model(loaded, files, columns)
    memory = Memory(MAX_ROWS)
    with progress(source) as watched:
        for rows in watched(source.batches()):
            memory = memory.add(rows)
    return memory.rows


def _draw(loaded: ModelFile, X: Any, features: list[int], names: list[str], figure: Any) -> None:
    from streamgmm.plots import MixtureDisplay, PairDisplay

    options: dict[str, Any] = {"features": features, "feature_names": names}
    if len(features) > 2:
        figure.set_size_inches(1.7 * len(features), 1.7 * len(features))
        PairDisplay.from_estimator(loaded.mixture, X, ax=figure.subplots(), **options)
        return
    options["marginals"] = len(features) == 2
    MixtureDisplay.from_estimator(loaded.mixture, X, ax=figure.subplots(), **options)


def _bytes(figure: Any, suffix: str) -> bytes:
    import io

    from matplotlib import rc_context

    stream = io.BytesIO()
    with rc_context({"svg.hashsalt": "streamgmm"}):
        figure.savefig(stream, format=suffix[1:], dpi=150, metadata=_WITHOUT_DATE[suffix])
    return stream.getvalue()


# The same model and rows give the same file.
_WITHOUT_DATE: dict[str, dict[str, None]] = {
    ".png": {},
    ".svg": {"Date": None},
    ".pdf": {"CreationDate": None},
}
