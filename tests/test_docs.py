"""Every block of code of README, pages and gallery runs; links resolve; the API page is complete."""

from __future__ import annotations

import os
import re
import runpy
import shlex
import subprocess
import sys
import warnings
from importlib import import_module
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from common import long_without_compilation

ROOT = Path(__file__).parents[1]
BUILT = {"_build", "api", "gallery"}  # written by `make docs`
DOCS = sorted(
    page
    for page in (ROOT / "docs").rglob("*.md")
    if not BUILT & set(page.relative_to(ROOT / "docs").parts[:-1])
)
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *DOCS]
EXAMPLES = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))
PYTHON = ("python", "{code-cell} python")
SHELL_CELL = "%%sh\n"
PUBLIC = [
    "streamgmm",
    "streamgmm.category_learning",
    "streamgmm.datasets",
    "streamgmm.diagnostics",
    "streamgmm.estimators",
    "streamgmm.fit.accelerated",
    "streamgmm.fit.average",
    "streamgmm.fit.batch",
    "streamgmm.fit.change",
    "streamgmm.fit.climb",
    "streamgmm.fit.convergence",
    "streamgmm.fit.events",
    "streamgmm.fit.lbfgs",
    "streamgmm.fit.memory",
    "streamgmm.fit.penalty",
    "streamgmm.fit.search",
    "streamgmm.fit.start.clusters",
    "streamgmm.fit.start.several",
    "streamgmm.parameterizations",
    "streamgmm.persistence",
    "streamgmm.plots",
    "streamgmm.priors",
    "streamgmm.report",
    "streamgmm.rules",
    "streamgmm.rules.schedules",
    "streamgmm.rules.transforms",
    "streamgmm.sources",
]


def name_of(path):
    return str(path.relative_to(ROOT))


def blocks(page, *languages):
    """Return the lines before each fenced block of these languages, and its content."""
    text = page.read_text(encoding="utf-8")
    fences = "|".join(map(re.escape, languages))
    found = re.finditer(
        rf"^```(?:{fences})\n(?::[\w-]+:.*\n)*(.*?)^```$", text, flags=re.DOTALL | re.MULTILINE
    )
    return [(text.count("\n", 0, match.start(1)), match[1]) for match in found]


def prose(page):
    """Return a page without its blocks of code, in which brackets are not links."""
    return re.sub(r"^```.*?^```$", "", page.read_text(encoding="utf-8"), flags=re.DOTALL | re.MULTILINE)


def commands(page):
    """Return the lines after `$` that call streamgmm, alone or in a pipe."""
    lines = [
        line[2:] for _, block in blocks(page, "console") for line in block.splitlines() if line[:2] == "$ "
    ]
    return [line for line in lines if re.search(r"\bstreamgmm [a-z-]", line)]


def shell(script, folder):
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]])
    done = subprocess.run(
        script,
        shell=True,
        cwd=folder,
        env={**os.environ, "PATH": path},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, f"{shlex.quote(script)}: {done.stderr}"


def run_python(page, folder):
    """Run the blocks and cells of a page, in order, in one namespace."""
    namespace = {}
    for lines_before, block in blocks(page, *PYTHON):
        if block.startswith(SHELL_CELL):
            shell("set -e\n" + block.removeprefix(SHELL_CELL), folder)
        else:  # an error names the line of the page
            exec(compile("\n" * lines_before + block, str(page), "exec"), namespace)
    return namespace


@pytest.fixture
def no_screen(monkeypatch):
    """Draw without a screen, and let go of the figures."""
    monkeypatch.setenv("MPLBACKEND", "Agg")
    yield
    if "matplotlib.pyplot" in sys.modules:
        sys.modules["matplotlib.pyplot"].close("all")


def test_readme_python(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    namespace = run_python(ROOT / "README.md", tmp_path)
    assert namespace["model"].n_samples_seen_ == 50_000
    assert (tmp_path / "model.safetensors").exists()


@pytest.mark.usefixtures("no_screen")
def test_readme_picture_is_what_is_drawn():
    """The picture is committed, since the README is read without a build; it must not grow old."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.image import imread

    namespace = runpy.run_path(str(ROOT / "examples" / "readme_picture.py"))
    canvas = FigureCanvasAgg(namespace["draw"]())
    canvas.draw()
    drawn = np.asarray(canvas.buffer_rgba())[..., :3] / 255
    committed = imread(namespace["PICTURE"])[..., :3]
    assert committed.shape == drawn.shape
    assert np.abs(committed - drawn).mean() < 0.002  # letters differ a little between versions


@long_without_compilation
@pytest.mark.usefixtures("no_screen")
@pytest.mark.parametrize("page", [page for page in DOCS if blocks(page, *PYTHON)], ids=name_of)
def test_page_python(page, tmp_path, monkeypatch):
    """The blocks of a page run in order in one namespace; what they assert holds."""
    monkeypatch.chdir(tmp_path)
    with warnings.catch_warnings():  # a page may change the filters
        run_python(page, tmp_path)


@long_without_compilation
@pytest.mark.usefixtures("no_screen")
@pytest.mark.parametrize("example", EXAMPLES, ids=name_of)
def test_example(example, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    runpy.run_path(str(example), run_name="__main__")
    from matplotlib import pyplot

    assert pyplot.get_fignums()
    for number in pyplot.get_fignums():
        pyplot.figure(number).canvas.draw()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", [page for page in PAGES if commands(page)], ids=name_of)
def test_page_shell(page, tmp_path):
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
    for command in commands(page):
        shell(command.replace("tail -f", "tail -n +1"), tmp_path)  # the stream ends, or the test would not


def test_commands_are_found():
    """A pattern that matched nothing would let every page pass."""
    assert len(commands(ROOT / "README.md")) == 11
    assert len(commands(ROOT / "docs" / "streaming.md")) == 3
    cells = [block for _, block in blocks(ROOT / "docs" / "get-started.md", *PYTHON)]
    assert sum(cell.startswith(SHELL_CELL) for cell in cells) == 1


def test_command_line_page_shows_every_command():
    from streamgmm.cli.app import streamgmm

    shown = [block for _, block in blocks(ROOT / "docs" / "command-line.md", *PYTHON)]
    wanted = ["", *(f"{name} " for name in streamgmm.commands)]
    assert shown == [f"{SHELL_CELL}streamgmm {name}--help\n" for name in wanted]


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_resolve(page):
    for target in re.findall(r"\]\(([^)#\s]+)", prose(page)):
        if "://" not in target:
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.parametrize("page", PAGES, ids=name_of)
def test_links_to_headings_resolve(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)#([^)\s]+)\)", prose(page)):
        if "://" not in target:
            headings = re.findall(
                r"^#+ (.*)$", prose(page.parent / target if target else page), flags=re.MULTILINE
            )
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name} links to {target}#{anchor}"


def test_every_page_is_in_the_table_of_contents():
    index = (ROOT / "docs" / "index.md").read_text(encoding="utf-8")
    listed = "\n".join(re.findall(r"```{toctree}\n(.*?)```", index, flags=re.DOTALL)).split()
    pages = {str(page.relative_to(ROOT / "docs").with_suffix("")) for page in DOCS} - {"index"}
    assert pages <= set(listed)


def listed():
    """Return the full names on the API page, and its modules; the page of a module lists what it exports."""
    names, modules, module = [], set(), ""
    for line in (ROOT / "docs" / "api.rst").read_text(encoding="utf-8").splitlines():
        if line.startswith(".. currentmodule:: "):
            module = line.removeprefix(".. currentmodule:: ")
            modules.add(module)
        elif re.fullmatch(r"   \w+", line):
            item = getattr(import_module(module), line.strip())
            if isinstance(item, ModuleType):
                modules.add(item.__name__)
                names += [(item.__name__, name) for name in item.__all__]
            else:
                names.append((module, line.strip()))
    return names, modules


@pytest.mark.parametrize("module", PUBLIC)
def test_api_page_is_complete(module):
    """All that a module exports is on the page, under this module or another that exports it."""
    names, modules = listed()
    there = {id(getattr(import_module(owner), name)) for owner, name in names}
    exported = getattr(import_module(module), "__all__", ())
    missing = [name for name in exported if id(getattr(import_module(module), name)) not in there]
    assert {f"{module}.{name}" for name in missing} <= modules


def test_api_page_lists_modules_that_are_checked():
    names, modules = listed()
    assert modules == set(PUBLIC)
    assert len(set(names)) == len(names)


def test_the_path_of_x_is_the_one_listed():
    """The map names the functions that hold the rows between the call of `fit` and the kernel, in order."""
    path_of = runpy.run_path(str(ROOT / "benchmarks" / "path_of_x.py"))["path_of"]
    found = dict.fromkeys(path_of(np.random.default_rng(0).normal(size=(500, 2))))
    page = (ROOT / "docs" / "architecture.md").read_text()
    rows = re.findall(r"^\| `(\S+\.py)` \| `(\S+)` \|", page, re.M)
    assert rows == [(file, name.replace("<locals>.", "")) for file, name in found]
