"""Pictures show what the numbers say: positions, sizes, colors, labels and limits of what was drawn."""

from __future__ import annotations

import subprocess
import sys
from itertools import pairwise

import numpy as np
import pandas as pd
import pytest
from scipy.stats import chi2, norm
from sklearn.mixture import GaussianMixture as SklearnGaussianMixture

import naive
from common import parameters_of
from streamgmm import (
    GaussianMixture,
    Mixture,
    OnlineGaussianMixture,
    covariance,
    datasets,
    plots,
    rules,
    select,
)
from streamgmm.diagnostics import condition_numbers, marchenko_pastur_condition, trace
from streamgmm.estimators import Trail, follow
from streamgmm.plots import (
    ComponentTraceDisplay,
    ConditionDisplay,
    LikelihoodDisplay,
    MixtureDisplay,
    PairDisplay,
    ResponsibilityDisplay,
    SelectionDisplay,
)
from streamgmm.plots._colors import PALETTE, look
from streamgmm.plots._geometry import ellipses, outlines
from streamgmm.plots.likelihood import Curve

matplotlib = pytest.importorskip("matplotlib")
matplotlib.use("Agg")
import matplotlib.pyplot as plt  # noqa: E402
from matplotlib.colors import to_hex, to_rgb  # noqa: E402

FULL = Mixture(
    [0.2, 0.5, 0.3],
    [[0.0, 0.0], [6.0, 1.0], [-3.0, 5.0]],
    [[[4.0, 1.5], [1.5, 1.0]], [[0.5, -0.3], [-0.3, 2.0]], [[1.0, 0.0], [0.0, 1.0]]],
)
THREE = Mixture(
    [0.6, 0.4],
    [[0.0, 10.0, -5.0], [3.0, 20.0, 5.0]],
    [np.diag([1.0, 4.0, 9.0]), [[2.0, 0.5, 0.3], [0.5, 3.0, -0.4], [0.3, -0.4, 1.0]]],
)


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def draw(display):
    """Render, so that what only fails when drawn fails."""
    display.figure_.canvas.draw()
    return display


# Geometry


@pytest.mark.parametrize("coverage", [0.5, 0.95])
@pytest.mark.parametrize("covariance_type", covariance.names())
def test_ellipses_hold_their_share(covariance_type, coverage):
    """The outline is where the squared Mahalanobis distance is chi-squared's quantile."""
    _, _, mixture = datasets.make_mixture(1, 2, 3, covariance_type, random_state=0)
    dense = naive.dense(parameters_of(mixture))
    lines = outlines(mixture, coverage)
    for k, ellipse in enumerate(ellipses(mixture, coverage)):
        y = lines[k] - mixture.means[k]
        squared = np.einsum("na,ab,nb->n", y, np.linalg.inv(dense[k]), y)
        np.testing.assert_allclose(squared, chi2(2).ppf(coverage))
        angle = np.radians(ellipse.angle)
        axes = np.array([[np.cos(angle), np.sin(angle)], [-np.sin(angle), np.cos(angle)]])
        tips = axes * np.array([[ellipse.width / 2], [ellipse.height / 2]])
        squared = np.einsum("na,ab,nb->n", tips, np.linalg.inv(dense[k]), tips)
        np.testing.assert_allclose(squared, chi2(2).ppf(coverage))
        np.testing.assert_array_equal(ellipse.center, mixture.means[k])
        assert ellipse.width >= ellipse.height > 0
        assert -90 < ellipse.angle <= 90


def test_looks_differ():
    assert len({look(k) for k in range(24)}) == 24
    assert len({look(k).color for k in range(6)}) == 6


@pytest.mark.parametrize("deficiency", ["protanopia", "deuteranopia"])
def test_colors_differ_for_color_blind_readers(deficiency):
    """Machado and others (2009), severity 1: neighbors in the palette stay apart in CIE L*a*b*."""
    matrix = {
        "protanopia": [
            [0.152286, 1.052583, -0.204868],
            [0.114503, 0.786281, 0.099216],
            [-0.003882, -0.048116, 1.051998],
        ],
        "deuteranopia": [
            [0.367322, 0.860646, -0.227968],
            [0.280085, 0.672501, 0.047413],
            [-0.011820, 0.042940, 0.968881],
        ],
    }[deficiency]
    seen = []
    for color in PALETTE:
        rgb = np.array(to_rgb(color))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        linear = np.clip(np.array(matrix) @ linear, 0, 1)
        xyz = (
            np.array([[0.4124, 0.3576, 0.1805], [0.2126, 0.7152, 0.0722], [0.0193, 0.1192, 0.9505]]) @ linear
        )
        f = np.cbrt(xyz / [0.9505, 1.0, 1.089])
        seen.append([116 * f[1] - 16, 500 * (f[0] - f[1]), 200 * (f[1] - f[2])])
    distances = np.linalg.norm(np.array(seen)[:, None] - np.array(seen), axis=2)
    assert distances[~np.eye(6, dtype=bool)].min() > 12  # 2 is just noticeable side by side


# MixtureDisplay


def test_mixture_in_the_plane():
    X = FULL.sample(500, random_state=0)[0]
    display = draw(MixtureDisplay.from_estimator(FULL, X, coverage=[0.3, 0.9], feature_names=["left", "up"]))
    assert [len(of_one) for of_one in display.ellipses_] == [2, 2, 2]
    for k in range(3):
        for patch, share in zip(display.ellipses_[k], (0.9, 0.3), strict=True):
            expected = ellipses(FULL, share)[k]
            np.testing.assert_allclose(patch.center, FULL.means[k])
            np.testing.assert_allclose(
                [patch.width, patch.height, patch.angle], [expected.width, expected.height, expected.angle]
            )
            assert to_hex(patch.get_edgecolor()) == look(k).color
        assert display.labels_[k].get_text() == str(k)
        assert display.labels_[k].get_color() == look(k).color
        np.testing.assert_allclose(display.labels_[k].get_position(), FULL.means[k])
    np.testing.assert_array_equal(display.rows_.get_offsets(), X)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("left", "up")
    box = np.array([display.ax_.get_xlim(), display.ax_.get_ylim()])
    drawn = np.concatenate([X, outlines(FULL, 0.9).reshape(-1, 2)])
    assert (box[:, 0] <= drawn.min(axis=0)).all()
    assert (box[:, 1] >= drawn.max(axis=0)).all()
    assert (np.ptp(box, axis=1) < 1.2 * np.ptp(drawn, axis=0)).all()


def test_contours_hold_their_shares():
    display = draw(MixtureDisplay.from_estimator(FULL, contours=True, coverage=(0.5, 0.9)))
    levels = np.sort(display.contours_.levels)
    log_prob = FULL.log_prob(FULL.sample(50_000, random_state=1)[0])
    np.testing.assert_allclose([(log_prob > level).mean() for level in levels], [0.9, 0.5], atol=0.01)


def test_marginals():
    X = FULL.sample(300, random_state=0)[0]
    display = draw(MixtureDisplay.from_estimator(FULL, X, marginals=True))
    top, right = display.marginal_axes_
    total = top.lines[-1]
    expected = np.exp(FULL.marginal(0).log_prob(np.asarray(total.get_xdata())[:, None]))
    np.testing.assert_allclose(total.get_ydata(), expected)
    total = right.lines[-1]
    expected = np.exp(FULL.marginal(1).log_prob(np.asarray(total.get_ydata())[:, None]))
    np.testing.assert_allclose(total.get_xdata(), expected)
    assert top.get_xlim() == display.ax_.get_xlim()
    assert right.get_ylim() == display.ax_.get_ylim()
    for feature, limits in enumerate((display.ax_.get_xlim(), display.ax_.get_ylim())):
        assert limits[0] < X[:, feature].min()
        assert limits[1] > X[:, feature].max()
    box = display.ax_.get_window_extent()
    assert top.get_window_extent().y0 >= box.y1
    assert right.get_window_extent().x0 >= box.x1


@pytest.mark.parametrize("covariance_type", covariance.names())
def test_one_feature(covariance_type):
    X, _, mixture = datasets.make_mixture(400, 1, 3, covariance_type, random_state=0)
    display = draw(MixtureDisplay.from_estimator(mixture, X))
    assert len(display.lines_) == 4
    variances = naive.dense(parameters_of(mixture))[:, 0, 0]
    total = 0.0
    for k, line in enumerate(display.lines_[:-1]):
        x, y = (np.asarray(values) for values in line.get_data())
        expected = mixture.weights[k] * norm.pdf(x, mixture.means[k, 0], np.sqrt(variances[k]))
        np.testing.assert_allclose(y, expected, atol=1e-12)
        assert line.get_color() == look(k).color
        total = total + expected
        at, height = display.labels_[k].get_position()
        assert at == mixture.means[k, 0]
        assert display.labels_[k].get_color() == look(k).color
        np.testing.assert_allclose(height, expected.max())
    np.testing.assert_allclose(display.lines_[-1].get_ydata(), total)
    [stairs] = display.ax_.patches
    heights, edges, _ = stairs.get_data()
    np.testing.assert_allclose(np.sum(heights * np.diff(edges)), 1.0)  # the histogram is a density too
    np.testing.assert_allclose(heights * np.diff(edges) * 400, np.histogram(X, edges)[0])
    assert display.ax_.get_ylabel() == "density"


def test_features_by_name_and_number():
    frame = pd.DataFrame(THREE.sample(100, random_state=0)[0], columns=["a", "b", "c"])
    display = MixtureDisplay.from_estimator(THREE, frame, features=["c", "a"])
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("c", "a")
    np.testing.assert_allclose(display.ellipses_[1][0].center, [5.0, 3.0])
    np.testing.assert_array_equal(display.rows_.get_offsets(), frame[["c", "a"]])
    display = MixtureDisplay.from_estimator(THREE, features=-1)
    assert display.ax_.get_xlabel() == "x2"
    display = MixtureDisplay.from_estimator(THREE)
    assert (display.ax_.get_xlabel(), display.ax_.get_ylabel()) == ("x0", "x1")


def test_estimators_of_all_kinds():
    frame = pd.DataFrame(FULL.sample(400, random_state=0)[0], columns=["a", "b"])
    ours = GaussianMixture(3, random_state=0).fit(frame)
    theirs = SklearnGaussianMixture(3, random_state=0).fit(frame)
    online = OnlineGaussianMixture(3, random_state=0).fit(frame)
    for estimator in (ours, theirs, online):
        display = MixtureDisplay.from_estimator(estimator)
        assert display.ax_.get_xlabel() == "a"
        for k in range(3):
            np.testing.assert_allclose(display.ellipses_[k][0].center, estimator.means_[k])


def test_many_rows_are_sampled():
    X = FULL.sample(5000, random_state=0)[0]
    display = MixtureDisplay.from_estimator(FULL, X, max_rows=300)
    offsets = np.asarray(display.rows_.get_offsets())
    assert offsets.shape == (300, 2)
    places = [int(np.flatnonzero((row == X).all(axis=1))[0]) for row in offsets]
    assert (np.diff(places) > 0).all()
    assert np.histogram(places, 5, (0, 5000))[0].min() > 30  # from everywhere, not the first


def test_given_axes_are_used():
    figure, axes = plt.subplots(1, 2)
    display = MixtureDisplay.from_estimator(FULL, ax=axes[1])
    assert display.ax_ is axes[1]
    assert display.figure_ is figure
    assert not axes[0].patches
    again = display.plot(axes[0], coverage=0.5)
    assert again is display
    assert len(axes[0].patches) == 3


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: MixtureDisplay(THREE), "must have 1 or 2 features, got 3"),
        (lambda: MixtureDisplay.from_estimator(FULL, [[0.0]]), "must have shape"),
        (lambda: MixtureDisplay.from_estimator(FULL, [[0.0, np.nan]]), "must be finite"),
        (lambda: ResponsibilityDisplay.from_estimator(FULL, np.empty((0, 2))), "at least one row, got none"),
        (lambda: MixtureDisplay.from_estimator(FULL, coverage=1.0), "`coverage` must lie between 0 and 1"),
        (lambda: MixtureDisplay.from_estimator(FULL, coverage=[]), "`coverage` must lie between 0 and 1"),
        (lambda: MixtureDisplay.from_estimator(FULL, features="x7"), "among x0, x1, got 'x7'"),
        (lambda: MixtureDisplay.from_estimator(FULL, features=[0, 0]), "distinct"),
        (lambda: MixtureDisplay.from_estimator(THREE, features=[0, 1, 2]), "one or two features, got 3"),
        (
            lambda: MixtureDisplay.from_estimator(FULL, feature_names=["a"]),
            "`feature_names` must hold 2 names",
        ),
        (lambda: PairDisplay(FULL.marginal(0)), "2 features or more, got 1"),
        (lambda: ComponentTraceDisplay.from_trail(RUN, parameters="sd"), "`parameters` must be among"),
        (lambda: ComponentTraceDisplay.from_trail(RUN, components=[3]), "lie between 0 and 0"),
        (lambda: ComponentTraceDisplay.from_estimator(GaussianMixture(2), FOUR), "OnlineGaussianMixture"),
        (lambda: ComponentTraceDisplay.from_trail(RUN, components=[True]), "must be distinct"),
        (lambda: ComponentTraceDisplay.from_trail(Trail(np.empty(0), ())), "hold a snapshot, got none"),
        (
            lambda: ComponentTraceDisplay.from_estimator(OnlineGaussianMixture(2), np.empty((0, 1))),
            "0 sample",
        ),
        (
            lambda: MixtureDisplay.from_estimator(FULL, [[0.0, 0.0]], max_rows=0),
            "`max_rows` must be a positive",
        ),
        (
            lambda: MixtureDisplay.from_estimator(FULL, [[0.0, 0.0]], max_rows=2.5),
            "`max_rows` must be a positive",
        ),
        (lambda: MixtureDisplay.from_estimator(FULL, features=1.0), "`features` must be integers"),
        (lambda: MixtureDisplay.from_estimator(FULL, coverage="0.5"), "`coverage` must lie between"),
        (lambda: MixtureDisplay.from_estimator(FULL, ax="here"), "`ax` must be matplotlib Axes"),
        (lambda: MixtureDisplay(FULL, np.zeros((4, 3))), "must have shape"),
        (lambda: PairDisplay(FULL, np.zeros((4, 3))), "must have shape"),
        (
            lambda: SelectionDisplay.from_estimator(OnlineGaussianMixture(2), FOUR),
            "streamgmm's GaussianMixture",
        ),
        (lambda: LikelihoodDisplay({"_a": RUN}), "must not begin with '_'"),
        (lambda: LikelihoodDisplay({}), "at least one"),
        (lambda: LikelihoodDisplay.from_estimator(GaussianMixture(2), FOUR), "must learn from a stream"),
        (lambda: LikelihoodDisplay.from_estimator(OnlineGaussianMixture(1), FOUR), "kept for the start"),
        (
            lambda: ResponsibilityDisplay.from_estimator(THREE, np.zeros((1, 3)), features=[0, 1, 2]),
            "one or two",
        ),
        (lambda: ResponsibilityDisplay(np.zeros((2, 1)), np.zeros((3, 1))), "must have shape"),
    ],
)
def test_bad_input_is_one_clear_error(call, message):
    with pytest.raises(ValueError, match=message):
        call()


FOUR = [[0.0], [1.0], [2.0], [3.0]]
RUN = trace("online-em", Mixture([1.0], [[0.0]], [[[1.0]]]), FOUR)


def test_not_a_mixture():
    with pytest.raises(TypeError, match="must be a Mixture or a fitted estimator, got str"):
        MixtureDisplay.from_estimator("model")
    from sklearn.exceptions import NotFittedError

    with pytest.raises(NotFittedError):
        MixtureDisplay.from_estimator(GaussianMixture(2))
    with pytest.raises(TypeError, match="fitted"):
        MixtureDisplay.from_estimator(SklearnGaussianMixture(2))


# PairDisplay


def test_pairs():
    X = THREE.sample(200, random_state=0)[0]
    display = draw(PairDisplay.from_estimator(THREE, X, feature_names=["a", "b", "c"], coverage=0.9))
    assert display.axes_.shape == (3, 3)
    for i in range(3):
        for j in range(3):
            axes = display.axes_[i, j]
            if i < j:
                assert axes is None
            elif i == j:
                total = axes.lines[-1]
                expected = np.exp(THREE.marginal(i).log_prob(np.asarray(total.get_xdata())[:, None]))
                np.testing.assert_allclose(total.get_ydata(), expected)
            else:
                np.testing.assert_array_equal(axes.collections[0].get_offsets(), X[:, [j, i]])
                for k, of_one in enumerate(display.ellipses_[i, j]):
                    expected = ellipses(THREE.marginal([j, i]), 0.9)[k]
                    np.testing.assert_allclose(of_one[0].center, THREE.means[k, [j, i]])
                    np.testing.assert_allclose(
                        [of_one[0].width, of_one[0].angle], [expected.width, expected.angle]
                    )
                assert axes.get_xlim() == display.axes_[j, j].get_xlim()
    assert [axes.get_xlabel() for axes in display.axes_[2]] == ["a", "b", "c"]
    assert [axes.get_ylabel() for axes in display.axes_[1:, 0]] == ["b", "c"]


def test_pairs_in_the_place_of_axes():
    figure, axes = plt.subplots(1, 2)
    display = draw(PairDisplay.from_estimator(THREE, features=["x2", "x0"], ax=axes[1]))
    assert display.figure_ is figure
    assert display.axes_.shape == (2, 2)
    assert display.axes_[1, 0].get_xlabel() == "x2"
    left = axes[1].get_position().x0
    assert all(one.get_position().x0 > left - 0.1 for one in display.axes_[1])
    by_hand = figure.add_axes((0, 0, 1, 1))
    with pytest.raises(ValueError, match="must come from subplots"):
        PairDisplay.from_estimator(THREE, ax=by_hand)


def test_very_many_features_are_the_first_eight():
    _, _, mixture = datasets.make_mixture(1, 12, 2, random_state=0)
    assert PairDisplay.from_estimator(mixture).axes_.shape == (8, 8)


# ComponentTraceDisplay


def test_trace_shows_what_was_learned():
    X, _, _ = datasets.make_mixture(6000, 2, 3, random_state=0)
    estimator = OnlineGaussianMixture(3, random_state=0)
    display = draw(ComponentTraceDisplay.from_estimator(estimator, X, feature_names=["a", "b"]))
    assert not hasattr(estimator, "weights_")  # a clone learned
    model = OnlineGaussianMixture(3, random_state=0)
    trail = follow(model, X)
    assert [axes.get_ylabel() for axes in display.ax_] == [
        "weight",
        "mean of a",
        "mean of b",
        "sd of a",
        "sd of b",
    ]
    sds = np.sqrt(np.diagonal(model.covariances_, axis1=1, axis2=2))
    ends = [model.weights_, *model.means_.T, *sds.T]
    for lines, end in zip(display.lines_, ends, strict=True):
        for k, line in enumerate(lines):
            np.testing.assert_array_equal(line.get_xdata(), trail.rows)
            np.testing.assert_allclose(line.get_ydata()[-1], end[k])
            assert line.get_color() == look(k).color
        for k, text in enumerate(lines[0].axes.texts):
            np.testing.assert_allclose(text.get_position(), (6000, end[k]))
    assert all(axes.get_xlim() == display.ax_[0].get_xlim() for axes in display.ax_)
    assert display.ax_[0].get_xscale() == "log"
    assert display.ax_[-1].get_xlabel() == "rows seen"


def test_trace_of_a_run_in_one_panel():
    run = trace(rules.GradientAscent(), Mixture([1.0], [[5.0]], [[[1.0]]]), [[0.0]] * 30)
    _, ax = plt.subplots()
    display = draw(ComponentTraceDisplay.from_trail(run, parameters="means", ax=ax))
    assert display.ax_ is ax
    [[line]] = display.lines_
    np.testing.assert_array_equal(line.get_ydata(), [mixture.means[0, 0] for mixture in run.mixtures])
    np.testing.assert_array_equal(line.get_xdata(), run.rows)
    assert ax.get_xscale() == "linear"


def test_trace_in_color_and_gray():
    means = np.arange(12.0).reshape(2, 6, 1)
    display = ComponentTraceDisplay([1, 2], np.full((2, 6), 1 / 6), means, np.ones((2, 6, 1)))
    display.plot(parameters="means", components=[4, 1])
    colors = [line.get_color() for line in display.lines_[0]]
    assert colors[4] == look(0).color
    assert colors[1] == look(1).color
    assert len(set(colors[:1] + colors[2:4] + colors[5:])) == 1
    assert [text.get_text() for text in display.ax_.texts] == ["1", "0"]


# LikelihoodDisplay


def test_likelihood_is_the_history():
    X, _, _ = datasets.make_mixture(20_000, random_state=0)
    model = OnlineGaussianMixture(3, batch_size=500, random_state=0).partial_fit(X)
    display = draw(LikelihoodDisplay.from_estimator(model))
    line = display.lines_["online-em"]
    np.testing.assert_array_equal(line.get_xdata(), model.history_rows_)
    np.testing.assert_allclose(line.get_ydata(), model.history_)
    assert not display.raw_lines_
    assert display.ax_.get_ylabel() == "log-likelihood (nats a row)"
    assert display.ax_.get_legend() is None


def test_likelihood_of_a_clone_in_blocks():
    X, _, _ = datasets.make_mixture(20_000, random_state=0)
    estimator = OnlineGaussianMixture(3, batch_size=10, random_state=0)
    display = draw(LikelihoodDisplay.from_estimator(estimator, X, name="ten rows"))
    assert not hasattr(estimator, "history_")
    model = OnlineGaussianMixture(3, batch_size=10, random_state=0).partial_fit(X)
    line, raw = display.lines_["ten rows"], display.raw_lines_["ten rows"]
    np.testing.assert_array_equal(raw.get_ydata(), model.history_)
    size = -(-len(model.history_) // 100)
    np.testing.assert_allclose(line.get_ydata()[0], model.history_[:size].mean())
    assert line.get_xdata()[0] == model.history_rows_[size - 1]
    assert line.get_xdata()[-1] == 20_000
    assert len(line.get_xdata()) <= 100


def test_learners_beside_each_other():
    X, _, _ = datasets.make_mixture(5000, random_state=0)
    learners = {
        name: OnlineGaussianMixture(3, rule=name, random_state=0) for name in ("online-em", "gradient")
    }
    display = draw(LikelihoodDisplay.from_estimators(learners, X, raw=False))
    assert [text.get_text() for text in display.ax_.get_legend().get_texts()] == list(learners)
    run = trace("natural-gradient", datasets.make_mixture(random_state=0)[2], X[:200])
    more = draw(LikelihoodDisplay.from_estimator(run, ax=display.ax_, raw=False))
    colors = [line.get_color() for line in display.ax_.lines]
    assert colors == [look(k).color for k in range(3)]
    assert len(more.ax_.get_legend().get_texts()) == 3
    np.testing.assert_array_equal(more.lines_["natural-gradient"].get_xdata()[-1], 200)


# ResponsibilityDisplay


def test_responsibilities_are_colors():
    X = FULL.sample(300, random_state=0)[0]
    display = draw(ResponsibilityDisplay.from_estimator(FULL, X))
    palette = np.array([to_rgb(look(k).color) for k in range(3)])
    np.testing.assert_allclose(
        display.rows_.get_facecolors()[:, :3], FULL.responsibilities(X) @ palette, atol=1e-9
    )
    np.testing.assert_array_equal(display.rows_.get_offsets(), X)
    for k, text in enumerate(display.labels_):
        assert text.get_text() == str(k)
        assert np.linalg.norm(np.subtract(text.get_position(), FULL.means[k])) < 0.5


def test_responsibilities_along_a_feature():
    X = THREE.sample(300, random_state=0)[0]
    display = draw(ResponsibilityDisplay.from_estimator(THREE, X, features=2, feature_names=["a", "b", "c"]))
    marginal = THREE.marginal(2)
    for k, line in enumerate(display.lines_):
        x = np.asarray(line.get_xdata())
        np.testing.assert_allclose(line.get_ydata(), marginal.responsibilities(x[:, None])[:, k])
        assert (x[0], x[-1]) == (X[:, 2].min(), X[:, 2].max())
    assert display.ax_.get_xlabel() == "c"


def test_responsibilities_use_all_features():
    X = THREE.sample(50, random_state=0)[0]
    display = ResponsibilityDisplay.from_estimator(THREE, X, features=[0, 1])
    palette = np.array([to_rgb(look(k).color) for k in range(2)])
    np.testing.assert_allclose(
        display.rows_.get_facecolors()[:, :3], THREE.responsibilities(X) @ palette, atol=1e-9
    )


# SelectionDisplay


@pytest.mark.parametrize("criterion", ["bic", "held-out"])
def test_selection(criterion):
    X = datasets.load_faithful().data
    found = select(X, [1, 2, 3], covariance_types=["full", "diag"], criterion=criterion, random_state=0)
    display = draw(SelectionDisplay.from_selection(found))
    assert list(display.lines_) == ["full", "diag"]
    for kind, line in display.lines_.items():
        values = {row.n_components: row.value for row in found.table if row.covariance_type == kind}
        np.testing.assert_array_equal(line.get_xdata(), [1, 2, 3])
        np.testing.assert_allclose(line.get_ydata(), [values[K] for K in (1, 2, 3)])
    assert display.best_.get_xdata()[0] == found.best.n_components
    assert display.best_.get_ydata()[0] == found.table[0].value
    assert display.ax_.get_ylabel() == {"bic": "BIC"}.get(criterion, "held-out log-likelihood (nats a row)")


def test_selection_from_an_estimator():
    X = datasets.load_faithful().data
    estimator = GaussianMixture(7, n_init=2, tol=1e-5, random_state=0)
    display = SelectionDisplay.from_estimator(estimator, X, n_components=[1, 2], covariance_types=["tied"])
    expected = GaussianMixture(2, covariance_type="tied", n_init=2, tol=1e-5, random_state=0).fit(X).bic(X)
    np.testing.assert_allclose(display.lines_["tied"].get_ydata()[1], expected)
    assert not hasattr(estimator, "means_")


# ConditionDisplay


@pytest.mark.parametrize("covariance_type", covariance.names())
def test_conditions(covariance_type):
    X, _, mixture = datasets.make_mixture(500, 5, 3, covariance_type, random_state=0)
    display = draw(ConditionDisplay.from_estimator(mixture, X))
    nk = mixture.responsibilities(X).sum(axis=0)
    nk = np.full(3, 500.0) if covariance_type == "tied" else nk
    assert len(display.points_) == (1 if covariance_type == "tied" else 3)
    for k, point in enumerate(display.points_):
        assert point.get_markersize() > 5
        np.testing.assert_allclose(point.get_xdata()[0], nk[k])
        np.testing.assert_allclose(point.get_ydata()[0], condition_numbers(mixture)[k])
        assert to_hex(point.get_color()) == look(k).color
        assert display.labels_[k].get_text() == ("all" if covariance_type == "tied" else str(k))
    x, y = display.line_.get_data()
    np.testing.assert_allclose(y, [marchenko_pastur_condition(n, 5) for n in x])
    assert x.min() < 6
    assert x.max() > nk.max()
    low, high = display.ax_.get_ylim()
    assert low < 1
    assert high > condition_numbers(mixture).max()


def test_conditions_of_an_empty_component():
    mixture = Mixture([1.0, 0.0], [[0.0, 0.0], [99.0, 99.0]], [1.0, 1e-30], "spherical")
    draw(ConditionDisplay.from_estimator(mixture, [[0.0, 0.0], [1.0, 1.0]]))


# All of them


def test_a_component_keeps_its_color():
    X = FULL.sample(500, random_state=0)[0]
    for k in range(3):
        colors = {
            to_hex(MixtureDisplay.from_estimator(FULL, X).ellipses_[k][0].get_edgecolor()),
            to_hex(PairDisplay.from_estimator(FULL, X).ellipses_[1, 0][k][0].get_edgecolor()),
            to_hex(ConditionDisplay.from_estimator(FULL, X).points_[k].get_color()),
            to_hex(MixtureDisplay.from_estimator(FULL, X, features=0).lines_[k].get_color()),
            to_hex(ResponsibilityDisplay.from_estimator(FULL, X, features=0).lines_[k].get_color()),
        }
        assert colors == {look(k).color}
        plt.close("all")


def test_letters_are_legible_in_a_column():
    """In a figure as wide as it is made, no letter is smaller than 8 points."""
    display = draw(MixtureDisplay.from_estimator(FULL, FULL.sample(50, random_state=0)[0]))
    width = display.figure_.get_size_inches()[0]
    assert width <= 4.5
    texts = [*display.ax_.get_xticklabels(), display.ax_.xaxis.label, *display.labels_]
    assert min(text.get_fontsize() for text in texts) >= 8


def test_displays_that_cannot_import_matplotlib_say_so(monkeypatch):
    from streamgmm.plots import _inputs

    monkeypatch.setattr(_inputs, "find_spec", lambda name: None)
    with pytest.raises(ImportError, match=r"pip install 'streamgmm\[plot\]'"):
        MixtureDisplay.from_estimator(FULL)


def test_import_is_light():
    code = "import streamgmm.plots, sys; assert 'matplotlib' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True)


def test_every_display_follows_the_convention():
    for name in set(plots.__all__) - {"Curve"}:
        display = getattr(plots, name)
        assert callable(display.from_estimator)
        assert "ax" in display.plot.__code__.co_varnames


def test_condition_ticks_do_not_overlap():
    """Few effective rows make an axis of about one decade, which once had a label for each of its ticks."""
    figure, axes = plt.subplots(1, 3, figsize=(12, 4), layout="constrained")
    ConditionDisplay([4.0, 9.0, 11.0], [1e6, 20.0, 20.0], 5).plot(axes[0])
    figure.canvas.draw()
    labels = [label for label in axes[0].get_xticklabels(which="both") if label.get_text()]
    boxes = sorted((label.get_window_extent() for label in labels), key=lambda box: box.x0)
    assert len(boxes) >= 3
    assert all(left.x1 < right.x0 for left, right in pairwise(boxes))


def test_likelihood_has_no_short_last_block():
    rows = 50.0 * np.arange(1, 1003)
    values = np.append(np.zeros(1001), 7.0)  # 91 blocks of 11 mini-batches, and one mini-batch too many
    display = LikelihoodDisplay({"a": Curve(rows, values)}).plot()
    x, y = display.lines_["a"].get_data()
    assert x[-1] == rows[-1]
    assert 0 < y[-1] < 1


@pytest.mark.parametrize("display", [MixtureDisplay, PairDisplay, ResponsibilityDisplay, ConditionDisplay])
def test_columns_in_another_order_are_refused(display):
    frame = pd.DataFrame(FULL.sample(200, random_state=0)[0], columns=["a", "b"])
    model = GaussianMixture(2, random_state=0).fit(frame)
    with pytest.raises(ValueError, match="same order"):
        display.from_estimator(model, frame[["b", "a"]])


def test_a_bad_row_is_found_whether_it_is_drawn_or_not():
    X = FULL.sample(5000, random_state=0)[0]
    X[3000, 1] = np.nan
    for max_rows in (50, 4999):
        with pytest.raises(ValueError, match="got nan in row 3000"):
            MixtureDisplay.from_estimator(FULL, X, max_rows=max_rows)


def test_names_are_words_and_not_formulas():
    names = ["$\\foo$", "a" * 300]
    for display in (
        MixtureDisplay.from_estimator(FULL, feature_names=names, marginals=True),
        PairDisplay.from_estimator(FULL, feature_names=names),
        ResponsibilityDisplay.from_estimator(FULL, FULL.sample(50)[0], feature_names=names),
        ComponentTraceDisplay.from_estimator(
            OnlineGaussianMixture(1), FULL.sample(50)[0], feature_names=names
        ),
    ):
        draw(display)
    assert (
        ResponsibilityDisplay.from_estimator(FULL, [[0.0, 0.0]], feature_names=names).ax_.get_xlabel()
        == names[0]
    )
    draw(LikelihoodDisplay.from_estimators({"$\\foo$": RUN, "b": RUN}))


@pytest.mark.parametrize(
    "x",
    [
        np.where(np.arange(200) % 2, 0.1 + 0.2, 0.3),
        np.full(200, 1.7e18),
        np.ones(200),
        1e6 + np.arange(200) % 7,
    ],
    ids=["neighbors", "nanoseconds", "identical", "far"],
)
def test_columns_that_hardly_vary_are_drawn(x):
    rows = np.column_stack([np.random.default_rng(0).normal(size=200), x])
    spread = max(float(x.std()), 1e-3)
    mixture = Mixture([1.0], [rows.mean(axis=0)], [[1.0, spread**2]], "diag")
    display = draw(MixtureDisplay.from_estimator(mixture, rows, marginals=True))
    low, high = display.ax_.get_ylim()
    assert low < x.min() <= x.max() < high
    draw(PairDisplay.from_estimator(mixture, rows))
    line = draw(MixtureDisplay.from_estimator(mixture, rows, features=1))
    assert line.ax_.get_ylim()[1] < 4 * max(line.lines_[-1].get_ydata())  # bars do not flatten it


def test_components_without_weight_take_no_room():
    X = np.random.default_rng(0).normal(size=(100, 2))
    mixture = Mixture([1.0, 0.0], [[0.0, 0.0], [1000.0, 1000.0]], [1.0, 1.0], "spherical")
    for axes in (
        MixtureDisplay.from_estimator(mixture, X).ax_,
        PairDisplay.from_estimator(mixture, X).axes_[1, 0],
        MixtureDisplay.from_estimator(mixture, X, features=0).ax_,
    ):
        assert axes.get_xlim()[1] < 10


def test_the_power_of_ten_is_not_behind_a_marginal():
    X = FULL.sample(300, random_state=0)[0] + 1e6
    mixture = GaussianMixture(2, random_state=0).fit(X).to_mixture()
    display = draw(MixtureDisplay.from_estimator(mixture, X, marginals=True))
    offset = display.ax_.yaxis.get_offset_text()
    assert offset.get_text()
    assert offset.get_window_extent().y1 <= display.marginal_axes_[0].get_window_extent().y0


def test_contours_are_solid_whatever_the_units():
    mixture = Mixture([0.5, 0.5], [[0.0, 0.0], [5.0, 5.0]], [0.02, 1.0], "spherical")
    display = MixtureDisplay.from_estimator(mixture, contours=True, coverage=(0.2, 0.5, 0.95))
    assert all(dashes is None for _, dashes in display.contours_.get_linestyles())
