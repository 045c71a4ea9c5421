"""One pass over a stream: a learner takes rows in mini-batches, in compiled code."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from streamgmm import covariance
from streamgmm.kernels import rows as kernels
from streamgmm.kernels._jit import CONTROL, pointer
from streamgmm.mixture import Mixture
from streamgmm.rules import Rule, RuleState
from streamgmm.rules._base import Arrays, copies
from streamgmm.statistics import Array, Statistics
from streamgmm.sweep import CHUNK, kernel_rows, sum_rows

_NO_WEIGHTS = np.empty(0)
_CALL_ROWS = 65536


@dataclass(frozen=True, eq=False)
class Learner:
    """A mixture on its way through a stream: parameters as the kernels keep them, and the rule's state.

    Nothing in it is changed in place: `learn` returns another.
    """

    rule: Rule
    state: RuleState
    parameters: Arrays
    covariance_type: str

    @classmethod
    def start(
        cls,
        rule: Rule,
        mixture: Mixture,
        *,
        n_rows: float,
        batch_size: int,
        options: Array,
        statistics: Statistics | None = None,
    ) -> Learner:
        """Return a learner that starts from a mixture fitted to ``n_rows`` rows with these statistics."""
        state = rule.init(
            mixture, n_rows=n_rows, batch_size=batch_size, options=options, statistics=statistics
        )
        return cls(rule, state, mixture.kernel_form(), mixture.covariance_type)

    @property
    def mixture(self) -> Mixture:
        """The mixture learned so far."""
        return self.rule.report(self._current, self.state)

    @property
    def _current(self) -> Mixture:
        """The mixture at which the next rows are weighed."""
        return Mixture.from_kernel_form(*self.parameters, self.covariance_type)

    def learn(
        self, X: Any, weights: Array, *, n_threads: int | None = None
    ) -> tuple[Learner, Array, Array, Array]:
        """Learn from rows, one mini-batch after the other.

        Parameters
        ----------
        X : ndarray of shape (n_samples, n_features)
        weights : ndarray of shape (n_samples,) or (0,)
            Row weights; empty for ones.
        n_threads : int, optional
            Used for mini-batches of more than 65536 rows.

        Returns
        -------
        learner : Learner
        log_likelihood, weight, n_rows : ndarray of shape (n_batches,)
            Of each mini-batch, the log-likelihood before it was learned.

        Raises
        ------
        numpy.linalg.LinAlgError
            If a guard stops the rule.
        """
        batch_size = self.state.batch_size
        n_rows = np.full(-(-len(X) // batch_size), batch_size)
        if len(X) % batch_size:
            n_rows[-1] = len(X) % batch_size
        fraction = n_rows / batch_size
        if len(weights):  # a row of weight 2 takes the time, and the step, of two rows
            starts = np.arange(0, len(X), batch_size)
            fraction = np.add.reduceat(weights, starts) / batch_size
        t = np.cumsum(
            np.concatenate([[self.state.t], fraction])
        )  # one after the other, however calls are cut
        steps = self.rule.steps(t[:-1], fraction, start=self.state.start, batch_size=batch_size)
        log_likelihood = np.zeros(len(n_rows))
        weight = np.zeros(len(n_rows))
        learner = self._anchored(X, weights, n_threads) if self.rule.makes_passes else self
        if batch_size > CHUNK:
            learner = learner._learn_large(X, weights, steps, log_likelihood, weight, n_threads)
        else:
            learner = learner._learn_small(X, weights, steps, log_likelihood, weight)
        state = learner.state._replace(t=float(t[-1]))
        self.rule.check(state)
        return replace(learner, state=state), log_likelihood, weight, n_rows

    def _anchored(self, X: Any, weights: Array, n_threads: int | None) -> Learner:
        """Show all rows of a pass to the rule; rows without a finite likelihood cannot be summed up."""
        sums = sum_rows(self._current, X, weights, n_threads=n_threads)
        usable = np.isfinite(sums.log_likelihood) and sums.weight > 0
        return replace(self, state=self.rule.anchor(self.state, self._current, sums if usable else None))

    def _learn_small(
        self, X: Any, weights: Array, steps: Array, log_likelihood: Array, weight: Array
    ) -> Learner:
        """Run the compiled loop over many mini-batches in each call."""
        compiled = self.rule.compiled(covariance.get(self.covariance_type), self.state.options)
        control = self.rule.control(self.state)
        parameters = copies(self.parameters)
        memory = copies(self.state.memory)
        batch_size = self.state.batch_size
        per_call = max(1, _CALL_ROWS // batch_size)
        for first in range(0, len(steps), per_call):
            batches = slice(first, first + per_call)
            rows = slice(first * batch_size, (first + per_call) * batch_size)
            kernels.stream(
                kernel_rows(X[rows]),
                weights[rows] if len(weights) else _NO_WEIGHTS,
                batch_size,
                steps[batches],
                compiled.update,
                control or pointer(kernels.no_control, CONTROL),
                *compiled.parts,
                control is not None,
                *parameters,
                *memory,
                self.state.options,
                weight[batches],
                log_likelihood[batches],
            )
        return replace(self, parameters=parameters, state=self.state._replace(memory=memory))

    def _learn_large(
        self,
        X: Any,
        weights: Array,
        steps: Array,
        log_likelihood: Array,
        weight: Array,
        n_threads: int | None,
    ) -> Learner:
        """Sum each mini-batch with threads, then update."""
        learner = self
        batch_size = self.state.batch_size
        for batch, step in enumerate(steps):
            rows = slice(batch * batch_size, (batch + 1) * batch_size)
            statistics = sum_rows(learner._current, X[rows], weights[rows], n_threads=n_threads)
            log_likelihood[batch] = statistics.log_likelihood
            weight[batch] = statistics.weight
            control = self.rule.control(learner.state)
            if control is not None:
                statistics = learner._controlled(control, statistics, X[rows], weights[rows])
            parameters, memory = self.rule.apply(
                statistics, float(step), learner.parameters, learner.state, learner._current.kind
            )
            learner = replace(learner, parameters=parameters, state=learner.state._replace(memory=memory))
        return learner

    def _controlled(self, control: Any, statistics: Statistics, X: Any, weights: Array) -> Statistics:
        """Return the statistics of rows after the rule's control."""
        nk, s1 = statistics.nk.copy(), statistics.s1.copy()
        s2 = statistics.s2.reshape(self.parameters[2].shape).copy()
        control(
            kernel_rows(X), 0, len(X), weights, self.parameters[1], nk, s1, s2, *copies(self.state.memory)
        )
        return replace(statistics, nk=nk, s1=s1, s2=s2.reshape(statistics.s2.shape))
