"""`streamgmm info`: what a model file holds."""

from __future__ import annotations

from typing import Any

import click

from streamgmm._words import printable

from . import _options
from ._output import describe, table, to_json, write_lines


@click.command()
@_options.model
@_options.as_json
def info(model: str, as_json: bool) -> None:
    """Print what MODEL holds, and how it was made."""
    from streamgmm.persistence import read

    mixture, metadata = read(model)
    names = metadata["feature_names"]
    if as_json:
        write_lines([to_json(metadata | describe(mixture, names))])
        return
    facts: dict[str, Any] = {
        "covariance": mixture.covariance_type,
        "rows seen": "not known" if metadata["n_samples_seen"] is None else metadata["n_samples_seen"],
        "format": f"{metadata['format']} {metadata['format_version']}",
        "written by": f"streamgmm {metadata['streamgmm_version']}",
    }
    facts |= {
        f"info {key}": value if isinstance(value, str) else to_json(value)
        for key, value in metadata["info"].items()
    }
    write_lines([table(mixture, names), "", *(printable(f"{key}: {value}") for key, value in facts.items())])
