"""Rules: how a mixture changes when statistics arrive. A new rule is one file and one line here."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from . import schedules, transforms
from ._base import Rule, RuleState
from ._settings import decoded, encoded
from .annealed import AnnealedSGD
from .em import EM
from .gradient import GradientAscent
from .natural import NaturalGradient
from .online_em import OnlineEM
from .sem_vr import SEMVR

_RULES: dict[str, type[Rule]] = {
    rule.name: rule for rule in (EM, OnlineEM, SEMVR, NaturalGradient, GradientAscent, AnnealedSGD)
}

__all__ = [
    "EM",
    "SEMVR",
    "AnnealedSGD",
    "GradientAscent",
    "NaturalGradient",
    "OnlineEM",
    "Rule",
    "RuleState",
    "from_settings",
    "get",
    "names",
    "schedules",
    "streaming",
    "to_settings",
    "transforms",
]


def names() -> tuple[str, ...]:
    """Return the names of the rules.

    Examples
    --------
    >>> from streamgmm import rules
    >>> rules.names()
    ('em', 'online-em', 'sem-vr', 'natural-gradient', 'gradient', 'annealed-sgd')
    """
    return tuple(_RULES)


def streaming() -> tuple[str, ...]:
    """Return the names of the rules that learn from a stream; the others make passes over finite rows.

    Examples
    --------
    >>> from streamgmm import rules
    >>> set(rules.names()) - set(rules.streaming())
    {'sem-vr'}
    """
    return tuple(name for name, rule in _RULES.items() if not rule.makes_passes)


def get(rule: str | Rule) -> Rule:
    """Return the rule of this name with its default settings, or the rule itself.

    Raises
    ------
    ValueError
        If there is no such rule.
    """
    if isinstance(rule, Rule):
        return rule
    if not isinstance(rule, str) or rule not in _RULES:
        known = ", ".join(map(repr, _RULES))
        raise ValueError(f"`rule` must be one of {known} or a rule object, got {rule!r}")
    return _RULES[rule]()


def to_settings(rule: Rule) -> dict[str, Any]:
    """Return a rule's name and settings, as JSON holds them.

    Raises
    ------
    ValueError
        If the rule, or a setting, is an object that is not one of this package's.

    Examples
    --------
    >>> from streamgmm import rules
    >>> rules.to_settings(rules.OnlineEM(rules.schedules.HalfLife(1000)))
    {'name': 'online-em', 'schedule': {'HalfLife': {'rows': 1000}}}
    """
    if _RULES.get(rule.name) is not type(rule):
        raise ValueError(f"only one of this package's rules can be written as settings, got {rule!r}")
    return {"name": rule.name, **{key: encoded(value) for key, value in rule.settings().items()}}


def from_settings(settings: Mapping[str, Any]) -> Rule:
    """Return the rule that `to_settings` wrote.

    Raises
    ------
    ValueError
        If there is no such rule, or a setting is none of its.

    Examples
    --------
    >>> from streamgmm import rules
    >>> rules.from_settings({"name": "natural-gradient", "schedule": {"Constant": {"value": 0.1}}})
    NaturalGradient(schedule=Constant(value=0.1))
    """
    arguments = {key: decoded(value) for key, value in settings.items() if key != "name"}
    rule = type(get(settings.get("name", "")))
    try:
        return rule(**arguments)
    except TypeError as error:
        raise ValueError(f"rule {rule.name!r}: {error}") from None
