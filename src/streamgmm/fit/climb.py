"""EM on rows at hand, in runs of compiled code: what starts, searches and fits to few rows are made of."""

from __future__ import annotations

import numpy as np

from streamgmm import rules
from streamgmm._pieces import breathe, is_spread
from streamgmm.kernels import rows as kernels
from streamgmm.kernels.records import INFO, Batch, Options, copied
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

from .accelerated import Anderson
from .convergence import left_to_gain
from .penalty import log_prior

__all__ = ["Climb"]

_EM = rules.EM()
_PIECE, _CALL = 2048, 1024  # rows between two breaths, and what a call costs beside
_RUN = 10  # iterations between two looks at what is left to gain
_WORTH_A_LEAP = 200_000  # numbers that iterations have seen in all components: what a leap costs


class Climb:
    """A mixture that EM improves on the same rows, again and again.

    An iteration on few rows costs less than a call from Python: `run` makes many in one call.

    Parameters
    ----------
    mixture : Mixture
    X : ndarray of shape (n_samples, n_features)
        As the kernels take them, see `streamgmm.sweep.kernel_rows`.
    weights : ndarray of shape (n_samples,) or (0,)
        Empty for ones.
    options : Options
        Regularization and prior, as `streamgmm.priors.options` makes them.

    Attributes
    ----------
    bounds : list of float
        Mean log-likelihoods of a row, in nats, each before an iteration.
    total : float
        The weight of the rows.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import Mixture, datasets, priors
    >>> from streamgmm.fit.climb import Climb
    >>> X = datasets.load_faithful().data
    >>> start = Mixture([0.5, 0.5], [[2.0, 50.0], [4.0, 80.0]], [np.diag([1.0, 100.0])] * 2)
    >>> climb = Climb(start, X, np.empty(0), priors.options(start.kind, 2, 2))
    >>> climb.finish(1e-6, 1000), round(climb.bounds[-1], 4)
    (True, -4.1554)
    """

    def __init__(self, mixture: Mixture, X: Array, weights: Array, options: Options) -> None:
        self.X, self.weights, self.kind = X, weights, mixture.kind
        self.total = float(weights.sum()) if len(weights) else float(len(X))
        self._given = options
        self._go_to(mixture)
        self.scratch = _EM.scratch(self.model, self.kind)
        self.moments = self.kind.empty_batch(*self.model.means.shape)
        self.options = _EM.compiled_options(options)
        self.bounds: list[float] = []

    def run(self, n_iter: int) -> float:
        """Make so many iterations; return the mean log-likelihood of a row before the last."""
        if is_spread():
            for _ in range(n_iter):
                self._run_in_pieces()
            return self.bounds[-1]
        info = np.zeros(n_iter, dtype=INFO)
        kernels.stream(
            *(self.X, self.weights, len(self.X), np.ones(n_iter), self.model, self.memory, self.scratch),
            *(None, self.options, self.moments, info),
        )
        self.bounds += (info["log_likelihood"] / self.total).tolist()
        return self.bounds[-1]

    def _run_in_pieces(self) -> None:
        """Make one iteration with a breath between some rows and the next: the same but for rounding."""
        batch = Batch(0.0, 0.0, *(np.zeros_like(array) for array in self.moments[2:]))
        weight = log_likelihood = 0.0
        for begin in range(0, len(self.X), _PIECE):
            rows = slice(begin, begin + _PIECE)
            part = self.weights[rows] if len(self.weights) else self.weights
            sums = kernels.statistics(self.X[rows], part, self.model, batch)
            weight, log_likelihood = weight + sums[0], log_likelihood + sums[1]
            breathe(len(self.X[rows]) + _CALL)
        batch = batch._replace(weight=weight, log_likelihood=log_likelihood)
        kernels.learn_batch(
            *(self.X[:0], self.weights[:0], batch, 1.0, self.model, self.memory, self.scratch),
            *(None, self.options),
        )
        for kept, new in zip(self.moments[2:], batch[2:], strict=True):
            kept[:] = new
        self.bounds.append(log_likelihood / self.total)

    def finish(self, tol: float, max_iter: int) -> bool:
        """Iterate until less than ``tol`` nats a row are left to gain; tell whether it came so far.

        Now and then the last steps are combined, as in accelerated EM, and what they lead to is taken if it
        is higher.
        """
        end, since, memory = len(self.bounds) + max_iter, 0, Anderson()
        while len(self.bounds) < end:
            n_iter = min(_RUN, end - len(self.bounds))
            self.run(n_iter)
            if left_to_gain(self.bounds) < tol:
                return True
            since += n_iter * self.X.size * len(self.nk)
            if since > _WORTH_A_LEAP and len(self.bounds) < end - 2:
                since = 0
                self._leap(memory)
        return False

    def _leap(self, memory: Anderson) -> None:
        """Go where the steps seem to lead, unless that is lower."""
        before = self.mixture
        value = self.run(1) + self._log_prior(before)
        after = self.mixture
        proposed = memory.propose(before, after)
        if proposed is None:
            return
        self._go_to(proposed)
        if not self.run(1) + self._log_prior(proposed) >= value:
            memory.refuse()
            self.bounds.pop()
            self._go_to(after)

    def _go_to(self, mixture: Mixture) -> None:
        self.model = copied(mixture.kernel_form())
        self.memory = _EM.init(mixture, n_rows=self.total, options=self._given).memory

    def _log_prior(self, mixture: Mixture) -> float:
        return log_prior(self.options, mixture) / self.total if self.options.flags.has_prior else 0.0

    @property
    def mixture(self) -> Mixture:
        """What the iterations so far have made."""
        return Mixture.from_kernel_form(self.model, self.kind.name)

    @property
    def nk(self) -> Array:
        """The components' effective rows in the last iteration, by weight (n_components,)."""
        return self.moments.nk
