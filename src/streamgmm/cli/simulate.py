"""`streamgmm simulate`: learners of categories, one token at a time, as models of speech development."""

from __future__ import annotations

import json
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import click

from streamgmm._words import printable

from . import _options
from ._output import to_json, write_lines

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from streamgmm.category_learning import Simulation

_VOWELS = ("f1_hz", "f2_hz")
# Where categories of the published cues start, in ms, and the rate that suits them (Allen and Miller, 1999).
_STARTS = {"vot_ms": (40.0, 30.0, 1.0), "vowel_ms": (180.0, 45.0, 10.0)}


class Tokens(NamedTuple):
    """What learners draw from: a mixture or rows, in units in which ``center`` is 0 and ``scale`` 1."""

    source: Any
    cues: tuple[str, ...]
    center: NDArray[Any]
    scale: NDArray[Any]
    settings: dict[str, Any]


@click.command()
@click.argument("source", metavar="vot|vowels|FILE")
@click.option(
    "--cues",
    type=_options.Columns(),
    help="By default vot_ms, f1_hz and f2_hz, or all columns of FILE.",
)
@click.option("--measured", is_flag=True, help="vot: draw the 589 measured tokens, not Gaussian ones.")
@click.option("--learners", type=click.IntRange(min=1), default=50, show_default=True, help="How many.")
@click.option(
    "--tokens", type=click.IntRange(min=1), default=100_000, show_default=True, help="For each learner."
)
@click.option("--categories", type=click.IntRange(min=1), default=20, show_default=True, help="At the start.")
@click.option("--no-competition", is_flag=True, help="Raise every category's weight, not the winner's alone.")
@click.option(
    "--threshold",
    type=click.FloatRange(0, 1, max_open=True),
    default=0.05,
    show_default=True,
    help="Categories with a larger weight survive.",
)
@click.option("--seed", type=click.IntRange(min=0), default=0, show_default=True, help="Random seed.")
@click.option(
    "--output", "-o", type=click.Path(file_okay=False), help="A folder for summary.json and figures."
)
@_options.as_json
def simulate(
    source: str,
    cues: tuple[str, ...] | None,
    measured: bool,
    learners: int,
    tokens: int,
    categories: int,
    no_competition: bool,
    threshold: float,
    seed: int,
    output: str | None,
    as_json: bool,
) -> None:
    """Let many learners find categories, one token at a time.

    Tokens are stops with the published statistics of English (vot), the vowels of Hillenbrand and others
    (vowels), or the rows of FILE in random order. With -o figures are drawn, which takes matplotlib.
    """
    from streamgmm import category_learning

    if measured and source != "vot":
        raise click.UsageError("--measured belongs to vot: vowels and files are always measured tokens")
    if output is not None:
        from streamgmm.plots._inputs import require_matplotlib

        from . import _figures

        require_matplotlib("figures (-o)")
    stream = _tokens(source, cues, measured)
    run = category_learning.simulate(
        stream.source,
        n_learners=learners,
        n_tokens=tokens,
        record_every=max(1, tokens // 50),
        random_state=seed,
        n_categories=categories,
        competition=not no_competition,
        survival_threshold=threshold,
        **stream.settings,
    )
    told = _told(run, stream)
    if output is not None:
        folder = Path(output)
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "summary.json").write_text(json.dumps(told, indent=2) + "\n", encoding="utf-8")
        told["figures"] = [str(path) for path in _figures.draw(run, stream, folder)]
    write_lines([to_json(told)] if as_json else map(printable, _lines(told)))


def _tokens(source: str, cues: tuple[str, ...] | None, measured: bool) -> Tokens:
    """Return what the learners draw from, and the settings that suit it."""
    import numpy as np

    from streamgmm import datasets

    if source == "vot" and not measured:
        cues = cues or ("vot_ms",)
        return _stops(datasets.phonetic_categories(cues), cues)
    if source in ("vot", "vowels"):
        data = datasets.load_vot() if source == "vot" else datasets.load_vowels("hillenbrand")
        cues = cues or (("vot_ms",) if source == "vot" else _VOWELS)
        unknown = [cue for cue in cues if cue not in data.feature_names]
        if unknown:
            raise ValueError(
                f"--cues: {source} has {', '.join(data.feature_names)}, got {', '.join(unknown)}"
            )
        X = data.data[:, [data.feature_names.index(cue) for cue in cues]]
        if set(cues) <= set(_STARTS):
            return _stops(X, cues)
    else:
        from streamgmm.sources import open_source

        file = open_source([source], columns=cues)
        cues = tuple(file.names)
        X = np.concatenate([np.empty((0, len(cues))), *(np.asarray(b.rows) for b in file.batches())])
    if len(X) < 2 or not (X.std(axis=0) > 0).all():
        raise ValueError(f"{source}: every cue must vary over at least two tokens")
    center, scale = X.mean(axis=0), X.std(axis=0)
    covariance = "1-d" if len(cues) == 1 else "full"
    settings = {"covariance": covariance, "initial_means": (0.0, 1.0)}
    return Tokens((X - center) / scale, cues, center, scale, settings)


def _stops(source: Any, cues: tuple[str, ...]) -> Tokens:
    """Return tokens in ms, with the published models' settings."""
    import numpy as np

    means, sds, rates = zip(*(_STARTS[cue] for cue in cues), strict=True)
    settings: dict[str, Any] = {"initial_means": (means, sds)}
    if len(cues) == 1:
        settings |= {"rate_mean": rates[0], "rate_sd": rates[0]}
    else:
        settings["covariance"] = "bivariate"
    return Tokens(source, cues, np.zeros(len(cues)), np.ones(len(cues)), settings)


def _told(run: Simulation, stream: Tokens) -> dict[str, Any]:
    """Return the summary as JSON holds it, in the cues' units."""
    from streamgmm.category_learning import cue_weights

    learners = []
    for learner, reached in zip(run.learners, run.reached.tolist(), strict=True):
        alive = learner.survivors_
        learners.append(
            {
                "n_categories": len(alive),
                "reached": reached,
                "weights": learner.weights_[alive].tolist(),
                "means": (learner.means_[alive] * stream.scale + stream.center).tolist(),
                "sds": (learner.sds_[alive] * stream.scale).tolist(),
                "cue_weights": cue_weights(learner).tolist() if len(alive) > 1 else None,
            }
        )
    return {
        "cues": list(stream.cues),
        "n_tokens": run.n_tokens,
        "n_learners": len(learners),
        "counts": {str(count): n for count, n in run.counts.items()},
        "n_guarded": run.n_guarded,
        "n_refused": run.n_refused,
        "learners": learners,
    }


def _lines(told: dict[str, Any]) -> list[str]:
    """Return the summary for people."""
    import numpy as np

    lines = [f"{told['n_learners']} learners, {told['n_tokens']:,} tokens each of {', '.join(told['cues'])}"]
    for count, n in told["counts"].items():
        these = [one for one in told["learners"] if one["n_categories"] == int(count)]
        since = np.median([one["reached"] for one in these])
        lines.append(f"{n} end with {count} categories, half of them by token {since:,.0f}")
        if count == "0":
            continue
        if (
            len(told["cues"]) > 1 and n > 1
        ):  # an average over learners whose categories lie elsewhere misleads
            lines.append("  one of them:")
            these = these[:1]
        weights, means, sds = (
            np.mean([one[key] for one in these], axis=0) for key in ("weights", "means", "sds")
        )
        for k in range(int(count)):
            numbers = ", ".join(
                f"{cue} {mean:.4g} ({sd:.3g})"
                for cue, mean, sd in zip(told["cues"], means[k], sds[k], strict=True)
            )
            lines.append(f"  weight {weights[k]:.3f}, mean (sd) {numbers}")
        if len(told["cues"]) > 1 and these[0]["cue_weights"] is not None:
            cue = np.mean([one["cue_weights"] for one in these], axis=0)
            shown = (f"{name} {w:.3f}" for name, w in zip(told["cues"], cue, strict=True))
            lines.append(f"  cue weights: {', '.join(shown)}")
    lines.append(f"{told['n_guarded']} steps shortened, {told['n_refused']} tokens refused")
    return lines + [f"wrote {path}" for path in told.get("figures", ())]
