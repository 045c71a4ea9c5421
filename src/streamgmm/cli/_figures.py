"""Figures of a simulation, drawn by the package's displays without a screen."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgmm.category_learning import Simulation

    from .simulate import Tokens


def new_figure(width: float = 5.0, height: float = 4.0) -> Any:
    """Return an empty figure that needs no screen."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    FigureCanvasAgg(figure)
    return figure


def draw(run: Simulation, stream: Tokens, folder: Path) -> list[Path]:
    """Write the figures into a folder; return their paths."""
    draws = {"tokens": _tokens, "trajectories": _trajectories, "survivors": _survivors}
    if len(stream.cues) > 1:
        draws["cue-weights"] = _cue_weights
    draws["identification"] = _identification
    paths = []
    for name, function in draws.items():
        n_columns = len(stream.cues) if name in ("tokens", "identification") else 1
        figure = new_figure(1 + 4 * n_columns if n_columns > 1 else 6, 5 if name == "trajectories" else 3.5)
        function(run, stream, figure)
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _example(run: Simulation) -> Any:
    """Return the first learner that ended with the most frequent number of categories."""
    most = max(run.counts, key=lambda count: run.counts[count])
    return run.learners[run.n_survivors.tolist().index(most)]


def _drawn(stream: Tokens) -> Any:
    """Return tokens (n, n_cues) as the learners see them."""
    from streamgmm.mixture import Mixture

    return stream.source.sample(10_000, 0)[0] if isinstance(stream.source, Mixture) else stream.source


def _axes(figure: Any, stream: Tokens) -> Any:
    return figure.subplots(1, len(stream.cues), squeeze=False)[0]


def _tokens(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Histogram of each cue, with the categories of a learner over it."""
    from streamgmm.plots import MixtureDisplay

    from ._units import unstandardize

    mixture = unstandardize(_example(run).to_mixture(), stream.center, stream.scale)
    X = _drawn(stream) * stream.scale + stream.center
    for i, axes in enumerate(_axes(figure, stream)):
        MixtureDisplay.from_estimator(
            mixture, X, features=i, feature_names=stream.cues, max_rows=len(X), ax=axes
        )
        axes.set_title(f"{mixture.n_components} categories of one learner")


def _trajectories(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Weights, and means and deviations of the first cue, of all categories of a learner."""
    from streamgmm.plots import ComponentTraceDisplay

    learner = _example(run)
    path = learner.trajectory_
    display = ComponentTraceDisplay(
        path.tokens,
        path.weights,
        path.means * stream.scale + stream.center,
        path.sds * stream.scale,
        feature_names=stream.cues,
    )
    display.plot(figure.subplots(), features=0, components=learner.survivors_)
    display.ax_[0].axhline(learner.survival_threshold, color="black", linewidth=0.6, linestyle=":")
    display.ax_[0].set_title("one learner; survivors in color")
    display.ax_[-1].set_xlabel("tokens")


def _survivors(run: Simulation, stream: Tokens, figure: Any) -> None:
    """How many learners ended with how many categories."""
    axes = figure.subplots()
    axes.bar(list(run.counts), list(run.counts.values()), color="0.5")
    axes.set(xlabel="surviving categories", ylabel="learners", title=f"{len(run.learners)} learners")
    axes.set_xticks(range(min(run.counts), max(run.counts) + 1))


def _cue_weights(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Draw the weight of each cue, of all learners that tell categories apart."""
    from streamgmm.category_learning import cue_weights

    weights = [cue_weights(one) for one in run.learners if len(one.survivors_) > 1]
    axes = figure.subplots()
    if weights:
        columns = list(zip(*weights, strict=True))
        axes.boxplot(columns)
        axes.set_xticks(range(1, len(columns) + 1), stream.cues)
    axes.set(ylabel="cue weight", ylim=(0, 1), title=f"{len(weights)} learners with several categories")


def _identification(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Posterior of each survivor along each cue, the others at their means."""
    import numpy as np

    from streamgmm.plots import ResponsibilityDisplay

    X, learner = _drawn(stream), _example(run)
    for i, axes in enumerate(_axes(figure, stream)):
        grid = np.tile(X.mean(axis=0), (200, 1))
        grid[:, i] = np.linspace(X[:, i].min(), X[:, i].max(), 200)
        x = grid[:, [i]] * stream.scale[i] + stream.center[i]
        ResponsibilityDisplay(x, learner.identify(grid), feature_names=[stream.cues[i]]).plot(axes)
        axes.set_title("identification")
