"""OnlineGaussianMixture: scikit-learn's interface to a mixture that learns from a stream."""

from __future__ import annotations

import sys
import warnings
from dataclasses import KW_ONLY, dataclass, replace
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from streamgmm import algebra, rules
from streamgmm._compat.sklearn import HasMethods, Interval, StrOptions, fit_context, validate_params
from streamgmm.fit.batch import BatchResult
from streamgmm.fit.plan import ON_DRIFT, REHEARSALS
from streamgmm.fit.rows import Rows, rows_of
from streamgmm.fit.start import BEST, METHODS
from streamgmm.fit.stream import Learner
from streamgmm.fit.world import World
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior, options, weak_prior
from streamgmm.rules import Rule
from streamgmm.statistics import Array

from ._beginning import FIXED, batch_size_of, begin
from ._fitting import AUTO
from ._progress import Progress
from ._reading import CONSTRAINTS, Labels, ReadingMixin, require_same
from ._warmup import WarmUp


@dataclass(eq=False, repr=False)
class OnlineGaussianMixture(ReadingMixin):
    """Gaussian mixture that learns from rows as they come.

    The first ``init_size`` rows are kept and fitted by EM; from then on each mini-batch changes the mixture
    once. Some of all rows are kept in a memory. At growing intervals the learner rehearses: it fits them as a
    batch is fitted, from several starts and by splits and merges, and goes on from what is better by more
    than noise. The memory, and a test, also show that rows come in some order, or that the world has changed.
    Whatever happened beside learning is in ``events_``. The same rows give the same bits, however they come
    in calls. `fit` learns rows in random order, `partial_fit` in theirs.

    Parameters
    ----------
    n_components : int or "auto", default=1
        "auto" has as many as the lowest BIC on the rows of the memory, found anew at each rehearsal.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
    rule : str or Rule, default="online-em"
        How the mixture changes: a name from `streamgmm.rules.names` or a rule object. One with a half-life
        takes the stream as one that changes, and its memory forgets as it does.
    batch_size : int, default=256
        Rows in a mini-batch; 1 learns row by row, as the rule "annealed-sgd" does whatever is given. Online
        EM and the natural gradient learn as much of a row in a mini-batch of any size.
    max_epochs : int, default=1
        Passes that `fit` makes over its rows.
    init_size : int, optional
        Rows for the start, rounded up to whole mini-batches; by default 1000, or 40 for each component, or
        2 for each parameter, whichever is most; 100 if they give only the scale.
    init_params : {"best", "k-means++", "kmeans", "random", "random_from_data"}, default="best"
        "best" takes the best of several starts, as `GaussianMixture` does. Of no use to a rule that finds
        its own way.
    weights_init : array-like of shape (n_components,), optional
    means_init : array-like of shape (n_components, n_features), optional
    precisions_init : array-like, optional
        Inverse covariances, in the shape of the covariance type.
    reg_covar : float, optional
        Variance added to each feature; by default 1e-6 of the feature's variance in the first rows, so that
        rescaling the data rescales the model.
    prior : {None, "weak"} or ConjugatePrior, default=None
        "weak" is mclust's conjugate prior, scaled to the first rows. With None, it still holds a model of
        fewer than 10 (n_features + 1) rows for each component.
    random_state : int, RandomState instance or None, default=None
    n_threads : int, optional
        All cores by default; results do not depend on it.
    verbose : int, default=0
        1 prints a line after each pass of `fit`, and on standard error each event of ``events_`` when it
        happens, but for those of which a warning is given.
    max_components : int, default=20
        The largest number that "auto" may find.
    memory_rows : int, optional
        Rows kept of all, each equally likely (with a half-life, late ones the more); by default 20 000, or 30
        for each parameter if that is more, up to 64 MiB of values. 0 keeps none: nothing is rehearsed, and no
        order or change is seen. Up to twice as many are held until they are sorted, 2 memory_rows
        (n_features + 3) numbers of 8 bytes (features of float32 rows take 4), and two and a half times that
        for the moment in which they are; a rehearsal works on a copy.
    rehearsal : {"now", "spread"}, default="now"
        When the start and rehearsals are computed: within the call that brings the row at which they are due,
        or divided over the calls that follow, for streams that must not wait. Rows wait while the start is
        found.
    on_drift : {"rehearse", "report", "forget"}, default="rehearse"
        What to do when rows are others than before. "rehearse": in the first 200 000 rows of a world, or two
        memories if that is more, they are taken to come in some order, and the memory is fitted; later, or
        with a half-life, as a change, and learning begins anew. "forget" always takes them as a change.
        "report" only says so.
    drift_detector : object, optional
        With River's interface: ``update(value)``, and ``drift_detected``. It sees the mean log-likelihood of
        each mini-batch before it is learned, and takes the place of our own test, whose false alarms are at
        most one in a thousand streams that stay the same (`streamgmm.fit.change.ChangeTest`). It is copied.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
        These, and what else is read, are of the average of the mixtures on the way, the late ones counting
        most, where the rule settles; of the last one with a half-life. Of rows that were found to come in
        some order they are of the fit to the memory, which is made when they are read.
    covariances_, precisions_, precisions_cholesky_ : ndarray
        In scikit-learn's shapes.
    converged_ : bool
        Whether the last quarter of `history_` is no better than the quarter before by more than 0.001 nats a
        row and two standard errors; for a model that is still EM's, whether EM converged.
    n_iter_ : int
        Updates made online; for a model that is still EM's, EM's iterations.
    lower_bound_ : float
        Mean prequential log-likelihood of the last tenth of `history_`, in nats a row; for a model that is
        still EM's, its log-likelihood.
    history_ : ndarray
        Mean log-likelihood of a row of each mini-batch, computed before the mini-batch was learned. A long
        history is thinned: each entry then stands for ``history_every_`` mini-batches.
    history_every_ : int
    events_ : tuple of streamgmm.fit.events.Event
        What was done beside learning: ``row``, ``reason``, ``gain``, ``n_components`` and ``since``; as a str
        it is a sentence. A warning tells of those that somebody should do something about.
    history_rows_ : ndarray
        Rows seen when each entry of `history_` was complete.
    n_samples_seen_ : int
    n_refused_ : int
        Mini-batches passed over because their statistics were not finite (a warning tells of them).
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import OnlineGaussianMixture
    >>> rng = np.random.default_rng(0)
    >>> X = np.concatenate([rng.normal(-4, 1, (5000, 1)), rng.normal(4, 1, (5000, 1))])
    >>> rng.shuffle(X)
    >>> model = OnlineGaussianMixture(2, random_state=0)
    >>> for start in range(0, 10000, 512):
    ...     model = model.partial_fit(X[start : start + 512])
    >>> np.sort(model.means_.ravel()).round(1)
    array([-4.,  4.])
    >>> model.predict([[-3.0]]) == model.predict([[-5.0]])
    array([ True])

    Sorted rows are learned from the memory, and what happened is told:

    >>> import warnings
    >>> with warnings.catch_warnings():
    ...     warnings.simplefilter("ignore")
    ...     model = OnlineGaussianMixture(2, random_state=0).partial_fit(np.sort(X, axis=0))
    >>> np.sort(model.means_.ravel()).round(1), model.events_[0].reason
    (array([-4.,  4.]), 'order')

    As many components as the rows ask for:

    >>> OnlineGaussianMixture("auto", max_components=5, random_state=0).fit(X).means_.shape
    (2, 1)
    """

    n_components: int | str = 1
    _: KW_ONLY
    covariance_type: str = "full"
    rule: str | Rule = "online-em"
    batch_size: int = 256
    max_epochs: int = 1
    init_size: int | None = None
    init_params: str = "best"
    weights_init: Any = None
    means_init: Any = None
    precisions_init: Any = None
    reg_covar: float | None = None
    prior: str | ConjugatePrior | None = None
    random_state: Any = None
    n_threads: int | None = None
    verbose: int = 0
    max_components: int = 20
    memory_rows: int | None = None
    rehearsal: str = "now"
    on_drift: str = "rehearse"
    drift_detector: Any = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        "n_components": [*CONSTRAINTS["n_components"], StrOptions({AUTO})],
        "max_components": [Interval(Integral, 1, None, closed="left")],
        "rule": [StrOptions(set(rules.names())), Rule],
        "batch_size": [Interval(Integral, 1, None, closed="left")],
        "max_epochs": [Interval(Integral, 1, None, closed="left")],
        "init_params": [StrOptions({BEST, *METHODS})],
        "memory_rows": [Interval(Integral, 0, None, closed="left"), None],
        "rehearsal": [StrOptions(set(REHEARSALS))],
        "drift_detector": [HasMethods(["update"]), None],
        "on_drift": [StrOptions(set(ON_DRIFT))],
        "init_size": [Interval(Integral, 1, None, closed="left"), None],
        "reg_covar": [Interval(Real, 0, None, closed="left"), None],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OnlineGaussianMixture:
        """Learn from rows, from the start, in ``max_epochs`` passes, each in another random order.

        The order is drawn from ``random_state``. Rows in batches and in files go through a buffer of 262 144
        rows (fewer if they take more than 256 MiB), and without ``sample_weight`` the parts of files (row
        groups, record batches, slices, and the files themselves) come in random order: a sorted text file, or
        a function's sorted batches, of many more rows stay partly sorted. Rows are learned in their order by
        a rule with a half-life (`streamgmm.rules.schedules`: `HalfLife`, `Constant`), since that takes them
        as a stream that changes, and by one that makes passes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), path, or batches
            Whatever `GaussianMixture.fit` takes. What comes in batches is read once for each pass, in memory
            for one batch and the buffer (for all of it with a rule that makes passes).
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Not negative; a weight of 0 is the row left out, but for its place in a mini-batch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad rows or weights, or fewer distinct rows than components. The estimator stays as it was.
        """
        with self._all_or_nothing():
            self.__dict__.pop("_progress", None)
            rows = rows_of(X, sample_weight, estimator=self, reset=True, learns=True, keeps_zeros=True)
            order = self._order()
            for epoch in range(self.max_epochs):
                self._learn(rows, order, is_spread=False)
                progress = self._progress
                if isinstance(progress.stage, WarmUp):
                    self._require_start(progress, progress.stage)
                    break
                if self.verbose:
                    print(f"pass {epoch + 1}: {progress.lower_bound:.6f} nats a row")
            self._take_columns(rows)
        return self

    def _learn(self, rows: Rows, order: np.random.RandomState | None = None, *, is_spread: bool) -> None:
        """Learn rows in a random order, or in theirs, from the start if there is nothing yet."""
        rule = rules.get(self.rule)
        progress: Progress | None = getattr(self, "_progress", None)
        batch_size = batch_size_of(self, rule)
        if order is None:
            parts = rows.parts(sys.maxsize if rule.makes_passes else batch_size)
        else:
            parts = rows.shuffled(order, batch_size)
        for X, weights in parts:
            progress = progress or begin(self, X.shape[1])
            progress = progress.learn(X, weights, self.n_threads, verbose=self.verbose, is_spread=is_spread)
        assert progress is not None  # there is at least one row
        self._progress = progress

    def _order(self) -> np.random.RandomState | None:
        """Return what `fit` draws the order of rows from; None where the rule takes them in theirs."""
        rule = rules.get(self.rule)
        is_time = rule.half_life(batch_size_of(self, rule)) is not None
        return None if rule.makes_passes or is_time else check_random_state(self.random_state)

    def _require_start(self, progress: Progress, stage: WarmUp) -> None:
        """Warn of a start that is all there is, or raise ValueError if it is none."""
        if stage.shortage:
            raise ValueError(stage.shortage)
        result = stage.result
        if progress.plan.rule.cold_start:
            warnings.warn(
                f"nothing but the scale was learned: n_samples={progress.n_rows} rows do not fill the start "
                f"of {stage.settings.size} rows; give more rows or a smaller `init_size`",
                ConvergenceWarning,
                stacklevel=4,
            )
        elif not result.converged:
            warnings.warn(
                f"EM did not converge in {result.n_iter} iterations", ConvergenceWarning, stacklevel=4
            )

    @fit_context(prefer_skip_nested_validation=True)
    def partial_fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> OnlineGaussianMixture:
        """Learn from more rows.

        Calls of any multiple of ``batch_size`` rows give the same model, bit for bit; a rest of fewer rows is
        learned at once, as a fraction of a mini-batch.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), path, or batches
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Not negative; a weight of 0 is the row left out, but for its place in a mini-batch.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad rows or weights, for parameters that have been set to others since the first rows, or for
            a rule that makes passes over all rows. The estimator stays as it was.
        """
        with self._all_or_nothing():
            first = not hasattr(self, "_progress")
            rule = rules.get(self.rule) if first else self._progress.plan.rule
            if rule.makes_passes:
                raise ValueError(
                    f"`partial_fit` needs a rule for streams, got {rule.name!r}, which makes passes over all "
                    "rows: call `fit` with `max_epochs`, or choose another rule"
                )
            if not first:
                now = self.get_params(deep=False)
                was = self._progress.parameters
                require_same({name: (was[name], now[name]) for name in FIXED}, "call `fit` to start anew")
            rows = rows_of(X, sample_weight, estimator=self, reset=first, learns=True, keeps_zeros=True)
            self._learn(rows, is_spread=self.rehearsal == "spread")
            if first:
                self._take_columns(rows)
        return self

    def sample(self, n_samples: int = 1) -> tuple[Array, Labels]:
        """Draw rows and the components they came from."""
        seed = check_random_state(self.random_state).randint(np.iinfo(np.int32).max)
        return self.to_mixture().sample(n_samples, int(seed))

    def to_mixture(self) -> Mixture:
        """Return the mixture learned so far."""
        return self._require_fitted().mixture

    @classmethod
    def from_mixture(cls, mixture: Mixture, *, n_rows: float = 1000, **params: Any) -> OnlineGaussianMixture:
        """Return an estimator that goes on learning from a mixture fitted elsewhere.

        Parameters
        ----------
        mixture : Mixture
        n_rows : float, default=1000
            How many rows the mixture stands for: the more, the less the next ones change it.
        **params
            Of the constructor, but for ``n_components`` and ``covariance_type``. Regularization and the weak
            prior are scaled to the mixture instead of to the first rows.

        Examples
        --------
        >>> from streamgmm import Mixture, OnlineGaussianMixture
        >>> mixture = Mixture([0.5, 0.5], [[-4.0], [4.0]], [[[1.0]], [[1.0]]])
        >>> model = OnlineGaussianMixture.from_mixture(mixture, n_rows=500, random_state=0)
        >>> model.partial_fit(mixture.sample(500, random_state=0)[0]).means_.round(1).ravel()
        array([-4.,  4.])
        """
        if not (np.isfinite(n_rows) and n_rows > 0):
            raise ValueError(f"`n_rows` must be positive and finite, got {n_rows}")
        model = cls(mixture.n_components, covariance_type=mixture.covariance_type, **params)
        validate_params(model)
        progress = begin(model, mixture.n_features)
        mean, scatter = algebra.moments(mixture.weights, mixture.means, mixture.covariance_matrices())
        reg_covar, prior = model.reg_covar, model.prior
        floor = 1e-6 * np.diag(scatter) if reg_covar is None else reg_covar
        if isinstance(prior, str):
            prior = weak_prior(mean, scatter, mixture.n_components)
        learner = Learner.start(
            progress.plan.rule,
            mixture,
            n_rows=n_rows,
            batch_size=progress.plan.batch_size,
            options=options(mixture.kind, mixture.n_components, mixture.n_features, floor, prior),
        )
        expected = float(mixture.log_prob(mixture.sample(1000, random_state=0)[0]).mean())
        start = BatchResult(mixture, True, 0, [expected])
        world = World.given(progress.plan, learner, n_rows)
        model._progress = replace(progress, stage=world, n_rows=round(n_rows), em=start, given=mixture)
        model.n_features_in_ = mixture.n_features
        return model

    weights_ = property(lambda self: self.to_mixture().weights)
    means_ = property(lambda self: self.to_mixture().means.copy())
    covariances_ = property(lambda self: self.to_mixture().covariances)
    precisions_ = property(lambda self: self.to_mixture().kind.covariances(self.precisions_cholesky_))
    n_samples_seen_ = property(lambda self: self._require_fitted().n_rows)
    events_ = property(lambda self: self._require_fitted().events)
    history_ = property(lambda self: self._require_fitted().history.per_row)
    history_every_ = property(lambda self: self._require_fitted().history.every)
    history_rows_ = property(lambda self: self._require_fitted().history_rows)
    n_refused_ = property(lambda self: self._require_fitted().n_refused)
    n_iter_ = property(lambda self: self._require_fitted().n_iter)
    lower_bound_ = property(lambda self: self._require_fitted().lower_bound)
    converged_ = property(lambda self: self._require_fitted().converged)

    @property
    def precisions_cholesky_(self) -> Array:  # noqa: D102
        mixture = self.to_mixture()
        return mixture.kind.precisions_cholesky(mixture.factor)

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "_progress")

    def _require_fitted(self) -> Progress:
        check_is_fitted(self)
        return self._progress
