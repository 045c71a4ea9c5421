"""What a fit is to: rows, a covariance type, regularization and prior, but not yet how many components."""

from __future__ import annotations

from typing import Any

import numpy as np

from streamgmm import covariance, priors
from streamgmm._compat.functools import cached_property
from streamgmm.kernels.records import Options
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array
from streamgmm.sweep import kernel_rows

from .climb import Climb
from .rows import WHOLE, Rows
from .search import improve
from .start.clusters import Sample
from .start.moments import FLOOR, typical
from .start.several import find_start
from .volume import Judge

_MORE_STARTS = 2
_TOL, _MAX_ITER = 1e-5, 1000  # of the climbs between which a search chooses


class Problem:
    """Rows, a covariance type, regularization and prior.

    Parameters
    ----------
    rows : Rows
    n_components : int
        The most that will be asked for.
    covariance_type : str
    reg_covar : float, optional
        None for a millionth of each feature's variance, or of what the middle half of the rows says.
    prior : {None, "weak"} or ConjugatePrior
    n_threads : int, optional
    """

    def __init__(
        self,
        rows: Rows,
        n_components: int,
        covariance_type: str,
        *,
        reg_covar: float | None = None,
        prior: str | ConjugatePrior | None = None,
        n_threads: int | None = None,
    ) -> None:
        self.rows, self.n_components, self.kind = rows, n_components, covariance.get(covariance_type)
        self.reg_covar, self.prior, self.n_threads = reg_covar, prior, n_threads
        self._options: dict[int, Options] = {}

    @cached_property
    def _uniform(self) -> Sample:
        """All rows if they are few, else some, each as likely as another."""
        X, weights = self.rows.sample
        return Sample(kernel_rows(X), weights)

    @cached_property
    def sample(self) -> Sample:
        """All rows if they are few, else a sample in which few rows far from all others are not missing."""
        if self.rows.n_samples <= WHOLE:
            return self._uniform
        first = self._start(self._uniform, self.n_components, np.random.RandomState(0))
        focused = self.rows.focused(first, n_threads=self.n_threads)
        return Sample(kernel_rows(focused.X), focused.weights)

    @cached_property
    def _floor(self) -> Any:
        if self.reg_covar is not None:
            return self.reg_covar
        return FLOOR * np.square(self._uniform.robust_deviations)

    def options(self, n_components: int) -> Options:
        """Return regularization and prior for so many components."""
        if n_components not in self._options:
            prior: Any = self.prior
            if prior == "weak":
                prior = priors.weak_prior(*self._moments, n_components)
            shape = n_components, self.rows.n_features
            self._options[n_components] = priors.options(self.kind, *shape, self._floor, prior)
        return self._options[n_components]

    def start(
        self, n_components: int, random_state: np.random.RandomState, sample: Sample | None = None
    ) -> Mixture:
        """Return the best of several starts, on the sample or another."""
        return self._start(sample or self.sample, n_components, random_state)

    def _start(self, sample: Sample, n_components: int, random_state: np.random.RandomState) -> Mixture:
        how: dict[str, Any] = {"random_state": random_state, "n_samples": self.rows.n_samples}
        return find_start(sample, n_components, self.kind.name, options_of=self.options, **how).mixture

    def search(self, mixture: Mixture, random_state: np.random.RandomState) -> Mixture:
        """Return the mixture of an optimum from which no move leads higher, as far as the sample tells.

        The search begins at the best of the mixture's optimum and those of two more starts.
        """
        starts = [self.start(mixture.n_components, random_state) for _ in range(_MORE_STARTS)]
        climbs = [self.finished(start) for start in (mixture, *starts)]
        best = Judge(self.sample).best(climbs, 1)[0]
        return improve(best, self.sample, self.options, random_state).mixture

    def finished(self, mixture: Mixture) -> Climb:
        """Return the climb that has come to an optimum on the sample."""
        climb = self.climb(mixture)
        climb.finish(_TOL, _MAX_ITER)
        return climb

    def climb(self, mixture: Mixture) -> Climb:
        """Return a climb on the sample."""
        options = self.options(mixture.n_components)
        return Climb(mixture, self.sample.X, self.sample.weights, options)

    @cached_property
    def _moments(self) -> tuple[Array, Array]:
        """Mean and covariance of all rows, as mclust's prior takes them.

        Constant columns count as if they varied by a thousandth of the other features' typical deviation; of
        too few rows for a covariance matrix, only the variances count.
        """
        center, n_features = self.rows.center, self.rows.n_features
        one = Mixture([1.0], [center], [np.eye(n_features)])
        sums = self.rows.e_step(one, n_threads=self.n_threads)
        shift = sums.s1[0] / sums.weight
        scatter = sums.s2[0] / sums.weight - np.outer(shift, shift)
        deviations = np.sqrt(np.maximum(np.diag(scatter), 0.0))
        constant = deviations <= 1e-14 * np.abs(center)
        deviations = np.where(constant, 1e-3 * typical(deviations[~constant]), deviations)
        if self.rows.n_samples <= n_features:
            return center, np.diag(deviations**2)
        scatter[constant] = scatter[:, constant] = 0.0
        return center, scatter + np.diag(np.where(constant, deviations**2, 0.0))
