"""Learning from a source: batch after batch, pass after pass, with an eye on it if somebody asks."""

from __future__ import annotations

import time
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any, NamedTuple

from ._output import tell, warnings_as_lines
from ._rows import progress
from ._units import log_volume, standardization, unstandardize

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    from streamgmm.estimators import OnlineGaussianMixture
    from streamgmm.fit.events import Event
    from streamgmm.mixture import Mixture
    from streamgmm.report import Watch
    from streamgmm.sources import Batch, Source
    from streamgmm.statistics import Array

    from ._units import Standardization


class Learned(NamedTuple):
    """What came of learning, in the data's units.

    Attributes
    ----------
    mixture : Mixture
    log_likelihood : float
        In nats a row; NaN if it is not known yet.
    n_rows : int
        Rows seen, as often as they were read.
    seconds : float
    history, history_rows : ndarray of shape (n_batches,)
    warnings : tuple of str
        As they were printed.
    events : tuple of Event
    watch : Watch or None
    """

    mixture: Mixture
    log_likelihood: float
    n_rows: int
    seconds: float
    history: Array
    history_rows: NDArray[Any]
    warnings: tuple[str, ...]
    events: tuple[Event, ...]
    watch: Watch | None


def learn(
    estimator: OnlineGaussianMixture,
    source: Source,
    files: Sequence[str],
    *,
    passes: int,
    standardize: bool,
    watch: Watch | None,
) -> Learned:
    """Let an estimator learn the rows of a source; errors name the files, warnings the columns.

    Events are told as they happen. Watched or not, it learns the same. Files are learned in random order, as
    `fit` of the estimator does.
    """
    units: Standardization | None = None
    told_events = 0
    start = time.perf_counter()
    in_units = {"row": "one"} if standardize else {}  # the estimator's row is not in the data's
    with (
        warnings_as_lines(source.names, **in_units) as told,
        progress(source, n_passes=passes) as watched,
    ):
        order = estimator._order() if source.rereadable else None
        for index in range(passes):
            for rows in _read(source, watched, order):
                if standardize and units is None:
                    units = standardization(rows, source.names)
                X = rows if units is None else (rows - units.center) / units.scale
                with in_files(files):
                    if watch is None:
                        estimator.partial_fit(X)
                    else:
                        watch = watch.learn(estimator, X, rows if index == 0 else None)
                told_events = _tell_events(estimator, told_events)
            if index + 1 < passes and len(estimator.history_) == 0:
                say = "all rows are held and fitted by EM, to which more passes would add nothing"
                warnings.warn(say, stacklevel=2)
                break
        with in_files(files):
            mixture = estimator.to_mixture()
    learned = Learned(
        mixture,
        estimator.lower_bound_,
        estimator.n_samples_seen_,
        time.perf_counter() - start,
        estimator.history_,
        estimator.history_rows_,
        tuple(told),
        estimator.events_,
        watch,
    )
    return learned if units is None else _in_units(learned, units)


def _tell_events(estimator: OnlineGaussianMixture, n_told: int) -> int:
    """Print new events, but for those of which the estimator warns; return how many there are."""
    from streamgmm.estimators._progress import WARNED

    events = estimator.events_
    for event in events[n_told:]:
        if event.reason not in WARNED:
            tell(str(event))
    return len(events)


def _read(
    source: Source,
    watched: Callable[[Iterator[Batch]], Iterator[NDArray[Any]]],
    order: np.random.RandomState | None,
) -> Iterator[NDArray[Any]]:
    """Yield the rows of one pass, as many at a time as the source has in a batch."""
    from streamgmm.fit.memory import NO_WEIGHTS
    from streamgmm.fit.shuffle import Orders, regrouped, shuffled

    if order is None:
        yield from watched(source.batches())
        return
    orders = Orders.draw(order)
    parts = ((rows, NO_WEIGHTS) for rows in watched(source.batches(order=orders.pieces)))
    for rows, _ in regrouped(shuffled(parts, orders.rows), source.batch_rows):
        yield rows


def _in_units(learned: Learned, units: Standardization) -> Learned:
    """Put what was learned of standardized rows into the data's units."""

    def moved(mixture: Mixture) -> Mixture:
        return unstandardize(mixture, units.center, units.scale)

    volume = log_volume(units)
    return learned._replace(
        mixture=moved(learned.mixture),
        log_likelihood=learned.log_likelihood - volume,
        history=learned.history - volume,
        watch=None if learned.watch is None else learned.watch.moved(moved),
    )


@contextmanager
def in_files(files: Sequence[str]) -> Iterator[None]:
    """Name the files in what the estimator says of their rows."""
    try:
        yield
    except ValueError as error:
        raise ValueError(f"{', '.join(files)}: {error}") from error
