"""Every Python block of the README and the pages in docs runs."""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

from common import long_without_compilation

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").glob("*.md"))]


def has_python(page):
    return "```python\n" in page.read_text(encoding="utf-8")


def blocks(page, language):
    return re.findall(rf"```{language}\n(.*?)```", page.read_text(encoding="utf-8"), flags=re.DOTALL)


def test_readme_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = {}
    for block in blocks(ROOT / "README.md", "python"):
        exec(compile(block, "README.md", "exec"), namespace)
    assert namespace["model"].n_samples_seen_ == 50_000
    assert (tmp_path / "model.safetensors").exists()


@long_without_compilation
@pytest.mark.parametrize(
    "page",
    [page for page in PAGES if page.parent.name == "docs" and has_python(page)],
    ids=lambda page: page.name,
)
def test_page_python(page, tmp_path, monkeypatch):
    """The blocks of a page run in order in one namespace; what they assert holds."""
    monkeypatch.chdir(tmp_path)
    text = page.read_text(encoding="utf-8")
    namespace = {}
    for match in re.finditer(r"```python\n(.*?)```", text, flags=re.DOTALL):
        lines_before = text.count("\n", 0, match.start(1))  # so that a failure names the line of the page
        exec(compile("\n" * lines_before + match[1], str(page), "exec"), namespace)


def test_readme_shell(tmp_path):
    """The commands after `$`, in order, in a folder that holds the files they name."""
    pyarrow = pytest.importorskip("pyarrow")
    parquet = pytest.importorskip("pyarrow.parquet")
    rows = np.random.default_rng(0).normal(size=(300, 2))
    (tmp_path / "data").mkdir()
    table = pyarrow.table({"f1": rows[:, 0], "f2": rows[:, 1]})
    parquet.write_table(table, tmp_path / "data" / "a.parquet")
    np.savetxt(tmp_path / "rows.csv", rows, delimiter=",", header="f1,f2", comments="")
    np.savetxt(tmp_path / "new.csv", rows, delimiter=",", header="f1,f2", comments="")
    lines = [f'{{"f1": {a}, "f2": {b}}}\n' for a, b in rows]
    (tmp_path / "sensor.ndjson").write_text("".join(lines))
    commands = [line[2:] for block in blocks(ROOT / "README.md", "console") for line in block.splitlines()]
    commands = [line for line in commands if line.startswith(("streamgmm", "tail"))]
    assert len(commands) == 6
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    for command in commands:
        command = command.replace("tail -f", "tail -n +1")  # the stream ends, or the test would not
        done = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env={**os.environ, "PATH": path},
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{shlex.quote(command)}: {done.stderr}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)#\s]+)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_links_to_headings_resolve(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if "://" not in target:
            text = (page.parent / target if target else page).read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.*)$", text, flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name} links to {target}#{anchor}"
