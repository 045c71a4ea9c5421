"""The group of commands, and what becomes of their errors: one line, an exit status, never a traceback."""

from __future__ import annotations

import contextlib
import os
import sys
from typing import Any, NoReturn

import click

from .fit import fit
from .info import info
from .plot import plot
from .predict import predict
from .sample import sample
from .score import score
from .select import select
from .simulate import simulate

_INTERRUPTED = 130
_ERRORS = (ValueError, OSError, MemoryError, OverflowError, ImportError)


class Failure(click.ClickException):
    """What stops a command, told in one line."""

    exit_code = 1

    def show(self, file: Any = None) -> None:
        """Print the line to standard error."""
        click.echo(f"streamgmm: error: {self.message}", err=True)


class Commands(click.Group):
    """A group that turns errors of data, files and memory into a `Failure`."""

    def invoke(self, ctx: click.Context) -> Any:
        """Run the command; status 0 when the reader of its output has gone, 130 when interrupted."""
        try:
            result = super().invoke(ctx)
            if sys.stdout is not None:
                sys.stdout.flush()
        except KeyboardInterrupt:
            ctx.exit(_INTERRUPTED)
        except BrokenPipeError:
            ctx.exit(0)
        except _ERRORS as error:
            raise Failure(one_line(error)) from error
        return result


def one_line(error: BaseException) -> str:
    r"""Return what an error says, on one line.

    Examples
    --------
    >>> one_line(ValueError("bad row\n  in line 3"))
    'bad row in line 3'
    >>> one_line(FileNotFoundError(2, "No such file or directory", "a.csv"))
    'a.csv: No such file or directory'
    """
    if isinstance(error, OSError) and error.strerror:
        return f"{error.filename}: {error.strerror}" if error.filename else error.strerror
    if isinstance(error, MemoryError):
        return f"not enough memory: {error}" if str(error) else "not enough memory"
    return " ".join(str(error).split()) or type(error).__name__


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
    except KeyboardInterrupt:
        sys.exit(_INTERRUPTED)
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
