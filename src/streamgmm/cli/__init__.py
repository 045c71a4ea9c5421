"""The command `streamgmm`: one file per command, all started here."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        import click  # noqa: F401
    except ModuleNotFoundError:
        print("streamgmm: error: the command needs: pip install 'streamgmm[cli]'", file=sys.stderr)
        sys.exit(1)
    from .app import run

    run()
