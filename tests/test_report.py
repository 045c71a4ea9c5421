"""Reports: what a page says agrees with the fit, and writing one changes nothing else."""

from __future__ import annotations

import base64
import gzip
import html.parser
import json
import os
import re
import sys
from dataclasses import replace

import numpy as np
import pandas as pd
import pytest
from click.testing import CliRunner

from streamgmm import Mixture, OnlineGaussianMixture, datasets, load
from streamgmm.cli.app import streamgmm
from streamgmm.diagnostics import optimality
from streamgmm.estimators import Trail
from streamgmm.persistence import ModelFileError
from streamgmm.plots._colors import look
from streamgmm.plots._density import reach
from streamgmm.plots._geometry import outlines
from streamgmm.report import Report, Summary, Watch, _figures, write, write_report
from streamgmm.report._drawing import COVERAGES, TRIM, drawn, numbers

pytest.importorskip("plotly")

TRUTH = Mixture([0.25, 0.75], [[0.0, 10.0], [5.0, -10.0]], [[1.0, 4.0], [2.0, 1.0]], "diag")
NASTY = '</script><script>alert("1")</script>'
LIMIT = 5_000_000


def run(*arguments, stdin=None):
    result = CliRunner().invoke(streamgmm, [str(argument) for argument in arguments], input=stdin)
    if result.exception is not None and not isinstance(result.exception, SystemExit):
        raise result.exception
    return result


def fit(*arguments, stdin=None):
    result = run("fit", *arguments, "--json", stdin=stdin)
    assert result.exit_code == 0, result.stderr
    return json.loads(result.stdout)


def write_csv(path, X, names=("x", "y")):
    quoted = ('"' + name.replace('"', '""') + '"' for name in names)
    lines = [",".join(quoted), *(",".join(map(repr, row)) for row in np.asarray(X).tolist())]
    path.write_text("\n".join(lines) + "\n")
    return path


def figures(page):
    """Return the pictures' data as the page unpacks them."""
    packed = re.search(r'id="figures">([A-Za-z0-9+/=]*)</script>', page)[1]
    return json.loads(gzip.decompress(base64.b64decode(packed)))


class Reader(html.parser.HTMLParser):
    """The words of each table's rows, of list items and captions; and how many there are of each tag."""

    def __init__(self):
        super().__init__()
        self.tables, self.items, self.tags, self.inside = [], [], {}, []

    def handle_starttag(self, tag, attributes):
        self.tags[tag] = self.tags.get(tag, 0) + 1
        self.inside.append(tag)
        if tag == "table":
            self.tables.append([])
        elif tag == "tr":
            self.tables[-1].append([])
        elif tag in ("td", "th"):
            self.tables[-1][-1].append("")
        elif tag in ("li", "figcaption", "h1", "h2", "dd"):
            self.items.append("")

    def handle_endtag(self, tag):
        while self.inside and self.inside.pop() != tag:
            pass

    def handle_data(self, data):
        if "td" in self.inside or "th" in self.inside:
            self.tables[-1][-1][-1] += data
        elif {"li", "figcaption", "h1", "h2", "dd"} & set(self.inside):
            self.items[-1] += data


def read(path):
    page = path.read_text(encoding="utf-8")
    reader = Reader()
    reader.feed(page)
    return page, reader


@pytest.fixture(scope="module")
def X():
    return TRUTH.sample(3000, random_state=0)[0]


@pytest.fixture(scope="module")
def points(tmp_path_factory, X):
    return write_csv(tmp_path_factory.mktemp("data") / "points.csv", X)


# ---------------------------------------------------------------- what a page says


def test_tables_hold_the_numbers_of_the_data_and_of_the_mixture(points, X, tmp_path):
    path, model = tmp_path / "r.html", tmp_path / "m"
    found = fit(points, "-k", 2, "--report", path, "-o", model)
    assert found["report"] == str(path)
    page, reader = read(path)
    data, mixture, settings = reader.tables
    for a, row in enumerate(data[1:]):
        assert row[:2] == ["xy"[a], "3,000"]
        expected = [X[:, a].mean(), X[:, a].std(), X[:, a].min(), X[:, a].max()]
        np.testing.assert_allclose(np.array(row[2:], dtype=float), expected, rtol=1e-3, atol=1e-3)
    learned = load(model)
    assert mixture[0] == ["component", "weight", "x", "y"]
    sds = np.sqrt(np.diagonal(learned.covariances, axis1=1, axis2=2))
    for k, row in enumerate(mixture[2:]):
        expected = np.column_stack([learned.means[k], sds[k]]).ravel()
        assert row[0] == str(k)
        np.testing.assert_allclose(float(row[1]), learned.weights[k], atol=1e-4)
        np.testing.assert_allclose(np.array(row[2:], dtype=float), expected, rtol=1e-3, atol=1e-3)
    assert ["rule", "online-em"] in settings
    assert reader.items[0] == "2 Gaussians in points.csv"
    assert "3,000" in reader.items
    assert f"{found['log_likelihood_per_row']:.6g} nats a row" in reader.items
    for k in range(2):
        assert f'stroke="{look(k).color}"' in page


def test_pictures_hold_the_mixture_and_plotly_knows_what_they_say(points, tmp_path):
    from plotly.graph_objects import Figure

    for name, X in (("1", [[0.0], [1.0], [5.0]] * 9), ("3", np.random.default_rng(0).normal(size=(3000, 3)))):
        path = tmp_path / f"{name}.html"
        write_report(
            path, OnlineGaussianMixture(2, random_state=0), np.asarray(X) + 0.01 * np.arange(len(X))[:, None]
        )
        for spec in figures(path.read_text()).values():
            Figure(spec["data"], spec["layout"])
    model = tmp_path / "m"
    fit(points, "-k", 2, "--report", tmp_path / "r.html", "-o", model)
    drawn = figures((tmp_path / "r.html").read_text())
    assert set(drawn) == {"mixture", "curve", "motion"}
    rows, *ellipses, badges = drawn["mixture"]["data"]
    assert len(rows["x"]) == 2000
    learned = load(model)
    lines = [outlines(learned, coverage) for coverage in COVERAGES]
    for k, trace in enumerate(ellipses):
        points_drawn = np.array([trace["x"], trace["y"]], dtype=float).T
        expected = np.concatenate([lines[0][k], [[np.nan, np.nan]], lines[1][k]])
        np.testing.assert_allclose(points_drawn, expected, atol=0.02)
        assert trace["line"]["color"] == look(k).color
    assert badges["text"] == ["0", "1"]
    np.testing.assert_allclose(np.array([badges["x"], badges["y"]]).T, learned.means, atol=0.02)


def test_the_learning_curve_is_the_history(points, X, tmp_path):
    fit(points, "-k", 2, "--report", tmp_path / "r.html")
    expected = OnlineGaussianMixture(2, random_state=0).fit(X)
    dots, line, *_ = figures((tmp_path / "r.html").read_text())["curve"]["data"]
    assert dots["x"] == expected.history_rows_.tolist()
    np.testing.assert_allclose(dots["y"], expected.history_, atol=1e-3)
    np.testing.assert_allclose(line["y"][-1], expected.history_.mean(), atol=0.05)
    caption = next(item for item in read(tmp_path / "r.html")[1].items if "foreseen" in item)
    assert "mean of 256 rows" in caption
    assert "the first 1,024 rows" in caption


def test_without_a_history_the_page_says_so(tmp_path):
    X = datasets.load_faithful().data
    write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), X)
    page, _ = read(tmp_path / "r.html")
    assert "There is no learning curve yet" in page
    assert set(figures(page)) == {"mixture", "motion"}
    write_report(tmp_path / "one.html", OnlineGaussianMixture(1), [[1.0, 2.0]])
    page, _ = read(tmp_path / "one.html")
    assert "There is nothing to play" in page
    assert "is starved" in page


def test_motion_holds_the_trail(X, tmp_path):
    watch = Watch().learn(model := OnlineGaussianMixture(2, random_state=0), X, X)
    report = report_of(model, watch)
    write(report, tmp_path / "r.html")
    motion = figures((tmp_path / "r.html").read_text())["motion"]["motion"]
    assert motion["rows"] == watch.trail.rows.tolist()
    for frame, mixture in zip(motion["frames"], watch.trail.mixtures, strict=True):
        corners = outlines(mixture, COVERAGES[0], n_points=5)
        expected = np.stack([mixture.means, corners[:, 0] - mixture.means, corners[:, 1] - mixture.means], 1)
        np.testing.assert_allclose(np.reshape(frame, (2, 3, 2)), expected, atol=0.02)


def report_of(model, watch, names=("x", "y"), **more):
    """Return a report of an estimator that was watched."""
    return Report(
        "A title",
        tuple(names),
        watch.summary,
        model.to_mixture(),
        watch.trail,
        model.history_,
        model.history_rows_,
        model.lower_bound_,
        **more,
    )


def changing():
    """Return rows of two components, then of three others."""
    later = Mixture([0.4, 0.3, 0.3], [[40.0, 0.0], [50.0, 20.0], [60.0, 0.0]], np.ones(3), "spherical")
    return np.concatenate([TRUTH.sample(9000, random_state=0)[0], later.sample(9000, random_state=1)[0]])


@pytest.mark.parametrize("n_features", [1, 2])
def test_events_and_a_number_of_components_that_changes(tmp_path, n_features):
    X = changing()[:, :n_features]
    model = OnlineGaussianMixture("auto", max_components=4, on_drift="forget", random_state=0)
    watch = Watch().learn(model, X, X)
    report = report_of(model, watch, names=("x", "y")[:n_features], events=model.events_)
    write(report, tmp_path / "r.html")
    page, reader = read(tmp_path / "r.html")
    sentences = [str(event) for event in model.events_]
    assert "change" in {event.reason for event in model.events_}
    assert all(sentence in reader.items for sentence in sentences)
    drawn = figures(page)
    _, _, *lines = drawn["curve"]["data"]
    for line, event in zip(lines, model.events_, strict=True):
        assert set(line["x"]) == {event.row}
        assert line["text"].replace("<br>", " ") == str(event)
    motion, trail = drawn["motion"]["motion"], watch.trail
    assert motion["events"] == [[e.row, text] for e, text in zip(model.events_, sentences, strict=True)]
    assert len({mixture.n_components for mixture in trail.mixtures}) > 1
    for frame, mixture, places in zip(motion["frames"], trail.mixtures, trail.places, strict=True):
        assert [k for k, one in enumerate(frame) if one is not None] == places.tolist()
        centers = [one[:n_features] for one in frame if one is not None]
        np.testing.assert_allclose(centers, mixture.means, atol=0.05)
    n_curves = n_features == 1 and trail.n_places > 1  # and the sum
    assert len(drawn["motion"]["data"]) == 1 + n_curves + trail.n_places + 1


def test_warnings_that_are_events_are_listed_once(tmp_path, X):
    with pytest.warns(UserWarning, match="not in random order"):
        write_report(tmp_path / "r.html", InOrder(2, random_state=0), X[np.argsort(X[:, 0])])
    _, reader = read(tmp_path / "r.html")
    assert sum("not in random order" in item for item in reader.items) == 1


class InOrder(OnlineGaussianMixture):
    """A learner that a report, too, shows rows in their order."""

    def _order(self):
        return None


def test_findings_are_said_with_names(tmp_path):
    rng = np.random.default_rng(0)
    X = np.column_stack([rng.normal(size=2000), np.full(2000, 3.0)])
    with pytest.warns(UserWarning, match="constant columns"):
        write_report(tmp_path / "r.html", OnlineGaussianMixture(1), X, feature_names=["a<b", "flat & even"])
    page, reader = read(tmp_path / "r.html")
    assert any("flat along 'flat & even'" in item for item in reader.items)
    assert "flat along &#x27;flat &amp; even&#x27;" in page
    assert any("constant columns in the first 1024 rows: 'flat & even'; " in item for item in reader.items)
    X = datasets.load_faithful().data
    model = write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), X)
    page, _ = read(tmp_path / "r.html")
    assert "Nothing: the diagnostics find no fault" in page
    best = optimality(model, X)
    assert best.finding.kind == "near-optimal"
    assert f"would gain {best.gain:.3g} nats a row, and BIC charges {best.charge:.3g}" in page
    write_report(tmp_path / "r.html", OnlineGaussianMixture(1), X, feature_names=["length", "wait"])
    best = optimality(OnlineGaussianMixture(1).fit(X), X)
    assert best.finding.text(["length", "wait"]) in read(tmp_path / "r.html")[1].items


def test_no_finding_advises_the_rule_that_was_used(X):
    model = OnlineGaussianMixture(2, rule="natural-gradient", batch_size=10, memory_rows=0, random_state=0)
    watch = Watch().learn(model, np.concatenate([X, X + 50.0]), X)
    falling = np.where(np.arange(100) < 50, -3.0, -8.0)
    for rule, found in (("natural-gradient", False), (model.rule, False), ("mine", True), (None, True)):
        report = replace(report_of(model, watch), history=falling, settings={"rule": rule})
        assert any("NaturalGradient" in sentence for sentence in report.findings) == found


def test_columns_of_units_two_hundred_decades_apart_are_reported(tmp_path):
    X = np.random.default_rng(0).normal(size=(500, 2)) * [1e-100, 1e100]
    path = write_csv(tmp_path / "far.csv", X, ["tiny", "huge"])
    fit(path, "-k", 2, "--report", tmp_path / "r.html", "-o", tmp_path / "m.safetensors")
    assert load(tmp_path / "m.safetensors").n_components == 2
    sentences = [item for item in read(tmp_path / "r.html")[1].items if "condition number" in item]
    assert len(sentences) == 2
    assert all("because the features' units differ" in sentence for sentence in sentences)


def test_warnings_of_the_command_are_on_the_page_as_they_were_printed(tmp_path):
    rows = np.column_stack([np.full(200, 3.0), np.arange(200) % 5])
    path = write_csv(tmp_path / "a.csv", rows, ["alpha", "beta"])
    plain = run("fit", path, "--passes", 2)
    result = run("fit", path, "--passes", 2, "--report", tmp_path / "r.html")
    assert result.stderr == plain.stderr
    printed = [line.removeprefix("warning: ") for line in result.stderr.splitlines()]
    assert len(printed) == 3
    assert set(printed) <= set(read(tmp_path / "r.html")[1].items)
    assert f"report written to {tmp_path / 'r.html'}" in result.stdout


# ---------------------------------------------------------------- nothing can break the page


def test_names_cannot_break_out(tmp_path, X):
    path = write_csv(tmp_path / "<img src=x onerror=alert(1)>.csv", X, [NASTY, "<b>&amp;"])
    fit(path, "-k", 2, "--report", tmp_path / "r.html")
    page, reader = read(tmp_path / "r.html")
    plain = tmp_path / "plain.html"
    fit(write_csv(tmp_path / "plain.csv", X), "-k", 2, "--report", plain)
    assert reader.tags == read(plain)[1].tags
    assert NASTY not in page
    assert reader.tables[0][1][0] == NASTY
    assert reader.items[0] == "2 Gaussians in <img src=x onerror=alert(1)>.csv"
    axes = figures(page)["mixture"]["layout"]
    assert axes["yaxis"]["title"]["text"] == "&lt;b&gt;&amp;amp;"
    assert "<" not in axes["xaxis"]["title"]["text"]


def test_nothing_is_fetched(points, tmp_path):
    fit(points, "--report", tmp_path / "r.html")
    page, _ = read(tmp_path / "r.html")
    assert not re.search(r'(?:src|href)="(?!data:)', page)
    assert "default-src 'none'" in page
    assert page.startswith('<!DOCTYPE html>\n<html lang="en">\n<head>\n<meta charset="utf-8">')


def test_folders_are_not_told(points, tmp_path):
    fit(points, points, "--report", tmp_path / "r.html", "-o", tmp_path / "m")
    page, reader = read(tmp_path / "r.html")
    assert str(tmp_path) not in page
    assert str(points.parent) not in page
    assert reader.items[0] == "1 Gaussian in points.csv and points.csv"


def heavy_report(n_components, n_features):
    """Return a report of a long stream: as many snapshots as a trail of 1e7 rows has, and more."""
    rng = np.random.default_rng(0)
    rows = np.unique((10 * 1.2 ** np.arange(1, 76)).astype(int)).astype(float)
    factor = np.tril(rng.normal(size=(n_components, n_features, n_features)), -1) + np.eye(n_features)
    weights = np.log(np.full(n_components, 1 / n_components))
    mixtures = [
        Mixture.from_factor(weights, rng.normal(0, 9, (n_components, n_features)), factor) for _ in rows
    ]
    history = rng.normal(-20, 1, 8192)
    names = tuple(f"{NASTY}{'long ' * 40}{a}" for a in range(n_features))
    X, _ = mixtures[-1].sample(65536, random_state=0)
    args = (
        Summary().add(X),
        mixtures[-1],
        Trail(rows, tuple(mixtures)),
        history,
        np.arange(8192) * 1000 + 1000,
    )
    return Report("x" * 10_000, names, *args, -20.0, {"files": "y" * 10_000}, ("z" * 10_000,) * 200)


@pytest.mark.parametrize(("n_components", "n_features"), [(50, 10), (200, 30)])
def test_a_heavy_report_is_small(n_components, n_features, tmp_path):
    write(heavy_report(n_components, n_features), tmp_path / "r.html")
    assert (tmp_path / "r.html").stat().st_size < 0.8 * LIMIT


# ---------------------------------------------------------------- the fit is the same


@pytest.mark.parametrize(
    "options",
    [
        ("-k", 2),
        ("-k", 3, "--standardize"),
        ("-k", 2, "--passes", 2),
        ("-k", 2, "--batch-size", 1, "--rule", "gradient", "--standardize"),
        ("-k", 2, "--rule", "annealed-sgd", "--covariance", "diag"),
        ("-k", 2, "--batch-size", 5000),
    ],
)
def test_the_model_is_the_same_to_the_last_bit(points, tmp_path, options):
    one, other = tmp_path / "one", tmp_path / "other"
    plain = fit(points, *options, "-o", one)
    watched = fit(points, *options, "-o", other, "--report", tmp_path / "r.html")
    assert one.read_bytes() == other.read_bytes()
    assert plain["report"] is None
    assert plain["log_likelihood_per_row"] == watched["log_likelihood_per_row"]


@pytest.mark.parametrize("covariance", ["full", "tied", "diag", "spherical"])
def test_standardize_reports_in_the_units_of_the_data(tmp_path, X, covariance):
    moved = X * [1e-3, 1e4] + [50.0, -1e6]
    path = write_csv(tmp_path / "moved.csv", moved)
    model = tmp_path / "m"
    options = ("-k", 2, "--covariance", covariance, "--standardize", "--report", tmp_path / "r.html")
    found = fit(path, *options, "-o", model)
    page, reader = read(tmp_path / "r.html")
    drawn, learned = figures(page), load(model)
    np.testing.assert_allclose(
        [float(row[2]) for row in reader.tables[1][2:]], learned.means[:, 0], rtol=1e-5
    )
    for figure in (drawn["mixture"], drawn["motion"]):
        badges = np.array([figure["data"][-1]["x"], figure["data"][-1]["y"]]).T
        np.testing.assert_allclose(badges, learned.means, rtol=1e-4)
    middle = np.array(drawn["motion"]["motion"]["frames"][-1])[:, :2]
    np.testing.assert_allclose(middle, learned.means, rtol=1e-4)
    assert abs(np.mean(drawn["curve"]["data"][0]["y"]) - found["log_likelihood_per_row"]) < 0.2
    assert abs(learned.log_prob(moved).mean() - found["log_likelihood_per_row"]) < 0.2


def test_standard_input_and_passes(points, X, tmp_path):
    fit("-", "-k", 2, "--report", tmp_path / "in.html", stdin=points.read_bytes())
    assert read(tmp_path / "in.html")[1].items[0] == "2 Gaussians in standard input"
    fit(points, "-k", 2, "--passes", 3, "--report", tmp_path / "r.html")
    page, reader = read(tmp_path / "r.html")
    assert "9,000 (3,000, read 3 times)" in reader.items
    assert reader.tables[0][1][1] == "3,000"
    drawn = figures(page)
    assert drawn["motion"]["motion"]["rows"][-1] == 9000
    assert drawn["curve"]["data"][0]["x"][-1] == 9000


def test_write_report_learns_with_a_clone(tmp_path, X):
    frame = pd.DataFrame(X, columns=["left", "right"])
    estimator = OnlineGaussianMixture(2, max_epochs=2, random_state=0)
    model = write_report(tmp_path / "r.html", estimator, frame, title="Mine <3")
    assert not hasattr(estimator, "n_features_in_")
    assert model.to_mixture() == OnlineGaussianMixture(2, max_epochs=2, random_state=0).fit(X).to_mixture()
    _, reader = read(tmp_path / "r.html")
    assert reader.items[0] == "Mine <3"
    assert reader.tables[1][0][2:] == ["left", "right"]
    assert ["max epochs", "2"] in reader.tables[2]
    with pytest.raises(ValueError, match="`feature_names` must hold 2 names"):
        write_report(tmp_path / "no.html", estimator, X, feature_names=["x"])
    assert not (tmp_path / "no.html").exists()


def test_the_same_report_is_the_same_file(points, tmp_path):
    for name in ("a", "b"):
        fit(points, "-k", 2, "--report", tmp_path / name)
    assert (tmp_path / "a").read_bytes() == (tmp_path / "b").read_bytes()


# ---------------------------------------------------------------- failures


def error_of(*arguments, stdin=None):
    result = run(*arguments, stdin=stdin)
    assert result.exit_code == 1
    assert result.stdout == ""
    [line] = [line for line in result.stderr.splitlines() if not line.startswith("row ")]
    return line.removeprefix("streamgmm: error: ")


def test_a_report_that_cannot_be_written_fails_before_any_row_is_read(points, tmp_path):
    missing = tmp_path / "missing" / "r.html"
    assert (
        error_of("fit", "-", "--report", missing)
        == f"{missing}: cannot be written: its folder does not exist"
    )
    assert "got a directory" in error_of("fit", "-", "--report", tmp_path)
    same = tmp_path / "same"
    assert "must be two files" in error_of("fit", "-", "-o", same, "--report", same)
    before = points.read_bytes()
    assert "is not an HTML file, and is not replaced by a report" in error_of(
        "fit", points, "--report", points
    )
    assert points.read_bytes() == before
    with pytest.raises(ModelFileError, match="not an HTML file"):
        write_report(points, OnlineGaussianMixture(2), [[1.0]])


def test_html_is_replaced_and_nothing_else_left(points, tmp_path):
    path = tmp_path / "r.html"
    path.write_text("\n <HTML>old")
    fit(points, "--report", path)
    first = path.read_bytes()
    fit(points, "--report", path)
    assert path.read_bytes() == first
    assert os.listdir(tmp_path) == ["r.html"]


def test_without_plotly_one_line_says_how_to_install_it(monkeypatch, tmp_path, X):
    monkeypatch.setitem(sys.modules, "plotly", None)
    advice = "a report needs plotly: pip install 'streamgmm[plot]'"
    assert error_of("fit", "-", "--report", tmp_path / "r.html") == advice
    with pytest.raises(ImportError, match="needs plotly"):
        write_report(tmp_path / "r.html", OnlineGaussianMixture(2), X)
    assert os.listdir(tmp_path) == []


def test_too_few_rows_leave_no_file(tmp_path):
    path = write_csv(tmp_path / "a.csv", [[1.0, 2.0], [3.0, 4.0]])
    old = tmp_path / "old.html"
    old.write_text("<!doctype html>old")
    for report in (tmp_path / "new.html", old):
        assert "5 components need at least 5 distinct rows" in error_of(
            "fit", path, "-k", 5, "--report", report
        )
    assert sorted(os.listdir(tmp_path)) == ["a.csv", "old.html"]
    assert old.read_text() == "<!doctype html>old"


def test_a_failure_halfway_leaves_the_old_report(points, tmp_path, monkeypatch):
    path = tmp_path / "r.html"
    path.write_text("<!doctype html>old")

    def full(*_):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    assert error_of("fit", points, "--report", path) == f"{path}: cannot be written: No space left on device"
    assert path.read_text() == "<!doctype html>old"
    assert os.listdir(tmp_path) == ["r.html"]


def test_without_a_report_nothing_of_it_is_imported(points):
    import subprocess

    code = (
        "import sys; from streamgmm.cli.app import streamgmm;"
        f"streamgmm.main(['fit', {str(points)!r}], standalone_mode=False);"
        "print([m for m in sys.modules if m.startswith(('plotly', 'streamgmm.report'))])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.splitlines()[-1] == "[]"


# ---------------------------------------------------------------- the parts


def test_a_summary_is_exact_far_from_zero_and_in_any_parts():
    X = np.random.default_rng(0).normal(size=(5000, 2)) * [1.0, 1e-3] + [1e8, 5.0]
    whole, parts = Summary().add(X), Summary()
    for begin, end in ((0, 1), (1, 1), (1, 700), (700, 5000)):
        parts = parts.add(X[begin:end])
    for summary in (whole, parts):
        assert summary.n_rows == 5000
        np.testing.assert_allclose(summary.mean, X.mean(axis=0), rtol=1e-14)
        np.testing.assert_allclose(summary.sd, (X - X.mean(axis=0)).std(axis=0), rtol=1e-7)
        assert (summary.low == X.min(axis=0)).all()
        assert (summary.high == X.max(axis=0)).all()
    np.testing.assert_array_equal(whole.sample, parts.sample)
    assert len(np.unique(whole.sample, axis=0)) == 2000


def test_the_sample_is_uniform_over_the_stream():
    n = 40_000
    summary = Summary()
    for part in np.array_split(np.arange(n, dtype=float)[:, None], 7):
        summary = summary.add(part)
    counts = np.bincount((summary.sample[:, 0] * 10 // n).astype(int), minlength=10)
    assert counts.sum() == 2000
    assert np.abs(counts - 200).max() < 5 * np.sqrt(200)


def test_rows_near_the_largest_number_have_no_deviation():
    summary = Summary().add([[1e200], [-1e200]])
    assert not np.isfinite(summary.sd[0])
    with pytest.raises(ValueError, match="at least one row"):
        _ = Summary().mean


def test_a_glitch_does_not_stretch_an_axis_but_a_cluster_does():
    mixture = Mixture([0.5, 0.5], [[0.0], [100.0]], [[[1.0]], [[1.0]]])
    assert reach(np.append(np.linspace(-1, 1, 999), 1e6), mixture, TRIM)[1] < 200
    assert reach(np.linspace(-1, 1, 999), mixture, TRIM)[1] > 102
    low, high = reach(np.full(5, 3.0), Mixture([1.0], [[3.0]], [[[1e-12]]]))
    assert low < 3.0 < high


def test_rows_that_hardly_differ_are_drawn(tmp_path):
    X = 1e8 + 1.5e-8 * (np.arange(3000) % 7)
    with pytest.warns(UserWarning, match="duplicate rows"):
        write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), np.stack([X, X[::-1]], 1))
    assert set(figures((tmp_path / "r.html").read_text())) == {"mixture", "curve", "motion"}


@pytest.mark.parametrize("span", [1e-300, 1e-9, 1.0, 1e9, 1e300])
def test_numbers_are_as_exact_as_a_screen(span):
    values = np.linspace(-0.5, 0.5, 11) * span
    np.testing.assert_allclose(np.array(numbers(values, span), dtype=float), values, atol=span / 2000)
    assert numbers([np.inf, np.nan], span) == [None, None]


def test_each_pane_shows_its_pair_of_features():
    """Rows and numbers of the pane in row i and column j: feature j to the right, feature i upward."""
    X, _, _ = datasets.make_mixture(400, 3, 2, random_state=0)
    model = OnlineGaussianMixture(2, random_state=0)
    report = report_of(model, Watch().learn(model, X, X), names=("a", "b", "c"))
    spec = _figures.mixture_figure(report).spec
    for i in range(3):
        for j in range(i + 1):
            name = str(3 * i + j + 1)
            traces = [trace for trace in spec["data"] if trace["xaxis"] == f"x{name}"]
            x = spec["layout"][f"xaxis{name}"]
            assert x["range"][0] < X[:, j].min() < X[:, j].max() < x["range"][1]
            if i == j:
                bars = traces[0]
                area = sum(bars["y"]) * bars["width"]
                np.testing.assert_allclose(area, 1.0, rtol=0.01)  # a density, in few digits
                continue
            np.testing.assert_allclose(traces[0]["x"], X[:, j], atol=0.02)
            np.testing.assert_allclose(traces[0]["y"], X[:, i], atol=0.02)
            np.testing.assert_allclose(traces[-1]["x"], report.mixture.means[:, j], atol=0.02)
            np.testing.assert_allclose(traces[-1]["y"], report.mixture.means[:, i], atol=0.02)


def test_the_heaviest_components_are_drawn():
    weights = np.arange(1.0, 61.0)
    mixture = Mixture(weights / weights.sum(), np.zeros((60, 1)), np.ones(60), "spherical")
    assert drawn(mixture) == list(range(10, 60))


def test_the_running_mean_is_of_the_last_values():
    values = np.random.default_rng(0).normal(size=50)
    expected = [values[max(0, end - 7) : end].mean() for end in range(1, 51)]
    np.testing.assert_allclose(_figures._running_mean(values, 7), expected)


def test_captions_count_the_rows(X, tmp_path):
    write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), X[:1500])
    assert "Points: all 1,500 rows." in (tmp_path / "r.html").read_text()
    write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), np.vstack([X, X])[:2500])
    assert "Points: 2,000 of the 2,500 rows, chosen at random." in (tmp_path / "r.html").read_text()


def test_a_title_that_is_no_text_is_written(tmp_path, X):
    write_report(tmp_path / "r.html", OnlineGaussianMixture(2, random_state=0), X, title="bad\udcff")
    assert "bad?" in (tmp_path / "r.html").read_text()


@pytest.mark.parametrize("option", ["--report", "--output"])
def test_a_dash_is_no_file(points, tmp_path, monkeypatch, option):
    monkeypatch.chdir(tmp_path)
    result = run("fit", points, option, "-")
    assert result.exit_code == 2
    assert f"{option} must name a file, got -" in result.stderr
    assert not list(tmp_path.iterdir())
