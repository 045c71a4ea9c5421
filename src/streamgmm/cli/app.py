"""The group of commands, and what becomes of their errors: one line, an exit status, never a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NoReturn

import click
from click.exceptions import Exit

from streamgmm._words import printable

from . import INTERRUPTED
from .fit import fit
from .info import info
from .plot import plot
from .predict import predict
from .sample import sample
from .score import score
from .select import select
from .simulate import simulate

_ERRORS = (ValueError, OSError, MemoryError, OverflowError, ImportError)


class Failure(click.ClickException):
    """What stops a command, told in one line."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the line to standard error."""
        click.echo(f"streamgmm: error: {self.message}", err=True)


class Commands(click.Group):
    """A group that turns errors of data, files and memory into a `Failure`."""

    def make_context(self, *args: Any, **extra: Any) -> click.Context:
        """Read the options of the group, which may print help."""
        with _as_failures():
            return super().make_context(*args, **extra)

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command."""
        with _as_failures():
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
            return result


@contextmanager
def _as_failures() -> Iterator[None]:
    """End with status 0 when the reader of the output has gone, 130 when interrupted, else tell errors."""
    try:
        yield
    except KeyboardInterrupt as error:
        raise Exit(INTERRUPTED) from error
    except BrokenPipeError as error:
        raise Exit(0) from error
    except click.ClickException as error:
        vars(error).update(message=printable(error.message))  # which click declares final
        raise
    except _ERRORS as error:
        if _is_interrupt(error):
            raise Exit(INTERRUPTED) from error
        raise Failure(one_line(error)) from error


def _is_interrupt(error: BaseException | None) -> bool:
    """Return whether an error hides an interrupt, as libraries make of one while they are imported."""
    while error is not None and not isinstance(error, KeyboardInterrupt):
        error = error.__cause__ or error.__context__
    return error is not None


def one_line(error: BaseException) -> str:
    r"""Return what an error says, on one line.

    Examples
    --------
    >>> one_line(ValueError("bad row\n  in line 3"))
    'bad row in line 3'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "a.csv"))
    'a.csv: No such file or directory'
    """
    text = str(error)
    if isinstance(error, OSError) and error.strerror:
        text = f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        text = f"not enough memory: {error}" if text else "not enough memory"
    return printable(" ".join(text.split())) or type(error).__name__


@click.group(cls=Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(package_name="streamgmm")
def streamgmm() -> None:
    """Gaussian mixtures that learn from a stream.

    FILES are .csv, .tsv, .ndjson or .jsonl (each also with .gz), .parquet, .arrow, .feather or .npy; globs;
    or - for standard input. Results go to standard output, all else to standard error.

    \b
    Examples:
      streamgmm fit 'data/*.csv' --components 3 -o model.safetensors
      streamgmm score model.safetensors new.parquet --summary
      tail -f sensor.ndjson | streamgmm score model.safetensors -
    """  # noqa: D301


for _command in (fit, select, score, predict, sample, info, plot, simulate):
    streamgmm.add_command(_command)


def run() -> NoReturn:
    """Run the command line and end the process."""
    try:
        streamgmm.main(prog_name="streamgmm")
    finally:
        _let_go_of_output()
    sys.exit(0)


def _let_go_of_output() -> None:
    """Flush standard output, or, if nobody takes it, drop what is left: the interpreter would complain."""
    if sys.stdout is None:
        return
    try:
        sys.stdout.flush()
    except (OSError, ValueError):
        with contextlib.suppress(OSError, ValueError):
            os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
