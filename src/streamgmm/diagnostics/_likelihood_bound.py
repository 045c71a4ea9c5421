"""How far a density is from the best mixture of Gaussians that are no thinner than one of covariance I.

Every Gaussian with S >= I is an average of Gaussians with covariance I, with their means spread around its
own. So the directional derivative of the log-likelihood towards any of them is at most its maximum over
places with the covariance I, and that is a search in n_features dimensions, whatever the covariance type.
For fixed rows, the derivative plus one is itself the density of a mixture, at the place, with a component at
each row.
"""

from __future__ import annotations

import itertools

import numpy as np
from scipy.optimize import nnls

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

_ENOUGH = 1e-3  # nats a row
_ROUNDS, _WEIGHT_STEPS, _CLIMBS = 8, 3, 15
_STARTS, _MOST_PLACES = 25, 120
_EVALUATIONS = 2e8  # of a row at a place: about a second
_DISTANCE = 0.5  # between places that are worth telling apart


class Slope:
    """The directional derivative of a mean log-likelihood towards a Gaussian of covariance scale^2 I.

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
    log_ratio : ndarray of shape (n_samples,)
        Log of the rows' weights, which sum to one, less the log density to be improved.
    scale : float, default=1
    """

    def __init__(self, Z: Array, log_ratio: Array, scale: float = 1.0) -> None:
        self.Z = Z
        self.log_total = float(np.logaddexp.reduce(log_ratio))
        scales = np.full(len(Z), scale)
        self.rows = Mixture.from_factor(log_ratio - self.log_total, Z, scales, "spherical")
        self.scale = scale

    def log(self, places: Array) -> Array:
        """Return log(derivative + 1) at each place (n_places, n_features); 0 where nothing is gained."""
        log: Array = self.rows.log_prob(places) + self.log_total
        return log

    def climbed(self, places: Array, n_steps: int = _CLIMBS) -> Array:
        """Return the places after steps of mean shift, none of which goes down."""
        for _ in range(n_steps):
            places = self.rows.responsibilities(places) @ self.Z
        return places

    def peaks(self, n_places: int = _STARTS) -> Array:
        """Return local maxima (n, n_features), the highest first, climbed from the rows that are highest."""
        rest, height = self.Z, self.log(self.Z)
        starts: list[Array] = []
        while len(starts) < n_places and len(rest):
            starts.append(rest[height.argmax()])
            far = np.square(rest - starts[-1]).sum(axis=1) > (_DISTANCE * self.scale) ** 2
            rest, height = rest[far], height[far]
        places = self.climbed(np.array(starts))
        return apart(places[np.argsort(-self.log(places))], _DISTANCE * self.scale)

    def upper_bound(self, lower: float = -np.inf, *, enough: float = _ENOUGH) -> float:
        """Return what `log` exceeds nowhere, by branch and bound, ``enough`` above the maximum or better.

        Times exp(|place - center|^2 / 2), exp(log) is a sum of exponentials of the place, which is convex: in
        a cube with this side and center it is largest at a corner. So `log` is nowhere in the cube above its
        largest corner by more than n_features side^2 / 8. At a maximum the rows, weighted by
        responsibility, have a covariance of at most I, so that one of them is no farther than
        sqrt(n_features): only cubes so near to a row are looked at. If these get too many before the bound
        is as close as ``enough``, it is still one.
        """
        assert self.scale == 1.0
        n_features = self.Z.shape[1]
        side = 1.0 if n_features < 3 else 2.0
        corners = np.array(list(itertools.product((0, 1), repeat=n_features)))
        reach = int(np.ceil(np.sqrt(n_features) / side))
        around = np.array(list(itertools.product(range(-reach, reach + 1), repeat=n_features)))
        cubes = _sums(np.unique(np.floor(self.Z / side).astype(np.int64), axis=0), around)
        cubes = np.unique(cubes, axis=0)
        bound, spent = -np.inf, 0.0
        while True:
            vertices, index = np.unique(_sums(cubes, corners), axis=0, return_inverse=True)
            heights = self.log(vertices * side)
            spent += len(vertices) * len(self.Z)
            lower = max(lower, float(heights.max()))
            highest = heights[index.reshape(len(cubes), -1)].max(axis=1) + n_features * side**2 / 8
            open_ = highest > lower + enough
            bound = max(bound, float(highest[~open_].max(initial=-np.inf)))
            n_next = np.count_nonzero(open_) * 2**n_features
            if not n_next:
                return max(bound, lower)
            if spent + 1.5 * n_next * len(self.Z) > _EVALUATIONS:
                return max(bound, float(highest.max()))
            cubes, side = _sums(2 * cubes[open_], corners), side / 2


def limit(Z: Array, log_weights: Array, log_prob: Array, *, is_exact: bool) -> float:
    """Return by how much the best mixture of Gaussians with S >= I is better than a density, in nats a row.

    With ``is_exact`` no such mixture is better by more; else that holds as far as the search for places goes.
    For any density q, however it was found, and any mixture m, the mean of log m / q is at most the log of
    the mean of m / q (Jensen), which is an average of directional derivatives plus one, so at most log of the
    largest. The bound is the smaller the better q is: it is the density itself at first, and then mixed with
    Gaussians at the places that gain most (Lindsay's vertices, all peaks at a time).

    Parameters
    ----------
    Z : ndarray of shape (n_samples, n_features)
    log_weights : ndarray of shape (n_samples,)
        Of the rows; the weights sum to one.
    log_prob : ndarray of shape (n_samples,)
        The log density of the rows.
    is_exact : bool

    References
    ----------
    Lindsay (1983), The geometry of mixture likelihoods, Annals of Statistics 11, 86-94.
    """
    w = np.exp(log_weights)
    log_q, places = log_prob, np.empty((0, Z.shape[1]))
    # First the density itself, then one that has a Gaussian at every row: none is too far out for that.
    log_f, shares = np.stack([log_prob, Slope(Z, log_weights).log(Z)], axis=1), np.array([1.0, 0.1])
    best, nearest = np.inf, (0.0, log_q, 0.0)
    for done in range(_ROUNDS + 1):
        slope = Slope(Z, log_weights - log_q)
        peaks = slope.climbed(np.concatenate([slope.peaks(), places[:_STARTS]]))
        heights = slope.log(peaks)
        gained, highest = float(w @ (log_q - log_prob)), float(heights.max())
        if gained + highest < best:
            best, nearest = gained + highest, (gained, log_q, highest)
        if done == _ROUNDS or highest < _ENOUGH or len(places) > _MOST_PLACES:
            break
        new = apart(peaks[heights > 0], 0.05)
        places = np.concatenate([places, new])
        log_f = np.concatenate([log_f, _log_densities(Z, new)], axis=1)
        shares = np.concatenate([0.9 * shares, np.full(len(new), 0.1 / len(new))])
        shares = _weights(log_f, w, shares)
        used = shares > 1e-9
        used[:2] = True
        places, log_f, shares = places[used[2:]], log_f[:, used], shares[used]
        with np.errstate(divide="ignore"):
            log_q = np.logaddexp.reduce(log_f + np.log(shares), axis=1)
    if not is_exact:
        return best
    gained, log_q, highest = nearest
    return gained + Slope(Z, log_weights - log_q).upper_bound(highest)


def apart(places: Array, distance: float) -> Array:
    """Return the places but for those too near to an earlier one."""
    kept: list[Array] = []
    for place in places:
        if all(np.square(place - other).sum() > distance**2 for other in kept):
            kept.append(place)
    return np.array(kept)


def _weights(log_f: Array, w: Array, shares: Array) -> Array:
    """Return better mixing weights of fixed densities: a few steps of Newton's method, kept in the simplex.

    Each maximizes the log-likelihood's quadratic approximation, which is a problem of nonnegative least
    squares, and goes as far towards it as the log-likelihood rises (Wang, 2007, On fast computation of the
    non-parametric maximum likelihood estimate of a mixing distribution, JRSS B 69, 185-198, section 3).
    """
    f = np.exp(log_f - log_f.max(axis=1, keepdims=True))
    root = np.sqrt(w)
    for _ in range(_WEIGHT_STEPS):
        q = f @ shares
        ratios = root[:, np.newaxis] * (f / q[:, np.newaxis])
        gradient = root @ ratios
        shares = shares * gradient  # a step of EM: what comes next may do nothing
        try:
            target = nnls(np.vstack([ratios, np.ones(len(shares))]), np.append(2.0 * root, 1.0))[0]
        except RuntimeError:
            continue
        if not target.sum() > 0:
            continue
        target /= target.sum()
        now, step = w @ np.log(f @ shares), 1.0
        while step > 1e-3:
            trial = shares + step * (target - shares)
            if w @ np.log(f @ trial) > now:
                shares = trial
                break
            step *= 0.5
    return shares / shares.sum()


def _log_densities(Z: Array, places: Array) -> Array:
    """Return log N(z; place, I) of each row at each place (n_samples, n_places)."""
    columns = [Mixture.from_factor([0.0], [place], [1.0], "spherical").log_prob(Z) for place in places]
    return np.stack(columns, axis=1)


def _sums(cells: Array, offsets: Array) -> Array:
    """Return the sum of each cell and each offset (n_cells * n_offsets, n_features)."""
    return (cells[:, np.newaxis] + offsets).reshape(-1, cells.shape[1])
