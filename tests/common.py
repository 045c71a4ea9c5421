"""What tests of rules share: mixtures to learn from, and what must hold of every mixture."""

from __future__ import annotations

import numba
import numpy as np
import pytest

import naive
from streamgmm import Mixture, covariance, priors
from streamgmm.fit.stream import Learner

NO_WEIGHTS = np.empty(0)

# The uncompiled run is there for indices past the end of an array, which short tests find. These take
# thousands of updates or rows, hours in plain Python, and find nothing more there; compiled, none is skipped.
long_without_compilation = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="thousands of updates: only the compiled run takes them"
)


def parameters_of(mixture):
    """Return the mixture as the oracle takes it."""
    return naive.Parameters(mixture.weights, mixture.means, mixture.covariances, mixture.covariance_type)


def start(kind, n_components=3, n_features=3, seed=0, n_samples=40, spread=1.0):
    """Return a mixture, and rows from another one, so that there is something to learn."""
    rng = np.random.default_rng(seed)
    parameters = naive.random_parameters(rng, kind, n_components, n_features, spread)
    X = naive.draw(rng, naive.random_parameters(rng, kind, n_components, n_features, spread), n_samples)
    return parameters, Mixture(*parameters), X


def options_of(kind, n_components, n_features, floor=0.0, prior=None):
    """Return regularization and prior."""
    return priors.options(covariance.get(kind), n_components, n_features, floor, prior)


def learner_of(rule, mixture, *, n_rows=0.0, batch_size=1, options=None, floor=0.0, prior=None):
    """Return a learner at its start."""
    if options is None:
        options = options_of(mixture.covariance_type, mixture.n_components, mixture.n_features, floor, prior)
    return Learner.start(rule, mixture, n_rows=n_rows, batch_size=batch_size, options=options)


def assert_mixtures_close(actual, expected, rtol=1e-9, atol=1e-11):
    """Compare weights, means and covariances."""
    np.testing.assert_allclose(actual.weights, expected.weights, rtol=rtol, atol=atol)
    np.testing.assert_allclose(actual.means, expected.means, rtol=rtol, atol=atol)
    np.testing.assert_allclose(actual.covariances, expected.covariances, rtol=rtol, atol=atol)


def assert_valid(mixture, X=None):
    """Check all that a mixture promises, and that it gives rows, and its own means, a density."""
    assert np.isfinite(mixture.means).all()
    assert np.isfinite(mixture.factor).all()
    assert not np.isnan(mixture.log_weights).any()
    assert abs(mixture.weights.sum() - 1.0) < 1e-9
    assert mixture.kind.fault(mixture.factor) is None
    form = mixture.kernel_form()
    assert not np.isnan(form.offset).any()  # minus infinity where a weight is zero
    for array in (form.means, form.scale):
        assert np.isfinite(array).all()
    for rows in (mixture.means, X):
        if rows is not None:
            assert np.isfinite(mixture.log_prob(rows)).all()
