"""What streamgmm asks of its surroundings: libraries, their versions, and folders that can be written."""

from __future__ import annotations

import ast
import os
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.version import Version
from scipy.stats import norm

import streamgmm

PACKAGE = Path(streamgmm.__file__).parent
ROOT = Path(__file__).parents[1]


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


@pytest.fixture
def written_nowhere(tmp_path):
    """Return how to run Python where numba can write no cache, even as root, beside a copy of the package."""
    package = tmp_path / "streamgmm"
    shutil.copytree(PACKAGE, package, ignore=shutil.ignore_patterns("__pycache__"))
    for folder in (path for path in package.rglob("*") if path.is_dir()):
        (folder / "__pycache__").touch()  # a file where the folder would be made
    environment = {name: value for name, value in os.environ.items() if name != "NUMBA_CACHE_DIR"}
    environment |= {"PYTHONPATH": str(tmp_path), "HOME": os.devnull, "XDG_CACHE_HOME": os.devnull}

    def run(*arguments, **more):
        command = [sys.executable, *arguments]
        return subprocess.run(
            command, env=environment | more, capture_output=True, text=True, check=True, cwd=tmp_path
        )

    return run


def test_without_a_folder_to_write_all_works_and_one_warning_says_so(written_nowhere):
    code = "import streamgmm; print(streamgmm.Mixture([1.0], [[0.0]], [[[1.0]]]).log_prob([[0.0]])[0])"
    done = written_nowhere("-c", code)
    assert float(done.stdout) == pytest.approx(norm.logpdf(0.0), rel=1e-14)
    assert done.stderr.count("Warning: ") == done.stderr.count("NUMBA_CACHE_DIR") == 1


def test_the_command_warns_on_standard_error(written_nowhere, tmp_path):
    (tmp_path / "rows.csv").write_text("x\n" + "\n".join(str(n) for n in range(50)))
    done = written_nowhere("-m", "streamgmm.cli", "fit", "rows.csv", "--json")
    assert '"means"' in done.stdout
    assert done.stderr.count("Warning: ") == done.stderr.count("NUMBA_CACHE_DIR") == 1


def test_numba_cache_dir_is_used(written_nowhere, tmp_path):
    code = "import streamgmm; streamgmm.Mixture([1.0], [[0.0]], [[[1.0]]]).log_prob([[0.0]])"
    assert written_nowhere("-c", code, NUMBA_CACHE_DIR=str(tmp_path / "cache")).stderr == ""
    assert list(tmp_path.glob("cache/**/*.nbc"))


def test_the_lowest_versions_are_those_that_are_allowed():
    """What only pyproject.toml or only constraints-lowest.txt knows would be tested by nobody."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    extras = project["optional-dependencies"]
    allowed = [*project["dependencies"], *extras["cli"], *extras["plot"], *extras["test"][1:]]
    lines = (ROOT / "constraints-lowest.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if not line.startswith("#"))
    for name, lowest in (requirement.split(">=") for requirement in allowed):
        assert Version(tested[name]) == Version(lowest), name


def test_compiled_code_for_a_users_record_is_not_kept(tmp_path):
    """Other processes read the same index: one without the user's module must not fail."""
    (tmp_path / "shared.py").write_text(
        "from streamgmm.kernels._jit import loop\n\n\n@loop\ndef first(record):\n    return record[0]\n"
    )
    (tmp_path / "mine.py").write_text(
        "from typing import Any, NamedTuple\n\n\nclass Mine(NamedTuple):\n    value: Any\n"
    )
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join([str(tmp_path), *sys.path])}
    environment["NUMBA_CACHE_DIR"] = str(tmp_path / "cache")

    def run(code):
        command = [sys.executable, "-c", f"from shared import first; {code}"]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=False)

    assert run("print(first((3, 4.0)))").stdout == "3\n"
    assert run("from mine import Mine; print(first(((1, Mine(5.0)),))[1].value)").stdout == "5.0\n"
    (tmp_path / "mine.py").unlink()
    done = run("print(first((3, 4.0)), sum(first.stats.cache_hits.values()))")
    assert done.stdout == "3 1\n", done.stderr  # and the package's own is kept
