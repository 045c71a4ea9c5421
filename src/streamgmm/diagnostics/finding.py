"""A finding: data until it is printed, and a plain sentence when it is."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ._words import listed, number


@dataclass(frozen=True, eq=False, repr=False)
class Finding(str):
    """What is wrong and what to do about it: a sentence, and the same as data.

    Parameters
    ----------
    kind : str
        What was found, such as "spike" or "crawling".
    message : str
        The sentence without its remedies, a template for `str.format`. Its fields are the values' names and
        ``components``, ``features``, ``columns`` (the features as a list), and 0, 1, ... for one of them.
    values : mapping
        The numbers that the sentence tells.
    remedies : tuple of str
        What to do, one of these.
    components, features : tuple of int
        Which ones the sentence is about.

    Examples
    --------
    >>> from streamgmm.diagnostics import Finding
    >>> message = "It is {sd} wide along {features}."
    >>> finding = Finding("flat", message, {"sd": 0.0}, ("drop it",), features=(1,))
    >>> print(finding)
    It is 0 wide along feature 1. Remedy: drop it.
    >>> finding.text(["height", "weight"])
    "It is 0 wide along 'weight'. Remedy: drop it."
    """

    kind: str
    message: str
    values: Mapping[str, Any]
    remedies: tuple[str, ...] = ()
    components: tuple[int, ...] = ()
    features: tuple[int, ...] = ()

    def __new__(cls, *fields: Any, **named: Any) -> Finding:  # noqa: D102
        blank = super().__new__(cls)
        Finding.__init__(blank, *fields, **named)
        return super().__new__(cls, blank.text())

    def __getnewargs__(self) -> tuple[Any, ...]:
        return tuple(vars(self).values())

    def text(self, feature_names: Sequence[str] | None = None, **instead: Any) -> str:
        """Return the sentence with the features' names, or their numbers, and values in place of its own."""
        names = feature_names
        words = [f"feature {a}" if names is None else repr(names[a]) for a in self.features]
        features, columns = listed(words), ", ".join(words)
        if names is None:
            features = f"feature{'s' if len(words) > 1 else ''} {listed(self.features)}"
            columns = str([*self.features])
        values = {**self.values, **instead}
        shown = {name: number(value) if isinstance(value, float) else value for name, value in values.items()}
        shown |= {"components": listed(self.components), "features": features, "columns": columns}
        said = self.message.format(*words, **shown)
        return f"{said} Remedy: {listed(self.remedies, ', or ')}." if self.remedies else said


def told(warning: Warning | str, feature_names: Sequence[str] | None = None, **instead: Any) -> str:
    """Return what a warning says, with the features' names if it is a finding."""
    said = warning.args[0] if isinstance(warning, Warning) and warning.args else warning
    return said.text(feature_names, **instead) if isinstance(said, Finding) else str(warning)
