"""Slow, readable oracle of the numerical core, in plain NumPy, written from the formulas.

Every covariance type is treated as dense matrices; nothing is blocked, packed, factored or updated in place.
Moments are raw, about zero, which is accurate as long as the rows lie near zero: the tests see to that.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class Parameters(NamedTuple):
    """A mixture as users write it; ``covariances`` has the shape of its type."""

    weights: np.ndarray
    means: np.ndarray
    covariances: np.ndarray
    covariance_type: str


class Moments(NamedTuple):
    """Sums over rows of weight times responsibility times 1, (x - origin), (x - origin)(x - origin)'."""

    weight: float
    log_likelihood: float
    nk: np.ndarray
    s1: np.ndarray
    s2: np.ndarray


# --- examples to test with ---------------------------------------------------------------------------------


def random_parameters(rng, covariance_type, n_components, n_features, spread=2.0):
    """Return components that overlap; variances are about 1 but never equal to 1."""
    weights = rng.dirichlet(np.full(n_components, 5.0))
    means = spread * rng.standard_normal((n_components, n_features))
    roots = rng.standard_normal((n_components, n_features, n_features + 2)) / np.sqrt(n_features + 2)
    sizes = np.exp(0.5 * rng.standard_normal(n_components))
    matrices = np.array([s * (a @ a.T + 0.3 * np.eye(n_features)) for s, a in zip(sizes, roots, strict=True)])
    return Parameters(weights, means, restrict(matrices, covariance_type), covariance_type)


def restrict(matrices, covariance_type):
    """Return something like these matrices that the covariance type can express."""
    if covariance_type == "full":
        return matrices
    if covariance_type == "tied":
        return matrices[0]
    variances = np.array([np.diag(matrix) for matrix in matrices])
    if covariance_type == "diag":
        return variances
    return variances.mean(axis=1)


def draw(rng, parameters, n_samples):
    """Return rows (n_samples, n_features) of the mixture."""
    labels = rng.choice(len(parameters.weights), size=n_samples, p=parameters.weights)
    roots = np.linalg.cholesky(dense(parameters))
    normal = rng.standard_normal((n_samples, parameters.means.shape[1]))
    return parameters.means[labels] + np.einsum("iab,ib->ia", roots[labels], normal)


# --- densities ---------------------------------------------------------------------------------------------


def dense(parameters):
    """Return the covariance matrix of each component (n_components, n_features, n_features)."""
    n_components, n_features = parameters.means.shape
    covariances = np.asarray(parameters.covariances, dtype=float)
    if parameters.covariance_type == "full":
        return covariances
    if parameters.covariance_type == "tied":
        return np.array([covariances] * n_components)
    if parameters.covariance_type == "diag":
        return np.array([np.diag(variances) for variances in covariances])
    return np.array([variance * np.eye(n_features) for variance in covariances])


def log_joint(parameters, X):
    """Return log(weight_k N(x_i; mean_k, S_k)), (n_samples, n_components)."""
    X = np.asarray(X, dtype=float)
    columns = []
    for weight, mean, S in zip(parameters.weights, parameters.means, dense(parameters), strict=True):
        d = X - mean
        quadratic = np.sum(d * np.linalg.solve(S, d.T).T, axis=1)
        log_det = np.linalg.slogdet(2 * np.pi * S)[1]
        columns.append(np.log(weight) - 0.5 * (log_det + quadratic))
    return np.array(columns).T.reshape(len(X), len(columns))


def log_prob(parameters, X):
    """Return log p(x) of each row."""
    return np.logaddexp.reduce(log_joint(parameters, X), axis=1)


def responsibilities(parameters, X):
    """Return p(component | row)."""
    joint = log_joint(parameters, X)
    return np.exp(joint - np.logaddexp.reduce(joint, axis=1)[:, np.newaxis])


def log_likelihood(parameters, X, sample_weight=None):
    """Return the weighted sum of the log densities."""
    w = np.ones(len(X)) if sample_weight is None else sample_weight
    return float(np.sum(w * log_prob(parameters, X)))


# --- statistics --------------------------------------------------------------------------------------------


def statistics(parameters, X, sample_weight=None, origin=None):
    """Return the moments about ``origin``, by default the means; s2 is always dense."""
    X = np.asarray(X, dtype=float)
    w = np.ones(len(X)) if sample_weight is None else np.asarray(sample_weight, dtype=float)
    origin = parameters.means if origin is None else origin
    resp = w[:, np.newaxis] * responsibilities(parameters, X)
    s1, s2 = [], []
    for k, center in enumerate(origin):
        d = X - center
        s1.append(resp[:, k] @ d)
        s2.append((resp[:, k, np.newaxis] * d).T @ d)
    return Moments(w.sum(), log_likelihood(parameters, X, w), resp.sum(axis=0), np.array(s1), np.array(s2))


def second_moments(s2, covariance_type):
    """Return dense second moments in the shape that `Statistics.s2` has."""
    if covariance_type in ("full", "tied"):
        return s2
    return np.array([np.diag(matrix) for matrix in s2])


def raw_moments(parameters, X, sample_weight=None):
    """Return the moments about zero."""
    return statistics(parameters, X, sample_weight, origin=np.zeros_like(parameters.means))


# --- M-steps -----------------------------------------------------------------------------------------------


def m_step(moments, covariance_type, floor=0.0, prior=None):
    """Return the parameters that raw moments lead to.

    ``floor`` is added to each variance. With ``prior`` (a `ConjugatePrior`) it is the posterior mode
    of Fraley and Raftery (2007), else maximum likelihood.
    """
    nk, s1, s2 = moments.nk, moments.s1, moments.s2
    n_components, n_features = s1.shape
    floor = np.broadcast_to(floor, n_features)
    averages = s1 / nk[:, np.newaxis]
    scatters = [s2[k] - nk[k] * np.outer(averages[k], averages[k]) for k in range(n_components)]
    if prior is None:
        weights = nk / nk.sum()
        means = averages
        psi = np.zeros((n_features, n_features))
        extra = dict.fromkeys(("full", "tied", "diag", "spherical"), 0.0)
    else:
        weights = nk + (prior.concentration - 1)
        weights = weights / weights.sum()
        kappa, df, psi = prior.mean_count, prior.degrees_of_freedom, prior.scale
        means = (s1 + kappa * prior.mean) / (nk + kappa)[:, np.newaxis]
        for k in range(n_components):
            shift = averages[k] - prior.mean
            scatters[k] = scatters[k] + kappa * nk[k] / (kappa + nk[k]) * np.outer(shift, shift)
        extra = {
            "full": df + n_features + 2,
            "tied": df + n_features + 1 + n_components,
            "diag": df + 3,
            "spherical": df + n_features + 2,
        }
    more = extra[covariance_type]
    if covariance_type == "full":
        covariances = np.array([(psi + scatters[k]) / (nk[k] + more) for k in range(n_components)])
        covariances = covariances + np.diag(floor)
    elif covariance_type == "tied":
        covariances = (psi + sum(scatters)) / (nk.sum() + more) + np.diag(floor)
    elif covariance_type == "diag":
        covariances = np.array([np.diag(psi + scatters[k]) / (nk[k] + more) for k in range(n_components)])
        covariances = covariances + floor
    else:
        size = np.trace(psi) / n_features
        traces = np.array([np.trace(scatter) for scatter in scatters])
        covariances = (size + traces) / (nk * n_features + more) + floor.mean()
    return Parameters(weights, means, covariances, covariance_type)


def em_step(parameters, X, sample_weight=None, floor=0.0, prior=None):
    """Return the mixture after one step of EM."""
    return m_step(raw_moments(parameters, X, sample_weight), parameters.covariance_type, floor, prior)


class Online(NamedTuple):
    """Online EM on its way: averages of raw moments per row, the rows they stand for, and the mixture."""

    averages: Moments
    window: float
    parameters: Parameters


def online_start(parameters, n_rows=0.0):
    """Return the state whose averages are those that the mixture itself expects."""
    weights, means = parameters.weights, parameters.means
    outer = means[:, :, np.newaxis] * means[:, np.newaxis, :]
    s1 = weights[:, np.newaxis] * means
    s2 = weights[:, np.newaxis, np.newaxis] * (dense(parameters) + outer)
    return Online(Moments(1.0, 0.0, weights, s1, s2), n_rows or 1.0, parameters)


def online_em_step(state, X, step, sample_weight=None, floor=0.0, prior=None):
    """Return the state after s <- (1 - step) s + step s(mini-batch), then the M-step.

    The window is Kish's effective number of rows in a weighted average.
    """
    batch = raw_moments(state.parameters, X, sample_weight)
    old, total = state.averages, batch.weight
    nk = (1 - step) * old.nk + step * batch.nk / total
    s1 = (1 - step) * old.s1 + step * batch.s1 / total
    s2 = (1 - step) * old.s2 + step * batch.s2 / total
    window = 1 / ((1 - step) ** 2 / state.window + step**2 / total)
    counted = Moments(window, 0.0, window * nk, window * s1, window * s2)
    parameters = m_step(counted, state.parameters.covariance_type, floor, prior)
    return Online(Moments(1.0, 0.0, nk, s1, s2), window, parameters)


def power_decay(before, n, exponent, offset, scale=1.0, rows=256):
    """Return the step of n rows after so many others.

    Of each 256 rows g = (before / 256 + offset)^-exponent is learned, and 1 - g kept of the past: each row
    keeps the same share.
    """
    g = max(before / rows + offset, 1.0) ** -exponent
    kept_by_a_row = (1 - g) ** (1 / rows)
    return scale * (1 - kept_by_a_row**n)


def online_em_row(parameters, x, step):
    """Return weights, means and dense covariances of each component after one row.

    pi' = pi + g (r - pi);  h = g r / pi';  mu' = mu + h d;  S' = (1 - h) S + h (1 - h) d d'.
    """
    r = responsibilities(parameters, x[np.newaxis])[0]
    weights = parameters.weights + step * (r - parameters.weights)
    means, covariances = [], []
    for k, S in enumerate(dense(parameters)):
        h = step * r[k] / weights[k]
        d = x - parameters.means[k]
        means.append(parameters.means[k] + h * d)
        covariances.append((1 - h) * S + h * (1 - h) * np.outer(d, d))
    return weights, np.array(means), np.array(covariances)


# --- gradients ---------------------------------------------------------------------------------------------


def central_differences(function, theta, steps=(4e-4, 1e-4, 2e-5, 4e-6)):
    """Return the gradient of a scalar function by the five-point stencil, whose error is of order step^4.

    Of several steps, each entry takes the two that agree best: a large one is wrong where the function bends,
    a small one where it is rounded.
    """
    theta = np.asarray(theta, dtype=float)
    gradient = np.empty_like(theta)
    for index in range(len(theta)):

        def slope(h, index=index):
            def moved(multiple):
                there = theta.copy()
                there[index] += multiple * h
                return function(there)

            return (8 * (moved(1) - moved(-1)) - (moved(2) - moved(-2))) / (12 * h)

        slopes = np.array([slope(step * max(1.0, abs(theta[index]))) for step in steps])
        best = np.argmin(np.abs(np.diff(slopes)))
        gradient[index] = slopes[best + 1]
    return gradient


# --- categories of speech sounds ---------------------------------------------------------------------------


class Cues1(NamedTuple):
    """Categories of one cue."""

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray


class Cues2(NamedTuple):
    """Categories of two cues; means and sds have shape (n_categories, 2)."""

    weights: np.ndarray
    means: np.ndarray
    sds: np.ndarray
    correlations: np.ndarray


def raised_weights(weights, resp, rate, competition):
    """Return the weights after the winner, or everyone, was raised by rate * r / weight."""
    raised = weights.copy()
    for k in range(len(weights)):
        if not competition or k == np.argmax(resp):
            raised[k] = weights[k] + rate * resp[k] / weights[k]
    return raised / raised.sum()


def category_step_1(now, x, rate_mean, rate_sd, rate_weight, competition=True, sd_floor=0.0):
    """Return the categories of one cue after a token (Toscano and McMurray, 2010)."""
    weights, means, s = now
    density = np.exp(-0.5 * ((x - means) / s) ** 2) / (s * np.sqrt(2 * np.pi))
    resp = weights * density / np.sum(weights * density)
    new_means = means + rate_mean * resp * (x - means) / s**2
    new_sds = s + rate_sd * resp * ((x - means) ** 2 / s**3 - 1 / s)
    return Cues1(
        raised_weights(weights, resp, rate_weight, competition), new_means, np.maximum(new_sds, sd_floor)
    )


def category_step_2(
    now, x, rate_mean, rate_sd, rate_correlation, rate_weight, competition=True, sd_floor=0.0
):
    """Return the categories of two cues after a token (Toscano and McMurray, 2010)."""
    weights, means, sds, c = now
    s_x, s_y = sds.T
    z_x, z_y = (x[0] - means[:, 0]) / s_x, (x[1] - means[:, 1]) / s_y
    rest = 1 - c**2
    exponent = -(z_x**2 - 2 * c * z_x * z_y + z_y**2) / (2 * rest)
    density = np.exp(exponent) / (2 * np.pi * s_x * s_y * np.sqrt(rest))
    r = weights * density / np.sum(weights * density)
    dmean_x = r / rest * (z_x / s_x - c * z_y / s_x)
    dmean_y = r / rest * (z_y / s_y - c * z_x / s_y)
    ds_x = r * (-1 / s_x + (z_x**2 - c * z_x * z_y) / (s_x * rest))
    ds_y = r * (-1 / s_y + (z_y**2 - c * z_x * z_y) / (s_y * rest))
    dc = r / rest * (c - (c * (z_x**2 + z_y**2) - (1 + c**2) * z_x * z_y) / rest)
    return Cues2(
        raised_weights(weights, r, rate_weight, competition),
        means + rate_mean * np.array([dmean_x, dmean_y]).T,
        np.maximum(sds + rate_sd * np.array([ds_x, ds_y]).T, sd_floor),
        c + rate_correlation * dc,
    )


def cue_weights(weights, means, sds):
    """Return the weights of cues; means and sds have shape (n_categories, n_cues)."""
    reliability = np.zeros(means.shape[1])
    for i in range(means.shape[1]):
        for m in range(len(weights)):
            for n in range(len(weights)):
                distance = (means[m, i] - means[n, i]) ** 2 / (sds[m, i] * sds[n, i])
                reliability[i] += weights[m] * weights[n] * distance
    return reliability / reliability.sum()
