"""What streamgmm asks of its surroundings: libraries, their versions, and folders that can be written."""

from __future__ import annotations

import ast
import sys
from pathlib import Path

import streamgmm

PACKAGE = Path(streamgmm.__file__).parent


def imported(path):
    """Return all names that a file imports from other libraries, with dots."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        else:
            continue
        ours = {"streamgmm", *sys.stdlib_module_names}
        yield from (name for name in names if name.split(".")[0] not in ours)


def test_private_names_are_imported_in_one_place():
    private = {
        path.relative_to(PACKAGE).parts[0]
        for path in PACKAGE.rglob("*.py")
        for name in imported(path)
        if "._" in name
    }
    assert private == {"_compat"}
