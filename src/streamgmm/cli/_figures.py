"""Figures of a simulation, drawn by matplotlib without a screen."""

from __future__ import annotations

from importlib.util import find_spec
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from streamgmm.category_learning import Simulation

    from .simulate import Tokens


def require() -> None:
    """Raise ImportError with advice if matplotlib is missing."""
    if find_spec("matplotlib") is None:
        raise ImportError("figures (-o) need matplotlib: pip install 'streamgmm[plot]'")


def draw(run: Simulation, stream: Tokens, folder: Path) -> list[Path]:
    """Write the figures into a folder; return their paths."""
    draws = {"tokens": _tokens, "trajectories": _trajectories, "survivors": _survivors}
    if len(stream.cues) > 1:
        draws["cue-weights"] = _cue_weights
    draws["identification"] = _identification
    paths = []
    for name, function in draws.items():
        figure = _figure(len(stream.cues) if name in ("tokens", "identification") else 1, name)
        function(run, stream, figure)
        paths.append(folder / f"{name}.png")
        figure.savefig(paths[-1], dpi=110)
    return paths


def _figure(n_columns: int, name: str) -> Any:
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=(1 + 4 * n_columns if n_columns > 1 else 6, 5 if name == "trajectories" else 3.5))
    FigureCanvasAgg(figure)
    figure.set_layout_engine("constrained")
    return figure


def _example(run: Simulation) -> Any:
    """Return the first learner that ended with the most frequent number of categories."""
    most = max(run.counts, key=lambda count: run.counts[count])
    return run.learners[run.n_survivors.tolist().index(most)]


def _colors(learner: Any) -> dict[int, str]:
    """Return a color for each survivor, the same in all figures."""
    return {int(k): f"C{index}" for index, k in enumerate(learner.survivors_)}


def _drawn(stream: Tokens) -> Any:
    """Return tokens (n, n_cues) as the learners see them."""
    from streamgmm.mixture import Mixture

    return stream.source.sample(10_000, 0)[0] if isinstance(stream.source, Mixture) else stream.source


def _tokens(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Histogram of each cue, with the categories of a learner over it."""
    import numpy as np
    from scipy.stats import norm

    X, learner = _drawn(stream), _example(run)
    alive = learner.survivors_
    for i, axes in enumerate(np.atleast_1d(figure.subplots(1, len(stream.cues)))):
        x = X[:, i] * stream.scale[i] + stream.center[i]
        axes.hist(x, bins=50, density=True, color="0.85")
        grid = np.linspace(x.min(), x.max(), 400)
        total = np.zeros(len(grid))
        for k, color in _colors(learner).items():
            mean = learner.means_[k, i] * stream.scale[i] + stream.center[i]
            sd = learner.sds_[k, i] * stream.scale[i]
            height = learner.weights_[k] * norm.pdf(grid, mean, sd)
            axes.plot(grid, height, color=color)
            total += height
        axes.plot(grid, total, color="black", linewidth=0.8)
        axes.set(xlabel=stream.cues[i], ylabel="density", title=f"{len(alive)} categories of one learner")


def _trajectories(run: Simulation, stream: Tokens, figure: Any) -> None:
    """Means, as strong as their weights, and weights of all categories of a learner."""
    learner = _example(run)
    path, colors = learner.trajectory_, _colors(learner)
    top, bottom = figure.subplots(2, 1, sharex=True)
    for k in range(path.weights.shape[1]):
        thin = {"linewidth": 0.7, "color": "0.7"}
        style = {"linewidth": 1.8, "zorder": 3, "color": colors[k]} if k in colors else thin
        top.plot(path.tokens, path.means[:, k, 0] * stream.scale[0] + stream.center[0], **style)
        bottom.plot(path.tokens, path.weights[:, k], **style)
    top.set(ylabel=f"mean, {stream.cues[0]}", title="one learner; survivors in color")
    bottom.axhline(learner.survival_threshold, color="black", linewidth=0.6, linestyle=":")
    bottom.set(ylabel="weight", xlabel="tokens")


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

    X, learner = _drawn(stream), _example(run)
    for i, axes in enumerate(np.atleast_1d(figure.subplots(1, len(stream.cues)))):
        grid = np.tile(X.mean(axis=0), (200, 1))
        grid[:, i] = np.linspace(X[:, i].min(), X[:, i].max(), 200)
        x = grid[:, i] * stream.scale[i] + stream.center[i]
        for posterior, color in zip(learner.identify(grid).T, _colors(learner).values(), strict=True):
            axes.plot(x, posterior, color=color)
        axes.set(xlabel=stream.cues[i], ylabel="probability", ylim=(-0.02, 1.02), title="identification")
