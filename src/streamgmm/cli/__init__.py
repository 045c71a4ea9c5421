"""The command `streamgmm`: one file per command, all started here."""

from __future__ import annotations

import sys
from importlib.util import find_spec

INTERRUPTED = 130


def main() -> None:
    """Run the command line and end the process with its exit status."""
    try:
        if find_spec("click") is None or find_spec("rich") is None:
            print("streamgmm: error: the command needs: pip install 'streamgmm[cli]'", file=sys.stderr)
            sys.exit(1)
        from .app import run

        run()
    except KeyboardInterrupt:
        sys.exit(INTERRUPTED)
