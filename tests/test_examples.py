"""The gallery and the tutorials run, draw, and hold what they say: their claims are their assertions."""

from __future__ import annotations

import re
import runpy
from pathlib import Path

import pytest

from common import long_without_compilation

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402

ROOT = Path(__file__).parents[1]
GALLERY = sorted((ROOT / "examples" / "gallery").glob("plot_*.py"))
TUTORIALS = sorted((ROOT / "docs" / "tutorials").glob("*.md"))

pytestmark = long_without_compilation


@pytest.fixture(autouse=True)
def _alone(tmp_path, monkeypatch):
    """Show nothing, leave no figures, and write into no folder of the project."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(plt, "show", lambda *args, **kwargs: None)
    yield
    plt.close("all")


def test_there_is_something_to_run():
    assert GALLERY
    assert TUTORIALS


@pytest.mark.parametrize("script", GALLERY, ids=lambda script: script.stem)
def test_gallery(script, tmp_path):
    runpy.run_path(str(script))
    assert plt.get_fignums()
    for number in plt.get_fignums():
        plt.figure(number).canvas.draw()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_tutorial(page, tmp_path):
    """The cells of a page run in order in one namespace."""
    text = page.read_text(encoding="utf-8")
    namespace: dict[str, object] = {}
    for match in re.finditer(r"```\{code-cell\} i?python3?\n(.*?)```", text, flags=re.DOTALL):
        lines_before = text.count("\n", 0, match.start(1))  # so that a failure names the line of the page
        exec(compile("\n" * lines_before + match[1], str(page), "exec"), namespace)
    assert plt.get_fignums()
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("page", TUTORIALS, ids=lambda page: page.stem)
def test_links_of_tutorials_resolve(page):
    for target, anchor in re.findall(r"\]\(([^)#\s]*)(?:#([^)\s]+))?\)", page.read_text(encoding="utf-8")):
        if "://" in target:
            continue
        other = page.parent / target if target else page
        assert other.exists(), f"{page.name} links to {target}"
        if anchor:
            headings = re.findall(r"^#+ (.*)$", other.read_text(encoding="utf-8"), flags=re.MULTILINE)
            slugs = [re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings]
            assert anchor in slugs, f"{page.name} links to {target}#{anchor}"
