"""A report as a person meets it: in a real browser, without a network."""

from __future__ import annotations

import shutil

import numpy as np
import pytest

from streamgmm import Mixture, OnlineGaussianMixture
from streamgmm.plots._colors import look
from streamgmm.plots._geometry import outlines
from streamgmm.report import Report, Watch, write
from streamgmm.report._drawing import COVERAGES

pytest.importorskip("plotly", reason="a report needs plotly")
playwright = pytest.importorskip("playwright.sync_api", reason="a browser is driven by playwright")
CHROMIUM = shutil.which("chromium")
# A browser is no package of Python's, so that not every machine has one; `.ci/run` installs it.
if CHROMIUM is None:
    pytest.skip("there is no chromium to open a report in", allow_module_level=True)

NASTY = '</script><script>document.title = "broken"</script>'
TRUTH = Mixture([0.3, 0.3, 0.4], [[0.0, 0.0, 1.0], [6.0, 1.0, 2.0], [2.0, 7.0, 0.0]], np.ones(3), "spherical")


@pytest.fixture(scope="module")
def browser():
    with playwright.sync_playwright() as driver:
        browser = driver.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


class Visit:
    """A page that was opened once, all that its console told, and all that it asked for."""

    def __init__(self, browser, path, report, **options):
        self.path, self.report = path, report
        self.told, self.requests = [], []
        self.context = browser.new_context(**({"viewport": {"width": 1000, "height": 800}} | options))
        self.page = self.context.new_page()
        self.page.on("console", lambda message: self.told.append(message.text))
        self.page.on("pageerror", lambda error: self.told.append(str(error)))
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.goto(path.as_uri())
        self.page.wait_for_selector("html[data-drawn]", state="attached", timeout=20_000)

    def assert_nothing_went_wrong(self):
        assert self.told == []
        assert self.requests == [self.path.as_uri()]
        assert self.page.locator("#trouble").is_hidden()


@pytest.fixture(scope="module")
def visits(browser, tmp_path_factory):
    """Pages of fits to one feature, to two, and to three on a telephone."""
    folder = tmp_path_factory.mktemp("reports")
    phone = {"viewport": {"width": 400, "height": 800}, "has_touch": True, "is_mobile": True}
    opened = {n: Visit(browser, *reported(folder, n), **(phone if n == 3 else {})) for n in (1, 2, 3)}
    yield opened
    for visit in opened.values():
        visit.context.close()


def reported(folder, n_features, n_samples=3000, names=(NASTY, "<b>y</b>", "z")):
    """Write a report of a fit to rows of some of the features; return its file and the report."""
    X = TRUTH.sample(n_samples, random_state=0)[0][:, :n_features]
    model = OnlineGaussianMixture(3, random_state=0)
    watch = Watch().learn(model, X, X)
    args = model.to_mixture(), watch.trail, model.history_, model.history_rows_, model.lower_bound_
    report = Report(f"A fit {NASTY}", names[:n_features], watch.summary, *args, {"rule": "online-em"})
    path = folder / f"{n_features}.html"
    write(report, path)
    return path, report


def drawn(page, figure="motion"):
    """Return color and path, as the browser draws it, of each line of a figure."""
    lines = page.locator(f"#{figure} .js-line")
    return lines.evaluate_all("lines => lines.map(line => [line.style.stroke, line.getAttribute('d')])")


def coordinates(page):
    """Return x and y of each trace of the animation, with nan for gaps."""
    traces = page.evaluate(
        "() => document.getElementById('motion').data.map(one => [[...one.x], [...one.y]])"
    )
    return [np.array(trace, dtype=float).T for trace in traces]


def ranges(page):
    """Return the ends of both axes of the animation."""
    return page.evaluate(
        "() => ['xaxis', 'yaxis'].map(a => document.getElementById('motion').layout[a].range)"
    )


def slide(page, index):
    page.locator("#slider").fill(str(index))


@pytest.mark.parametrize("n_features", [1, 2, 3])
def test_every_picture_is_drawn_and_moves(visits, n_features):
    visit = visits[n_features]
    page = visit.page
    n_panes, n_lines = {1: (1, 4), 2: (1, 6), 3: (6, 3 * 6 + 3 * 4)}[n_features]
    assert len(drawn(page, "mixture")) == n_lines
    assert page.locator("#mixture .textpoint").count() == 3 * n_panes
    assert page.locator("#mixture .point").count() > 10
    assert page.locator("#curve .point").count() == len(visit.report.history)
    assert len(drawn(page, "curve")) == 1
    slide(page, 3)
    early = drawn(page)
    slide(page, len(visit.report.trail.rows) - 1)
    late = drawn(page)
    assert len(early) == (4 if n_features == 1 else 6)
    assert [color for color, _ in early] == [color for color, _ in late]
    assert all(now != then for (_, now), (_, then) in zip(late, early, strict=True))
    visit.assert_nothing_went_wrong()


def test_the_slider_draws_the_trail(visits):
    page, trail = visits[2].page, visits[2].report.trail
    last = len(trail.rows) - 1
    assert page.locator("#slider").get_attribute("max") == str(last)
    colors = [
        f"rgb({', '.join(str(int(look(k).color[i : i + 2], 16)) for i in (1, 3, 5))})" for k in range(3)
    ]
    before = ranges(page)
    for index in (last, 0, last // 2):
        slide(page, index)
        _, *ellipses, badges = coordinates(page)
        mixture = trail.mixtures[index]
        outer, inner = (outlines(mixture, coverage) for coverage in COVERAGES)
        gap = np.full((1, 2), np.nan)
        for k, points in enumerate(ellipses):
            np.testing.assert_allclose(points, np.concatenate([outer[k], gap, inner[k]]), atol=0.02)
        np.testing.assert_allclose(badges, mixture.means, atol=0.02)
        assert [color for color, _ in drawn(page)] == [color for color in colors for _ in COVERAGES]
        assert page.locator("#seen").inner_text() == f"{int(trail.rows[index]):,} rows seen"
    assert ranges(page) == before
    visits[2].assert_nothing_went_wrong()


def test_densities_are_those_of_the_trail(visits):
    page, trail = visits[1].page, visits[1].report.trail
    for index in (2, len(trail.rows) - 1):
        slide(page, index)
        mixture = trail.mixtures[index]
        _, total, *curves, _ = coordinates(page)
        density = np.exp(mixture.log_prob(total[:, :1]))
        np.testing.assert_allclose(total[:, 1], density, atol=2e-3 * density.max())
        for k, curve in enumerate(curves):
            alone = Mixture([1.0], mixture.means[k : k + 1], mixture.covariances[k : k + 1])
            expected = mixture.weights[k] * np.exp(alone.log_prob(curve[:, :1]))
            np.testing.assert_allclose(curve[:, 1], expected, atol=3e-3 * expected.max())


def test_play_plays_and_pause_pauses(visits):
    page = visits[2].page
    slider, play, pause = (page.locator(f"#{name}") for name in ("slider", "play", "pause"))
    last = len(visits[2].report.trail.rows) - 1
    slide(page, last - 2)
    before = drawn(page)
    play.click()
    assert play.is_disabled()
    page.wait_for_selector("#play:not([disabled])", timeout=10_000)  # it stops by itself at the end
    assert slider.input_value() == str(last)
    assert drawn(page) != before
    play.click()  # from the end it begins again
    page.wait_for_timeout(500)
    pause.click()
    paused = slider.input_value()
    assert 0 <= int(paused) < last
    page.wait_for_timeout(400)
    assert slider.input_value() == paused
    assert pause.is_disabled()
    visits[2].assert_nothing_went_wrong()


def test_names_are_words_and_not_markup(visits):
    page = visits[2].page
    assert page.title() == f"A fit {NASTY}"
    assert page.locator("h1").inner_text() == f"A fit {NASTY}"
    assert page.locator("#mixture .xtitle").text_content().startswith("</script><script>")
    assert page.locator("#mixture .ytitle").text_content() == "<b>y</b>"
    assert page.locator("th[scope=colgroup]").all_inner_texts() == [NASTY, "<b>y</b>"]


def test_a_phone_shows_all_of_it(visits):
    page = visits[3].page
    assert page.evaluate("() => document.documentElement.scrollWidth") == 400
    assert page.locator("#motion").bounding_box()["width"] > 350


def test_without_javascript_or_in_an_old_browser_the_page_says_so(visits, browser):
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    page.goto(visits[2].path.as_uri())
    assert page.locator("noscript p").is_visible()
    assert page.locator("tbody tr").count() == 2 + 3 + 1
    assert page.locator(".controls").is_hidden()
    context.close()
    context = browser.new_context()
    page = context.new_page()
    page.add_init_script("delete window.DecompressionStream")
    page.goto(visits[2].path.as_uri())
    page.wait_for_selector("#trouble:not([hidden])")
    assert "need a newer browser" in page.locator("#trouble").inner_text()
    context.close()
