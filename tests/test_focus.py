"""A sample that keeps the few: its weights are right in expectation, and a fit to it finds far rows."""

from __future__ import annotations

import numpy as np
import pytest
from scipy.special import logsumexp
from scipy.stats import multivariate_normal
from sklearn.mixture import GaussianMixture as Other

from streamgmm import GaussianMixture, Mixture, covariance, priors
from streamgmm.fit import focus as module
from streamgmm.fit.batch import fit_em
from streamgmm.fit.focus import Focus, Measure
from streamgmm.fit.rows import SAMPLE, WHOLE, rows_of
from streamgmm.fit.start.clusters import Sample
from streamgmm.fit.start.far import far_rows
from streamgmm.fit.start.far import with_far as with_component

BULK = Mixture([0.5, 0.5], [[-2.0, 0.0], [2.0, 0.0]], [np.eye(2)] * 2)


def with_far(n_samples, few, distance, place="together", seed=0):
    """Return rows of `BULK`, a few far ones among them, and which these are."""
    X, labels = BULK.sample(n_samples, random_state=seed)
    rng = np.random.default_rng(seed)
    angles = rng.uniform(0, 2 * np.pi, few) if place == "scattered" else np.full(few, 0.7)
    far = rng.choice(n_samples, few, replace=False)
    X[far] = distance * np.column_stack([np.cos(angles), np.sin(angles)]) + rng.normal(size=(few, 2))
    labels[far] = 2
    return X, labels


def kept_by_definition(draws, sizes, bound):
    """Return which rows are among the smallest draw / size by either size."""
    kept = np.zeros(len(draws), dtype=bool)
    for size in sizes.T:
        ranks = np.array([u / s if s > 0 else np.inf for u, s in zip(draws, size, strict=True)])
        kept[[i for i in np.argsort(ranks)[:bound] if ranks[i] < np.inf]] = True
    return kept


def sizes_of_all_kinds(rng, n):
    """Return sizes of which some are nothing and some overwhelming."""
    sizes = np.exp(rng.normal(0.0, 2.0, size=(n, 2)))
    sizes[rng.random(n) < 0.5, 1] = 0.0
    sizes[rng.integers(n), 1] = 1e12
    return sizes


# --- weights -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("bound", [1, 5, 40, 70])
def test_a_weight_is_one_over_the_probability_of_being_kept(monkeypatch, bound):
    """The other draws held, a row is kept up to the draw that is its probability, and not beyond."""
    rng = np.random.default_rng(bound)
    sizes, weights = sizes_of_all_kinds(rng, 60), rng.uniform(0.5, 3.0, 60)
    for _ in range(5):
        draws = rng.random(60)
        monkeypatch.setattr(module, "draws_of", lambda seed, first, n, draws=draws: draws[first : first + n])
        number = np.arange(60.0)[:, np.newaxis]
        whole = Focus(bound).add(number, weights, sizes).sample()
        parts = Focus(bound)
        for part in np.array_split(np.arange(60), 7):
            parts = parts.add(number[part], weights[part], sizes[part])
        for one, other in zip(parts.sample(), whole, strict=True):
            np.testing.assert_array_equal(one, other)
        kept = whole[0].ravel().astype(int)
        np.testing.assert_array_equal(kept, np.flatnonzero(kept_by_definition(draws, sizes, bound)))
        for i, p in zip(kept, weights[kept] / whole[1], strict=True):
            other = draws.copy()
            other[i] = p * (1 - 1e-12)
            assert kept_by_definition(other, sizes, bound)[i]
            other[i] = p * (1 + 1e-12)
            assert p == pytest.approx(1.0, rel=1e-15) or not kept_by_definition(other, sizes, bound)[i]


def test_each_row_has_its_weight_in_expectation():
    rng = np.random.default_rng(0)
    sizes, weights = sizes_of_all_kinds(rng, 20), rng.integers(0, 3, 20).astype(float)
    number, total = np.arange(20.0)[:, np.newaxis], np.zeros((4000, 20))
    for trial in range(len(total)):  # other places have other draws
        focus = Focus(6, n_seen=20 * trial).add(number, weights, sizes * weights[:, np.newaxis])
        rows, stands_for = focus.sample()
        total[trial, rows.ravel().astype(int)] = stands_for
    error = total.std(axis=0) / np.sqrt(len(total))
    assert (np.abs(total.mean(axis=0) - weights) <= 4.5 * error + 1e-12).all()
    assert (total[:, weights == 0] == 0).all()


def test_sizes_are_a_share_for_each_component_and_the_nats_that_lack():
    means, weights = np.array([[-2.0, 0.0], [2.0, 0.0], [60.0, 0.0]]), np.array([0.9, 0.1 - 1e-9, 1e-9])
    mixture = Mixture(weights, means, [np.eye(2)] * 3)
    X = np.concatenate([BULK.sample(3000, random_state=0)[0], [[60.0, 0.0], [500.0, 0.0]]])
    logs = np.array([multivariate_normal(mean, np.eye(2)).logpdf(X) for mean in means])
    log_prob = logsumexp(logs, axis=0, b=weights[:, np.newaxis])
    measure = Measure.of(mixture, X[:3000])
    assert measure.bar == pytest.approx(np.quantile(log_prob[:3000], 0.05))
    ratio = np.exp(logsumexp(logs, axis=0, b=1 / 3) - log_prob)
    assert ratio.max() > 1e8
    own = np.random.default_rng(0).uniform(0.5, 2.0, len(X))
    for given, factor in ((np.empty(0), 1.0), (own, own)):
        share, lack = measure.sizes(X, given).T
        np.testing.assert_allclose(share, factor * (1 + np.minimum(ratio, 3000 / 3)))  # as if it had a row
        np.testing.assert_allclose(lack, factor * np.maximum(measure.bar - log_prob, 0.0), atol=1e-12)


# --- rows of any kind --------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", [np.float64, np.float32])
@pytest.mark.parametrize("weighted", [False, True])
def test_the_sample_does_not_depend_on_batches_or_threads(tmp_path, dtype, weighted):
    X = with_far(2 * WHOLE + 1000, 30, 100.0)[0].astype(dtype)
    weights = np.random.default_rng(1).integers(0, 3, len(X)).astype(float) if weighted else None
    np.save(tmp_path / "x.npy", X)
    whole = rows_of(X, weights).focused(BULK, n_threads=1)
    assert whole.dtype == dtype
    assert SAMPLE // 2 <= whole.n_samples <= SAMPLE
    for given, n_threads in (
        (X, 3),
        (lambda: np.array_split(X, 11), 1),
        (lambda: np.array_split(X, 1000), 2),
        (tmp_path / "x.npy", 2),
    ):
        other = rows_of(given, weights).focused(BULK, n_threads=n_threads)
        np.testing.assert_array_equal(other.X, whole.X)
        np.testing.assert_array_equal(other.weights, whole.weights)


def test_rows_without_weight_are_never_kept():
    X, labels = with_far(WHOLE + 2000, 30, 1e3)
    weights = (labels != 2).astype(float)
    for keeps_zeros in (False, True):
        focused = rows_of(X, weights, keeps_zeros=keeps_zeros).focused(BULK)
        assert np.abs(focused.X).max() < 100.0
        assert (focused.weights > 0).all()


def test_few_rows_are_all_kept():
    X, _ = BULK.sample(1000, random_state=0)
    focused = rows_of(X).focused(BULK)
    assert focused.X is X
    assert not len(focused.weights)


def test_huge_and_tiny_numbers_have_finite_weights():
    X, _ = with_far(WHOLE + 2000, 5, 1e150)
    tiny = Mixture([0.5, 0.5], BULK.means, [1e-10 * np.eye(2)] * 2)
    for mixture in (BULK, tiny):
        for scale in (1e-250, 1.0, 1e90):
            focused = rows_of(X, np.full(len(X), scale)).focused(mixture)
            far = np.abs(focused.X).max(axis=1) > 1e100
            assert np.isfinite(focused.weights).all()
            np.testing.assert_allclose(focused.weights[far], np.full(5, scale))
            assert focused.weights.sum() == pytest.approx(scale * len(X), rel=0.1)


# --- what is kept ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("n_samples", [100_000, 1_000_000])
def test_one_row_does_not_mask_others(n_samples):
    X, _ = with_far(n_samples, 5, 30.0)
    X[0] = 1e5
    X[1:21] = 1e4
    focused = rows_of(X).focused(BULK)
    far = np.abs(focused.X).max(axis=1) > 15.0
    np.testing.assert_array_equal(focused.weights[far], np.ones(26))


def test_a_poorly_explained_region_and_a_small_component_get_more_rows():
    n_samples, few = 200_000, 200
    X, labels = with_far(n_samples, few, 9.0)
    center = 9.0 * np.array([np.cos(0.7), np.sin(0.7)])
    tight = center + (X - center) * np.where(labels == 2, 1e-2, 1.0)[:, np.newaxis]  # likelier than the bulk
    small = Mixture([0.4995, 0.4995, 0.001], [*BULK.means, center], [np.eye(2), np.eye(2), 1e-4 * np.eye(2)])
    for mixture, rows in ((BULK, X), (small, tight)):
        focused = rows_of(rows).focused(mixture)
        near = np.linalg.norm(focused.X - center, axis=1) < 3.0
        assert np.count_nonzero(near) > 10 * SAMPLE * few / n_samples
        assert focused.weights[near].sum() == pytest.approx(few, rel=0.1)
        assert focused.weights.sum() == pytest.approx(n_samples, rel=0.03)


def test_many_unexplained_rows_leave_room_for_the_others():
    X, _ = with_far(200_000, 40_000, 1e5)
    focused = rows_of(X).focused(BULK)
    far = np.abs(focused.X).max(axis=1) > 100.0
    assert np.count_nonzero(~far) > SAMPLE / 4
    assert focused.weights[~far].sum() == pytest.approx(160_000, rel=0.05)
    assert focused.weights[far].sum() == pytest.approx(40_000, rel=0.05)


# --- to the end --------------------------------------------------------------------------------------------


def score_of_labels(X, labels):
    """Return the mean log-likelihood of the Gaussians that the labels say, by SciPy."""
    joint = [
        np.log(len(part) / len(X))
        + multivariate_normal(part.mean(axis=0), np.cov(part.T, bias=True) + 1e-6 * np.eye(2)).logpdf(X)
        if len(part) > 1
        else np.log(1 / len(X)) + multivariate_normal(part[0], 1e-6 * np.eye(2)).logpdf(X)
        for part in (X[labels == k] for k in np.unique(labels))
    ]
    return logsumexp(joint, axis=0).mean()


@pytest.mark.parametrize("place", ["together", "scattered"])
@pytest.mark.parametrize(("few", "distance"), [(1, 30), (1, 1e3), (5, 30), (5, 1e3), (20, 100), (20, 1e5)])
def test_a_fit_finds_the_few(few, distance, place):
    X, labels = with_far(100_000, few, distance, place)
    model = GaussianMixture(3, random_state=0).fit(X)
    assert model.score(X) > score_of_labels(X, labels) - 0.01


@pytest.mark.parametrize("seed", range(3))
def test_a_fit_to_fewer_rows_finds_the_few_too(seed):
    X, labels = with_far(5000, 5, 1e3, "scattered")
    assert GaussianMixture(3, random_state=seed).fit(X).score(X) > score_of_labels(X, labels) - 0.01


def test_a_fit_is_as_good_as_that_to_all_rows():
    X, _ = with_far(100_000, 5, 1e3)
    ours = GaussianMixture(3, random_state=0).fit(X)
    assert ours.score(X) > Other(3, random_state=0).fit(X).score(X) - 0.01


@pytest.mark.parametrize("covariance_type", ["full", "tied", "diag", "spherical"])
def test_a_start_for_far_rows_makes_them_one_component(covariance_type):
    X, labels = with_far(20_000, 20, 1e3, "scattered")
    kind = covariance.get(covariance_type)
    factor = kind.from_variances(np.ones((2, 2)))
    near = Mixture.from_factor(np.log([0.5, 0.5]), BULK.means, factor, covariance_type)
    options = priors.options(kind, 2, 2, 1e-6, None)
    bulk = X[labels < 2]
    mixture = fit_em(near, bulk, options=options, tol=1e-3, max_iter=10).mixture
    far = far_rows(mixture, Sample(X, np.empty(0)), len(X))
    np.testing.assert_array_equal(far, labels == 2)
    rest, few = (Sample(X[mask], np.empty(0)) for mask in (~far, far))
    start = with_component(mixture, rest, few)
    assert start.covariance_type == covariance_type
    np.testing.assert_allclose(start.means[2], X[labels == 2].mean(axis=0))
    np.testing.assert_allclose(start.weights[2], 1e-3)
    widths = np.sqrt(X[~far].var(axis=0) + X[far].var(axis=0))
    expected = {"tied": start.standard_deviations[0], "spherical": np.sqrt(np.square(widths).mean())}
    np.testing.assert_allclose(start.standard_deviations[2], expected.get(covariance_type, widths))
    assert not far_rows(mixture, rest, len(rest.X)).any()
