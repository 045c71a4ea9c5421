"""Whether the rows of a stream still come from where they came from: a test that may be read at any time."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import numpy as np

from streamgmm import covariance
from streamgmm.kernels import conformal
from streamgmm.kernels.conformal import BLOCK, RECENT, TOOLS, Bets
from streamgmm.kernels.records import copied, flattened, unflattened
from streamgmm.mixture import Mixture
from streamgmm.statistics import Array
from streamgmm.sweep import TOO_FAR, densities

from .memory import draws_of

_SEED = (0x6368616E, 0x6765)
_N_SEQUENCES = 2
# Shares of rows below the edges of the score's bins: fine among the poorest, where what is new will be.
_SHARES = np.array([1 / 1024, 1 / 256, 1 / 64, *(np.arange(1, 32) / 32)])


class _Frozen(NamedTuple):
    """A mixture as it is stored, and the edges of the bins of its score: for a record."""

    log_weights: Array
    means: Array
    factor: Array
    edges: Array


@dataclass(frozen=True, eq=False)
class ChangeTest:
    r"""A test for change whose false alarms are bounded for the whole stream, however long it is.

    With ``rate=0.001`` at most one stationary stream in a thousand ever gives an alarm: one whose rows are
    exchangeable (independent rows of one distribution are), whether or not the mixture fits them. The test
    may be read after every row. An alarm ends it: rows that follow are ignored, and a new test has a rate of
    its own.

    A mixture is frozen: fitted to earlier rows alone. It turns each new row into two codes, the bin of its
    log density, among edges fixed with the mixture, and its most responsible component. Exchangeable rows
    have exchangeable codes. The rank of a code among all since the freezing, with a draw among equals, over
    their number, is a conformal p-value: of exchangeable codes these are independent and uniform, exactly,
    however many are tied (Vovk, Gammerman and Shafer, Algorithmic Learning in a Random World, 2005; Vovk,
    Statistical Science 36, 2021). For each of the two sequences bettors bet on p. The density f of a bet is a
    histogram of earlier p-values with a uniform prior, which integrates to one, and the stake is multiplied
    by f(p): the wealth :math:`M` is a martingale that is one at first, and by Ville's inequality
    :math:`P(\sup M \ge 2 / rate) \le rate / 2`.

    There is an alarm when either sequence is there. The p-values of one are independent of each other, but
    not of the other sequence's past, so that an average of the two need not be a martingale; each has half of
    the rate instead, which costs as little. Bettors on one sequence are averaged: three grids of cells, each
    with a memory of about 300 and 1500 rows. So that a long peace costs little they begin to bet at all
    times: a part :math:`w_b = T_b - T_{b+1}` of the wealth before block b of 32 rows, where
    :math:`T_b = 1 / (1 + \log(1 + b))`. After b blocks of peace about :math:`\log b` nats are to be made up.

    Another freezing starts the counts anew and leaves the wealth: given all rows until then, p-values that
    follow are independent and uniform again, so that their bets, too, are expected to bring one for one. When
    it comes, and which rows are tested, must be fixed beforehand, not depend on what the rows since the last
    freezing look like. A new test may begin whenever one likes.

    Delays after 100 000 tested rows of peace, medians: 10 % of the rows go to the lowest decile of the
    scores, 1040 rows; 30 %, 220; weights of .5 and .5 become .6 and .4, 1360; everything is new, 64. Little
    is seen of a change that comes soon after a freezing, since the rows before it are what the others are
    compared with, or of one that hardly moves the scores: one component of ten, in ten features, that moves
    by half a deviation in each.

    Parameters
    ----------
    rate : float
        The probability of an alarm if nothing changes.
    seed : int
        Of the draws among equal codes. Tests that are to be independent want different ones.
    n_tested : int
        Rows tested so far, until the alarm.
    evidence : float
        The log of half the highest wealth so far, in nats: :math:`P(evidence \ge x) \le e^{-x}` if nothing
        changes.
    mixture : Mixture or None
        None until one is frozen.
    edges : ndarray of shape (n_edges,)
        Between the bins of the log density; a row on an edge is in the bin below.
    bets : Bets
        See `streamgmm.kernels.conformal`.

    Examples
    --------
    >>> import numpy as np
    >>> rng = np.random.default_rng(0)
    >>> mixture = Mixture([1.0], [[0.0]], [1.0], "spherical")
    >>> test = ChangeTest.start().freeze(mixture, rng.normal(size=(1000, 1)))
    >>> test = test.update(rng.normal(size=(10_000, 1)))
    >>> test.alarm
    False
    >>> test = test.update(rng.normal(2.0, size=(1000, 1)))
    >>> test.alarm, test.n_tested, test.began
    (True, 10112, 128)
    """

    rate: float
    seed: int
    n_tested: int
    evidence: float
    mixture: Mixture | None
    edges: Array
    bets: Bets

    @classmethod
    def start(cls, rate: float = 0.001, *, seed: int = 0) -> ChangeTest:
        """Return a test that has seen no rows.

        Raises
        ------
        ValueError
            If ``rate`` is not between 0 and 1, or ``seed`` is negative.
        """
        if not 0 < rate < 1:
            raise ValueError(f"`rate` must be between 0 and 1, got {rate!r}")
        if seed < 0:
            raise ValueError(f"`seed` must not be negative, got {seed!r}")
        bets = conformal.empty_bets(_N_SEQUENCES)
        return cls(float(rate), int(seed), 0, float(np.log(0.5)), None, np.empty(0), bets)

    @property
    def alarm(self) -> bool:
        """Whether the rows have changed, as far as ``rate`` allows to say so."""
        return bool(self.evidence >= -np.log(self.rate))

    @property
    def began(self) -> int:
        """About how many tested rows ago the change began, 16 384 at most; 0 without an alarm.

        From there on the p-values differ most from uniform ones, by the likelihood ratio.
        """
        if not self.alarm:
            return 0
        n_blocks = self.n_tested // BLOCK
        latest = np.arange(n_blocks - 1, max(n_blocks - 1 - RECENT, -1), -1) % RECENT
        inside = np.cumsum(self.bets.recent[:, latest], axis=1, dtype=np.float64)
        width, prior = TOOLS.widths[0], TOOLS.prior  # of the finest grid
        density = (inside / width + prior) / (inside.sum(axis=2, keepdims=True) + prior)
        ratio = (inside * np.log(density)).sum(axis=2)
        return BLOCK * (int(np.argmax(ratio.max(axis=0))) + 1)

    def freeze(self, mixture: Mixture, X: Any, weights: Any = None) -> ChangeTest:
        """Return the test that goes on with another mixture.

        Parameters
        ----------
        mixture : Mixture
            Fitted to rows before those that will be tested.
        X : array-like of shape (n_samples, n_features)
            A sample of earlier rows, for the edges of the bins.
        weights : array-like of shape (n_samples,) or (0,), optional
            Of these rows, of which one is positive; ones by default.

        Raises
        ------
        ValueError
            If there are no rows.
        """
        if not len(X):
            raise ValueError("`X` must hold at least one row, got none")
        scores, _ = _scores(mixture, X)
        given = weights if weights is not None and len(weights) else None
        edges = np.unique(np.quantile(scores, _SHARES, weights=given, method="inverted_cdf"))
        n_codes = max(len(edges) + 1, mixture.n_components)
        counts = np.zeros((_N_SEQUENCES, n_codes), dtype=np.int64)
        return replace(self, mixture=mixture, edges=edges, bets=self.bets._replace(counts=counts))

    def update(self, X: Any) -> ChangeTest:
        """Return the test after more rows, in their order; however calls are cut, the result is the same.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Rows that neither the mixture nor the test has seen. They are ignored after an alarm.

        Raises
        ------
        ValueError
            If no mixture is frozen, or for a wrong shape or a number that is not finite.
        """
        if self.mixture is None:
            raise ValueError("`update` needs a mixture: `freeze` one first")
        if self.alarm:
            return self
        scores, resp = _scores(self.mixture, X)
        codes = np.column_stack([np.searchsorted(self.edges, scores), resp.argmax(axis=1)])
        draws = draws_of((*_SEED, self.seed), _N_SEQUENCES * self.n_tested, codes.size)
        bets = copied(self.bets)
        n_used, highest = conformal.bet(
            *(codes, draws.reshape(codes.shape), self.n_tested),
            *(np.log(2.0 / self.rate), self.evidence + np.log(2.0), bets, TOOLS),
        )
        evidence = float(highest - np.log(2.0))
        return replace(self, n_tested=self.n_tested + n_used, evidence=evidence, bets=bets)

    def to_record(self) -> tuple[dict[str, Any], dict[str, Array]]:
        """Return settings, which JSON can hold, and named arrays: all that the test needs to go on."""
        settings: dict[str, Any] = {name: getattr(self, name) for name in _NUMBERS}
        arrays = flattened(self.bets, "bets.")
        mixture = self.mixture
        if mixture is not None:
            settings["covariance_type"] = mixture.covariance_type
            settings |= {"n_components": mixture.n_components, "n_features": mixture.n_features}
            settings["n_edges"] = len(self.edges)
            frozen = _Frozen(mixture.log_weights, mixture.means, mixture.factor, self.edges)
            arrays |= flattened(frozen, "frozen.")
        return settings, arrays

    @classmethod
    def from_record(cls, settings: Mapping[str, Any], arrays: Mapping[str, Array]) -> ChangeTest:
        """Return the test that `to_record` wrote.

        Raises
        ------
        ValueError
            If something is missing or does not fit.
        """
        _require_settings(settings)
        numbers = {name: settings[name] for name in _NUMBERS}
        mixture, edges, like = None, np.empty(0), conformal.empty_bets(_N_SEQUENCES)
        if "covariance_type" in settings:
            shape = settings["n_components"], settings["n_features"]
            kind = covariance.get(settings["covariance_type"])
            shapes = shape[:1], shape, kind.shape(*shape), (settings["n_edges"],)
            log_weights, means, factor, edges = unflattened(
                _Frozen(*(np.empty(s) for s in shapes)), arrays, "frozen."
            )
            mixture = Mixture.from_factor(log_weights, means, factor, kind.name)
            n_codes = max(len(edges) + 1, mixture.n_components)
            like = like._replace(counts=np.empty((_N_SEQUENCES, n_codes), dtype=np.int64))
        return cls(mixture=mixture, edges=edges, bets=unflattened(like, arrays, "bets."), **numbers)


_NUMBERS = ("rate", "seed", "n_tested", "evidence")


def _scores(mixture: Mixture, X: Any) -> tuple[Array, Array]:
    """Return the log densities of rows, finite for those too far to be squared, and responsibilities."""
    log_prob, resp = densities(mixture, X, responsibilities=True)
    return np.where(log_prob > TOO_FAR, log_prob, TOO_FAR), resp


def _require_settings(settings: Mapping[str, Any]) -> None:
    """Raise ValueError unless settings are as `ChangeTest.to_record` writes them."""
    kinds: dict[str, Any] = {"rate": float, "evidence": float, "covariance_type": str}
    least = {"n_components": 1, "n_features": 1, "rate": 0.0, "evidence": -1.0}
    frozen = ("covariance_type", "n_components", "n_features", "n_edges")
    for name in (*_NUMBERS, *(frozen if "covariance_type" in settings else ())):
        value: Any = settings.get(name)
        valid = isinstance(value, kinds.get(name, int)) and not isinstance(value, bool)
        if valid and not isinstance(value, str):
            valid = bool(np.isfinite(value)) and value >= least.get(name, 0)
        if not valid:
            raise ValueError(f"`{name}` of a test for change must be as `to_record` wrote it, got {value!r}")
