"""A rule as settings that JSON can hold, and back."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from typing import Any

import numpy as np

from . import schedules, transforms


def encoded(value: Any) -> Any:
    """Return a setting as JSON holds it.

    Raises
    ------
    ValueError
        If it is an object that is not one of this package's.
    """
    if value is None or isinstance(value, (bool, int, float, str)):
        return value
    if isinstance(value, (np.bool_, np.number)):
        return value.item()
    if isinstance(value, (tuple, list)):
        return [encoded(item) for item in value]
    if isinstance(value, Mapping):
        return {"mapping": {str(key): encoded(item) for key, item in value.items()}}
    name = type(value).__name__
    if is_dataclass(value) and _classes().get(name) is type(value):
        return {name: {field.name: encoded(getattr(value, field.name)) for field in fields(value)}}
    raise ValueError(f"a rule's settings must be numbers, names, schedules and transforms, got {value!r}")


def decoded(value: Any) -> Any:
    """Return the setting that `encoded` wrote."""
    if isinstance(value, list):
        return tuple(decoded(item) for item in value)
    if not isinstance(value, Mapping):
        return value
    (name, content), *rest = value.items()
    if rest or not (name == "mapping" or name in _classes()):
        raise ValueError(f"a setting must be one of this version's, got {', '.join(map(repr, value))}")
    settings = {key: decoded(item) for key, item in content.items()}
    return settings if name == "mapping" else _classes()[name](**settings)


def _classes() -> dict[str, type]:
    """Return the classes whose objects may be settings, by name."""
    modules = (schedules, transforms)
    found = (getattr(module, name) for module in modules for name in module.__all__)
    return {one.__name__: one for one in found if isinstance(one, type) and is_dataclass(one)}
