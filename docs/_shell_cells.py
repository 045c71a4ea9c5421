"""What `%%sh` does on the pages: IPython's own prints in pieces, which the pages would show as lines."""

import subprocess

from IPython.core.magic import register_cell_magic


@register_cell_magic
def sh(line: str, cell: str) -> None:
    """Run a cell in the shell and print all that it printed; its failure is the cell's."""
    done = subprocess.run(f"set -e\n{cell}", shell=True, capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(done.stderr)
    print(done.stdout, end="")
