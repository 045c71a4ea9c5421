"""How `OnlineGaussianMixture` begins: its parameters fit together, and it chooses sizes."""

from __future__ import annotations

from copy import deepcopy
from typing import TYPE_CHECKING

import numpy as np
from sklearn.utils import check_random_state

from streamgmm import covariance, rules
from streamgmm.fit.plan import Plan
from streamgmm.fit.size import FEW
from streamgmm.fit.start import BEST, Given
from streamgmm.rules import Rule

from ._fitting import AUTO
from ._history import History
from ._progress import Progress
from ._warmup import Settings, WarmUp

if TYPE_CHECKING:
    from .online import OnlineGaussianMixture

FIXED = (  # parameters that what has been learned depends on
    "n_components",
    "covariance_type",
    "rule",
    "batch_size",
    "init_size",
    "init_params",
    "weights_init",
    "means_init",
    "precisions_init",
    "reg_covar",
    "prior",
    "max_components",
    "memory_rows",
    "on_drift",
    "drift_detector",
)
_SCALE_ROWS = 100
_LEAST_SIZE, _FOR_EACH, _FOR_EACH_PARAMETER = 1000, 40, 2  # rows for the start
_MEMORY_ROWS, _MEMORY_ROWS_EACH = 20_000, 30  # and for each parameter
_MEMORY_VALUES = 1 << 23  # at most, 64 MiB
_STARTS = ("weights_init", "means_init", "precisions_init")


def batch_size_of(model: OnlineGaussianMixture, rule: Rule) -> int:
    """Return the rows of a mini-batch."""
    return 1 if rule.row_by_row else model.batch_size


def begin(model: OnlineGaussianMixture, n_features: int) -> Progress:
    """Return the progress of an estimator that has seen no rows.

    Raises
    ------
    ValueError
        If its parameters do not fit together.
    """
    rule, kind = rules.get(model.rule), covariance.get(model.covariance_type)
    _require_possible(model, rule)
    seed = int(check_random_state(model.random_state).randint(np.iinfo(np.int32).max))
    is_auto = model.n_components == AUTO
    least = 1 if is_auto else int(model.n_components)
    usual = min(FEW, model.max_components) if is_auto else least
    n_parameters = usual * (1 + n_features) + kind.n_parameters(usual, n_features)
    batch_size = batch_size_of(model, rule)
    size = batch_size * -(-max(_start_rows(model, rule, usual, n_parameters), least) // batch_size)
    names = ("covariance_type", "init_params", "reg_covar", "prior", "n_threads")
    settings = Settings(
        **{name: getattr(model, name) for name in names},
        n_components=least,
        n_most=model.max_components if is_auto else None,
        given=Given() if is_auto else model._given(n_features),
        seed=seed,
        cold_start=rule.cold_start,
        size=size,
        batch_size=batch_size,
    )
    plan = Plan(
        None if is_auto else least,
        model.max_components,
        model.covariance_type,
        rule,
        batch_size,
        model.reg_covar,
        model.prior,
        seed,
        size,
        _memory_rows(model, rule, n_parameters, n_features),
        model.on_drift,
        deepcopy(model.drift_detector),
    )
    warm_up = WarmUp(settings, np.empty((0, n_features)), np.empty(0))
    return Progress(plan, {name: getattr(model, name) for name in FIXED}, warm_up, History(), 0)


def _start_rows(model: OnlineGaussianMixture, rule: Rule, n_components: int, n_parameters: int) -> int:
    if model.init_size is not None:
        return model.init_size
    if rule.cold_start:
        return _SCALE_ROWS
    return max(_LEAST_SIZE, _FOR_EACH * n_components, _FOR_EACH_PARAMETER * n_parameters)


def _memory_rows(model: OnlineGaussianMixture, rule: Rule, n_parameters: int, n_features: int) -> int:
    if model.memory_rows is not None:
        return model.memory_rows
    wanted = min(_MEMORY_ROWS_EACH * n_parameters, _MEMORY_VALUES // n_features)
    return max(_MEMORY_ROWS, wanted) if rule.rehearses else 0


def _require_possible(model: OnlineGaussianMixture, rule: Rule) -> None:
    """Raise ValueError if the parameters do not fit together."""
    rule.require_fit(covariance.get(model.covariance_type))
    rule.require_prior(model.prior is not None)
    if model.memory_rows and not rule.rehearses:
        raise ValueError(f"rule {rule.name!r} takes no `memory_rows`: leave it None, got {model.memory_rows}")
    detector = model.drift_detector
    if detector is not None and not hasattr(detector, "drift_detected"):
        raise ValueError(
            "`drift_detector` must have a method `update` and an attribute `drift_detected`, as River's "
            f"detectors have, got {detector!r}"
        )
    if model.n_components != AUTO:
        return
    if model.init_params != BEST or any(getattr(model, name) is not None for name in _STARTS):
        raise ValueError(
            "`n_components='auto'` must find starts of its own: leave `init_params`, `weights_init`, "
            "`means_init` and `precisions_init` out"
        )
    if not rule.rehearses or model.memory_rows == 0:
        raise ValueError(
            "`n_components='auto'` needs a memory of rows to compare numbers on: give a rule for streams "
            f"and a positive `memory_rows`, got rule {rule.name!r} and memory_rows={model.memory_rows}"
        )
