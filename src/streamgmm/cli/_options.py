"""Options and arguments that several commands have."""

from __future__ import annotations

import csv
import sys
from importlib import import_module
from typing import Any

import click


class Registered(click.ParamType):  # type: ignore[type-arg]
    """A name from one of the package's registries, which is imported when it is asked for."""

    name = "name"

    def __init__(self, module: str, names: str = "names") -> None:
        self._module, self._names = module, names

    def names(self) -> tuple[str, ...]:
        """Return the registered names."""
        names: tuple[str, ...] = getattr(import_module(self._module), self._names)()
        return names

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return the names as help shows them."""
        return f"[{'|'.join(self.names())}]"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the name, or tell which there are."""
        if value not in self.names():
            self.fail(f"{value!r} is not one of {', '.join(map(repr, self.names()))}", param, ctx)
        return value


class Size(click.ParamType):  # type: ignore[type-arg]
    """A number of components, or auto."""

    name = "number"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what help shows."""
        return "N|auto"

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the number, or "auto"."""
        return value if value == "auto" else click.IntRange(min=1).convert(value, param, ctx)


class Columns(click.ParamType):  # type: ignore[type-arg]
    """Column names separated by commas; CSV's quotes hold a name that has one."""

    name = "columns"

    def get_metavar(self, param: click.Parameter, ctx: click.Context | None = None) -> str:
        """Return what help shows."""
        return "A,B,..."

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """Return the names as a tuple."""
        if not isinstance(value, str):
            return value
        names = tuple(name.strip() for name in next(csv.reader([value]), []))
        if not names or "" in names:
            self.fail(f"{value!r} must be names separated by commas", param, ctx)
        for name in names:
            if names.count(name) > 1:
                self.fail(f"{name!r} must be named once, got {names.count(name)} times", param, ctx)
        return names


def _readable(ctx: click.Context, param: click.Parameter, value: tuple[str, ...]) -> tuple[str, ...]:
    if "-" in value and sys.stdin is None:
        raise click.UsageError("standard input (-) is closed", ctx)
    return value


files = click.argument("files", nargs=-1, required=True, metavar="FILES...", callback=_readable)
optional_files = click.argument("files", nargs=-1, metavar="[FILES]...", callback=_readable)
model = click.argument("model", metavar="MODEL")
columns = click.option("--columns", type=Columns(), help="The columns that are the features, in this order.")
seed = click.option(
    "--seed", type=click.IntRange(0, 2**32 - 1), default=0, show_default=True, help="Random seed."
)
as_json = click.option("--json", "as_json", is_flag=True, help="Print JSON.")
as_ndjson = click.option("--json", "as_json", is_flag=True, help="Print one JSON object per line.")
