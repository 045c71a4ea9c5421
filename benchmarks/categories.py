"""Categories of speech sounds, learned from their distributions: ``python benchmarks/categories.py``.

What the learners of `streamgmm.category_learning` end with, beside what was published or asked for: voice
onset time with and without competition, vowel length, cue weights and integration, measured tokens, vowels of
several cues, the weights' rate with two cues, and the time of 200 learners. ``--quick`` uses fewer learners.
"""

from __future__ import annotations

import argparse
import os
import time
from collections import Counter

import numpy as np

from streamgmm import datasets
from streamgmm.category_learning import (
    CategoryLearner,
    CueIntegration,
    OnlineMixtureEstimation,
    cue_weights,
    simulate,
    weights_from_categories,
)

CUES = ["vot_ms", "vowel_ms"]
# K = 20, means ~ N(40, 30^2), s0 = 3, floor 0.3, rates 1, 1 and 0.001, survivors phi > 0.05
VOT = {"initial_means": (40.0, 30.0), "initial_sd": 3.0, "sd_floor": 0.3, "rate_mean": 1.0, "rate_sd": 1.0}
VOWEL = {**VOT, "initial_means": (180.0, 45.0), "rate_mean": 10.0, "rate_sd": 10.0}
VOWEL_CUES = (["f1_hz", "f2_hz", "dur_ms"], ["f1_hz", "f2_hz", "f3_hz", "dur_ms"])


def row(check: str, asked: str, measured: str) -> None:
    print(f"{check:<46} {asked:<34} {measured}", flush=True)


def one_cue(n: int) -> None:
    vot = datasets.phonetic_categories(["vot_ms"])
    learned = simulate(vot, n_learners=n, n_tokens=60_000, random_state=0, **VOT)
    row("VOT, competition", "38 of 40 end with two", f"{learned.counts.get(2, 0)} of {n}; {learned.counts}")
    _, means, sds = learned.categories(2)
    off = np.abs(means[:, :, 0] - vot.means[:, 0]).max(), np.abs(sds[:, :, 0] - [7.1, 18.7]).max()
    row("  largest error of a mean, of an sd (ms)", "3, 2", f"{off[0]:.2f}, {off[1]:.2f}")
    row("  tokens until two, median", "", f"{np.median(learned.reached):.0f}")
    learned = simulate(vot, n_learners=n, n_tokens=60_000, random_state=0, competition=False, **VOT)
    row(
        "VOT, no competition",
        "at most 2 of 40 with two",
        f"{learned.counts.get(2, 0)} of {n}; {learned.counts}",
    )
    vowel = datasets.phonetic_categories(["vowel_ms"])
    learned = simulate(vowel, n_learners=n, n_tokens=60_000, random_state=0, **VOWEL)
    row("vowel length", "36 of 40 with one", f"{learned.counts.get(1, 0)} of {n}; {learned.counts}")


def two_cues(n: int) -> None:
    """Cue weights, and how often each model's categories agree with the tokens' voicing."""
    truth = datasets.phonetic_categories(CUES)
    X, voicing = truth.sample(60_000, 0)
    sds = np.sqrt(truth.covariances)
    ideal = weights_from_categories([(truth.weights, truth.means[:, i], sds[:, i]) for i in range(2)])
    row("cue weights, ideal observer", ".993 .007", " ".join(f"{w:.3f}" for w in ideal))
    weights, found, agreement = [], Counter(), []
    for seed in range(n):
        cues = [CategoryLearner(random_state=seed, **VOT), CategoryLearner(random_state=seed, **VOWEL)]
        model = CueIntegration(cues).learn(X)
        weights.append(model.weights_[0])
        found[len(model.combined.survivors_)] += 1
        agreement.append(agree(model.identify(X), voicing))
    row(f"cue weight of VOT, {n} CueIntegrations", "above .95", f"{min(weights):.3f} to {max(weights):.3f}")
    row("  categories of the combined dimension", "", f"{dict(found)}; agreement {np.mean(agreement):.4f}")
    start = {"initial_means": ((40.0, 180.0), (30.0, 45.0)), "covariance": "bivariate"}
    learned = simulate(truth, n_learners=n, n_tokens=60_000, random_state=0, **start)
    several = [one for one in learned.learners if len(one.survivors_) > 1]
    weights = [cue_weights(one)[0] for one in several]
    agreement = [agree(one.identify(X), voicing) for one in several]
    row("cue weight of VOT, bivariate model", "above .95", f"{min(weights):.3f} to {max(weights):.3f}")
    row("  categories", "", f"{learned.counts}; agreement {np.mean(agreement):.4f}")
    row("  agreement of the true mixture", "", f"{np.mean(truth.predict(X) == voicing):.4f}")


def bivariate_rates(n: int) -> None:
    """How many bivariate learners end with two categories, by the rate of the weights; .005 is the default."""
    truth = datasets.phonetic_categories(CUES)
    start = {"initial_means": ((40.0, 180.0), (30.0, 45.0)), "covariance": "bivariate"}
    for means in (2.5, 2.0, 1.5):  # 2 is the default for these cues
        for weights, asked in ((0.003, "73"), (0.005, "99")):
            learned = simulate(
                truth,
                n_learners=n,
                n_tokens=100_000,
                record_every=20_000,
                random_state=0,
                rate_weight=weights,
                rate_mean=means,
                rate_sd=means,
                **start,
            )
            sooner = Counter(int((one.trajectory_.weights[3] > 0.05).sum()) for one in learned.learners)
            row(
                f"bivariate, rates {means}, of weights {weights}",
                f"{asked} of 100 end with two",
                f"{learned.counts.get(2, 0)} of {n}; {learned.counts}; after 60 000 {dict(sorted(sooner.items()))}",
            )


def agree(posterior: np.ndarray, labels: np.ndarray) -> float:
    """Return how many tokens have the label that most tokens of their category have."""
    named = posterior.argmax(axis=1)
    return sum(max(Counter(labels[named == k].tolist()).values()) for k in set(named.tolist())) / len(labels)


def measured_tokens(n: int) -> None:
    stops = datasets.load_vot()
    vot = stops.data[:, :1]
    learned = simulate(vot, n_learners=n, n_tokens=60_000, random_state=0, **VOT)
    agreement = [agree(one.identify(vot), stops.target) for one in learned.learners]
    row(f"the 589 measured tokens, {n} learners", "survivors reported", str(learned.counts))
    row(
        "  agreement with voicing, least and mean",
        "above .95",
        f"{min(agreement):.4f}, {np.mean(agreement):.4f}",
    )


def pairwise_f(named: np.ndarray, labels: np.ndarray) -> float:
    """Return F of the pairs of tokens in one category, against pairs of one label."""

    def pairs(counts: Counter) -> float:
        return sum(count * (count - 1) / 2 for count in counts.values())

    both = pairs(Counter(zip(named.tolist(), labels.tolist(), strict=True)))
    return 2 * both / (pairs(Counter(named.tolist())) + pairs(Counter(labels.tolist())))


def vowels(n: int) -> None:
    data = datasets.load_vowels("hillenbrand")
    start = {"initial_means": (0.0, 1.0), "n_categories": 30, "survival_threshold": 0.01}
    for cues in VOWEL_CUES:
        X = data.data[:, [data.feature_names.index(cue) for cue in cues]]
        X = (X - X.mean(axis=0)) / X.std(axis=0)
        for name, settings in (
            ("full", {"covariance": "full", **start}),
            ("diag", {"covariance": "diag", **start}),
            ("OME", {"learner": OnlineMixtureEstimation, "rate": 0.01, "rate_weight": 0.002}),
        ):
            learned = simulate(X, n_learners=n, n_tokens=60_000, random_state=0, **settings)
            assert all(
                np.isfinite(one.means_).all() and np.isfinite(one.sds_).all() for one in learned.learners
            )
            f = [pairwise_f(one.identify(X).argmax(axis=1), data.target) for one in learned.learners]
            row(
                f"Hillenbrand, {len(cues)} cues, {name}, {n} learners",
                "no failure; found, F reported",
                f"{learned.counts}; F {np.mean(f):.3f}; {learned.n_guarded} shortened, "
                f"{learned.n_refused} refused",
            )


def speed() -> None:
    vot = datasets.phonetic_categories(["vot_ms"])
    simulate(vot, n_learners=2, n_tokens=1000, random_state=0, **VOT)  # compile
    clock, cpu = time.perf_counter(), time.process_time()
    simulate(vot, n_learners=200, n_tokens=60_000, random_state=0, **VOT)
    wall, used = time.perf_counter() - clock, time.process_time() - cpu
    cores = len(os.sched_getaffinity(0))
    row(
        "200 learners, 60 000 tokens, K = 20",
        "15 s on 2 cores",
        f"{wall:.1f} s on {cores}, {used:.1f} s of CPU",
    )


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    n = 8 if parser.parse_args().quick else 40
    print(f"{'check':<46} {'asked':<34} measured")
    one_cue(n)
    two_cues(n if n < 20 else 20)
    bivariate_rates(n if n < 20 else 100)
    measured_tokens(n)
    vowels(n if n < 20 else 50)
    speed()
