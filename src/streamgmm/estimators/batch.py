"""GaussianMixture: scikit-learn's class, faster, with weights, priors and other solvers."""

from __future__ import annotations

import warnings
from dataclasses import KW_ONLY, dataclass
from numbers import Integral, Real
from typing import Any, ClassVar

import numpy as np
from sklearn.exceptions import ConvergenceWarning
from sklearn.utils import check_random_state
from sklearn.utils.validation import check_is_fitted

from streamgmm import covariance
from streamgmm._compat.sklearn import Hidden, Interval, StrOptions, fit_context
from streamgmm.covariance import CovarianceType
from streamgmm.fit.batch import BatchResult
from streamgmm.fit.rows import SAMPLE, Rows, rows_of
from streamgmm.fit.solvers import SOLVERS
from streamgmm.fit.start import BEST, METHODS
from streamgmm.mixture import Mixture
from streamgmm.priors import ConjugatePrior
from streamgmm.statistics import Array

from ._fitting import AUTO, fitted, last_bound
from ._reading import CONSTRAINTS, ReadingMixin, attributes_of, require_same

_NOT_CONVERGED = (
    "Best performing initialization did not converge. Try different init parameters, or increase max_iter, "
    "tol, or check for degenerate data."
)


@dataclass(eq=False, repr=False)
class GaussianMixture(ReadingMixin):
    """Gaussian mixture fitted to all rows: scikit-learn's, with more to it.

    Parameters, methods, attributes, warnings and errors are those of `sklearn.mixture.GaussianMixture`. With
    nothing given for the fit it finds better optima: the best of several starts, and EM that stops where
    little is left to gain. If one of ``tol``, ``reg_covar``, ``max_iter``, ``n_init``, ``init_params`` and
    the starts is given, the others have scikit-learn's values, and each iteration is the same, up to 65536
    rows from the same start: ``init_params="kmeans"`` alone gives scikit-learn's numbers. What follows
    ``verbose_interval`` is new, as are sample weights and rows that do not fit into memory.

    Parameters
    ----------
    n_components : int or "auto", default=1
        "auto" is `streamgmm.select` for this covariance type: the number with the lowest BIC, each fit with a
        weak prior unless another is given.
    covariance_type : {"full", "tied", "diag", "spherical"}, default="full"
    tol : float, optional
        1e-5 nats a row: EM stops when, by extrapolation, less is left to gain. scikit-learn's: 1e-3, at a
        change of the mean log-likelihood by less. Accelerated EM wants that twice in a row, "sgd" and
        "online-em" from one pass to the next; L-BFGS stops at a relative change of tol / 1000.
    reg_covar : float, optional
        Variance added to each feature at each M-step: a millionth of the feature's own, or of what the middle
        half of the rows says if that is less, so that units do not matter. scikit-learn's: 1e-6. "lbfgs"
        climbs instead a log-likelihood with the penalty that stands for it
        (`streamgmm.fit.penalty.penalty_of`).
    max_iter : int, optional
        Iterations, 1000 (scikit-learn's: 100); passes over the rows for all but "lbfgs".
    n_init : int, optional
        Starts, on all cores, 1 by default; the best fit is kept.
    init_params : {"best", "kmeans", "k-means++", "random", "random_from_data"}, optional
        "best" tries k-means in several metrics, with a few steps of EM each
        (`streamgmm.fit.start.several.find_start`). The others are scikit-learn's. Starts for more than 65536
        rows are found on a sample of 8192, in which those are not missing that are few and far from all
        others.
    weights_init : array-like of shape (n_components,), optional
    means_init : array-like of shape (n_components, n_features), optional
    precisions_init : array-like, optional
        Inverse covariances, in the shape of the covariance type.
    random_state : int, RandomState instance or None, default=None
    warm_start : bool, default=False
    verbose : int, default=0
    verbose_interval : int, default=10
    solver : {"auto", "em", "accelerated-em", "lbfgs", "sgd", "online-em"}, default="auto"
        "auto" is EM, on many rows accelerated; with scikit-learn's values it is "em". "accelerated-em" needs
        far fewer passes where components overlap; so does "lbfgs"; "sgd" (preconditioned gradient ascent) and
        "online-em" learn from mini-batches of 256 rows in random order.
    search : bool, default=False
        Whether to go on from the optimum of the start: as long as that leads higher, two components are
        merged where one is split (`streamgmm.fit.search.improve`). Better than any number of ``n_init``, and
        faster.
    prior : {None, "weak"} or ConjugatePrior, default=None
        "weak" is mclust's conjugate prior, scaled to the rows: no component collapses.
    n_threads : int, optional
        All cores by default; results do not depend on it.

    Attributes
    ----------
    weights_ : ndarray of shape (n_components,)
    means_ : ndarray of shape (n_components, n_features)
    covariances_, precisions_, precisions_cholesky_ : ndarray
        In scikit-learn's shapes; float32 after a fit to float32 rows, which `to_mixture` does not round.
    converged_ : bool
    n_iter_ : int
    lower_bound_ : float
        Mean log-likelihood of a row before the last M-step; with a prior, too, it is the likelihood alone.
    lower_bounds_ : list of float
    n_features_in_ : int
    feature_names_in_ : ndarray of shape (n_features,)

    Notes
    -----
    It differs from scikit-learn 1.9 where that is wrong: covariances keep their digits far from the origin,
    integer rows are scored like floats, a component without rows keeps its place, and starts from
    ``n_components`` rows have weights that sum to one.

    Examples
    --------
    >>> import numpy as np
    >>> from streamgmm import GaussianMixture
    >>> X = np.array([[1, 2], [1, 4], [1, 0], [10, 2], [10, 4], [10, 0]])
    >>> model = GaussianMixture(n_components=2, random_state=0).fit(X)
    >>> model.means_[model.predict([[0, 0], [12, 3]])]
    array([[ 1.,  2.],
           [10.,  2.]])
    """

    n_components: int | str = 1
    _: KW_ONLY
    covariance_type: str = "full"
    tol: float | None = None
    reg_covar: float | None = None
    max_iter: int | None = None
    n_init: int | None = None
    init_params: str | None = None
    weights_init: Any = None
    means_init: Any = None
    precisions_init: Any = None
    random_state: Any = None
    warm_start: bool = False
    verbose: int = 0
    verbose_interval: int = 10
    solver: str = "auto"
    search: bool = False
    prior: str | ConjugatePrior | None = None
    n_threads: int | None = None

    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        **CONSTRAINTS,
        # hidden: what scikit-learn's messages do not name
        "n_components": [*CONSTRAINTS["n_components"], Hidden(StrOptions({AUTO}))],
        "tol": [Interval(Real, 0.0, None, closed="left"), Hidden(None)],
        "reg_covar": [Interval(Real, 0.0, None, closed="left"), Hidden(None)],
        "max_iter": [Interval(Integral, 0, None, closed="left"), Hidden(None)],
        "n_init": [Interval(Integral, 1, None, closed="left"), Hidden(None)],
        "init_params": [StrOptions({BEST, *METHODS}), Hidden(None)],
        "warm_start": ["boolean"],
        "verbose_interval": [Interval(Integral, 1, None, closed="left")],
        "solver": [StrOptions(set(SOLVERS))],
        "search": ["boolean"],
    }

    @fit_context(prefer_skip_nested_validation=True)
    def fit(self, X: Any, y: Any = None, sample_weight: Any = None) -> GaussianMixture:
        """Fit the mixture to rows.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features), path, or batches
            An array, memory-mapped or not, or a frame; or rows that are read again for every pass, in memory
            for one batch: a file, a glob or a list of them (see `streamgmm.sources.open_source`), an object
            that yields arrays of rows each time it is iterated, or a function that returns an iterator.
        y : ignored
        sample_weight : array-like of shape (n_samples,), optional
            Not negative; a weight of 2 is the row twice, a weight of 0 the row left out.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            For bad rows, weights or starts, fewer rows than components, or, without ``reg_covar`` and
            ``prior``, a component that collapses. The estimator stays as it was.
        """
        with self._all_or_nothing():
            rows = rows_of(X, sample_weight, estimator=self, **self._how_to_read())
            result = fitted(self, rows)
            self._keep(result, rows)
            if not result.converged and self.max_iter != 0:
                warnings.warn(_NOT_CONVERGED, ConvergenceWarning, stacklevel=3)
        return self

    def _keep(self, result: BatchResult, rows: Rows) -> None:
        """Make a result the fit."""
        self._take_columns(rows)
        self._write(result, rows.dtype)

    def _how_to_read(self) -> dict[str, Any]:
        size = SAMPLE if self.n_components == AUTO else max(SAMPLE, 100 * self.n_components)
        return {"reset": True, "at_least": 2, "learns": True, "sample_size": size}

    def sample(self, n_samples: int = 1) -> tuple[Array, np.ndarray[Any, np.dtype[np.int64]]]:
        """Draw rows, as scikit-learn draws them: component by component.

        Parameters
        ----------
        n_samples : int, default=1

        Returns
        -------
        X : ndarray of shape (n_samples, n_features)
        y : ndarray of shape (n_samples,)
            The components that they came from.
        """
        check_is_fitted(self)
        if n_samples < 1:
            raise ValueError(
                f"Invalid value for 'n_samples': {n_samples} . The sampling requires at least one sample."
            )
        rng = check_random_state(self.random_state)
        weights = np.asarray(self.weights_, dtype=np.float64)
        counts = rng.multinomial(n_samples, weights / weights.sum())
        kind = self._kind("covariances_")
        parts = [
            mean + kind.draw(rng, self.covariances_, k, int(count), len(mean))
            for k, (mean, count) in enumerate(zip(self.means_, counts, strict=True))
        ]
        return np.vstack(parts), np.repeat(np.arange(len(counts)), counts)

    def to_mixture(self) -> Mixture:
        """Return the mixture of the fitted attributes, also after they were set by hand."""
        check_is_fitted(self)
        names = ("weights_", "means_", "precisions_cholesky_")
        learned = getattr(self, "_learned", None)
        if learned is not None and all(np.array_equal(getattr(self, n), learned[1][n]) for n in names):
            return learned[0]
        weights, means, root = (np.asarray(getattr(self, n), dtype=np.float64) for n in names)
        kind = self._kind("precisions_cholesky_")
        factor = kind.from_precisions_cholesky(root)
        with np.errstate(divide="ignore"):
            return Mixture.from_factor(np.log(weights), means, factor, kind.name)

    @classmethod
    def from_mixture(cls, mixture: Mixture, **params: Any) -> GaussianMixture:
        """Return an estimator fitted elsewhere: its attributes are the mixture's.

        Parameters
        ----------
        mixture : Mixture
        **params
            Of the constructor, but for ``n_components`` and ``covariance_type``.

        Examples
        --------
        >>> from streamgmm import GaussianMixture, Mixture
        >>> model = GaussianMixture.from_mixture(Mixture([1.0], [[2.0]], [[[4.0]]]))
        >>> model.predict_proba([[0.0]]), model.covariances_.ravel()
        (array([[1.]]), array([4.]))
        """
        model = cls(mixture.n_components, covariance_type=mixture.covariance_type, **params)
        model.n_features_in_ = mixture.n_features
        model._write(BatchResult(mixture, False, 0, []), np.float64)
        return model

    @classmethod
    def from_sklearn(cls, model: Any) -> GaussianMixture:
        """Return this estimator with the parameters, and the fit if there is one, of scikit-learn's.

        Fitted again, it gives scikit-learn's numbers: all of scikit-learn's values are given, also those that
        were defaults.

        Parameters
        ----------
        model : sklearn.mixture.GaussianMixture

        Examples
        --------
        >>> from sklearn.mixture import GaussianMixture as Other
        >>> from streamgmm import GaussianMixture
        >>> GaussianMixture.from_sklearn(Other(3, tol=1e-5))
        GaussianMixture(init_params='kmeans', max_iter=100, n_components=3, n_init=1,
                        reg_covar=1e-06, tol=1e-05)
        """
        ours = cls(**model.get_params(deep=False))
        for name, value in vars(model).items():
            if name.endswith("_") and not name.startswith("_"):
                setattr(ours, name, value.copy() if isinstance(value, np.ndarray) else value)
        if hasattr(ours, "precisions_cholesky_"):
            ours._remember(ours.to_mixture())
        return ours

    def _kind(self, name: str) -> CovarianceType:
        """Return the covariance type of fitted attributes: the parameter may have been set since the fit."""
        kind = covariance.get(self.covariance_type)
        learned = getattr(self, "_learned", None)
        if learned is None:
            return kind
        fits = np.shape(getattr(self, name)) == learned[0].kind.shape(*np.shape(self.means_))
        return learned[0].kind if fits else kind

    def _start_again(self, n_features: int) -> Mixture:
        """Return the fitted mixture, from which ``warm_start`` goes on."""
        mixture = self.to_mixture()
        n_components = mixture.n_components if self.n_components == AUTO else self.n_components
        require_same(
            {
                "n_components": (mixture.n_components, n_components),
                "covariance_type": (mixture.covariance_type, self.covariance_type),
                "n_features_in_": (mixture.n_features, n_features),
            },
            "set `warm_start=False`",
        )
        return mixture

    def _write(self, result: BatchResult, dtype: Any) -> None:
        """Set the fitted attributes."""
        for name, value in attributes_of(result.mixture, dtype).items():
            setattr(self, name, value)
        self._remember(result.mixture)
        self.converged_ = result.converged
        self.n_iter_ = result.n_iter
        self.lower_bound_ = last_bound(result)
        self.lower_bounds_ = list(result.lower_bounds)

    def _remember(self, mixture: Mixture) -> None:
        """Keep the mixture, which knows more digits, beside the attributes that it gave."""
        names = ("weights_", "means_", "precisions_cholesky_")
        self._learned = (mixture, {name: np.array(getattr(self, name)) for name in names})
