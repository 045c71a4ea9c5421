"""What commands print: rows and JSON for programs, a table for people, warnings in one line each."""

from __future__ import annotations

import io
import json
import math
import sys
import warnings
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

from streamgmm._words import printable

if TYPE_CHECKING:
    from streamgmm.mixture import Mixture


def write_lines(lines: Iterable[str]) -> None:
    """Write lines to standard output at once."""
    if sys.stdout is None:
        return
    sys.stdout.write("".join(f"{line}\n" for line in lines))
    sys.stdout.flush()


def to_json(value: Any) -> str:
    """Return JSON in one line, with null for numbers that are not finite.

    Examples
    --------
    >>> to_json({"log_prob": [-1.5, float("-inf")]})
    '{"log_prob": [-1.5, null]}'
    """
    return json.dumps(_finite(value), allow_nan=False)


def warn(message: str) -> None:
    """Print a warning to standard error, in one line."""
    tell(f"warning: {message}")


def tell(message: str) -> None:
    """Print one line to standard error."""
    if sys.stderr is not None:  # print would fall back to standard output
        print(printable(" ".join(message.split())), file=sys.stderr)


@contextmanager
def warnings_as_lines(names: Sequence[str] | None = None, **instead: Any) -> Iterator[list[str]]:
    """Print each different warning of the package once, with the columns' names; give the list of them."""
    shown: list[str] = []

    def show(message: Warning | str, *_: Any, **__: Any) -> None:
        from streamgmm.diagnostics.finding import told

        text = told(message, names, **instead)
        if text not in shown:
            shown.append(text)
            warn(text)

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        for category in (UserWarning, RuntimeWarning):
            warnings.simplefilter("always", category)
        warnings.showwarning = show
        yield shown


def describe(mixture: Mixture, names: Sequence[str] | None) -> dict[str, Any]:
    """Return a mixture as JSON holds it, with covariances in scikit-learn's shapes."""
    return {
        "covariance_type": mixture.covariance_type,
        "n_components": mixture.n_components,
        "n_features": mixture.n_features,
        "feature_names": None if names is None else list(names),
        "weights": mixture.weights.tolist(),
        "means": mixture.means.tolist(),
        "covariances": mixture.covariances.tolist(),
    }


def feature_names(mixture: Mixture, names: Sequence[str] | None) -> tuple[str, ...]:
    """Return the names, or x0, x1, ... where a model has none."""
    return tuple(names) if names is not None else tuple(f"x{index}" for index in range(mixture.n_features))


def table(mixture: Mixture, names: Sequence[str] | None) -> str:
    """Return weights, means and standard deviations, a line for each feature of each component."""
    from rich import box
    from rich.console import Console
    from rich.table import Table
    from rich.text import Text

    grid = Table(box=box.SIMPLE_HEAD, pad_edge=False, show_edge=False)
    for title in ("component", "weight", "column", "mean", "standard deviation"):
        grid.add_column(title, justify="left" if title == "column" else "right", no_wrap=True)
    means, deviations, weights = mixture.means, mixture.standard_deviations, mixture.weights
    for k in range(mixture.n_components):
        for index, name in enumerate(feature_names(mixture, names)):
            first = (str(k), f"{weights[k]:.4f}") if index == 0 else ("", "")
            numbers = (f"{means[k, index]:.6g}", f"{deviations[k, index]:.6g}")
            grid.add_row(
                *map(Text, (*first, printable(name), *numbers)), end_section=index == mixture.n_features - 1
            )
    stream = io.StringIO()
    is_terminal = sys.stdout is not None and sys.stdout.isatty()
    console = Console(file=stream, force_terminal=is_terminal, width=1 << 16)
    console.width = console.measure(grid).maximum
    console.print(grid)
    return "\n".join(line.rstrip() for line in stream.getvalue().splitlines())


def _finite(value: Any) -> Any:
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return value
