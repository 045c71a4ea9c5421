"""Real measurements, bundled with their attribution (see PROVENANCE.md beside the files)."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch


def load_faithful() -> Bunch:
    """Load the eruptions of Old Faithful: 272 rows, duration and waiting time in minutes.

    Returns
    -------
    Bunch
        ``data`` (272, 2) and ``feature_names``. From Azzalini and Bowman (1990), Applied Statistics 39,
        357-365.

    Examples
    --------
    >>> from streamgmm.datasets import load_faithful
    >>> load_faithful().data.shape
    (272, 2)
    """
    return _load("old_faithful.csv", ["eruption_min", "waiting_min"])


def load_hillenbrand() -> Bunch:
    """Load American English vowels: 1668 rows, duration in ms, and F0 to F3 in Hz.

    Returns
    -------
    Bunch
        ``data`` (1668, 5), ``feature_names``, ``target`` (the vowel of each row) and ``speaker``. From
        Hillenbrand, Getty, Clark and Wheeler (1995), JASA 97, 3099-3111, by way of the R package phonTools.

    Examples
    --------
    >>> from streamgmm.datasets import load_hillenbrand
    >>> vowels = load_hillenbrand()
    >>> vowels.data.shape, len(set(vowels.target))
    ((1668, 5), 12)
    """
    names = ["dur_ms", "f0_hz", "f1_hz", "f2_hz", "f3_hz"]
    return _load("hillenbrand_1995_vowels.csv", names, target="vowel", speaker="speaker")


def _load(file: str, names: list[str], **labels: str) -> Bunch:
    text = (files("streamgmm.datasets") / "data" / file).read_text(encoding="utf-8")
    rows = list(csv.DictReader(text.splitlines()))
    data = np.array([[float(row[name]) for name in names] for row in rows])
    columns = {name: np.array([row[column] for row in rows]) for name, column in labels.items()}
    return Bunch(data=data, feature_names=names, **columns)
