"""Real measurements, bundled with their attribution (see data/PROVENANCE.md)."""

from __future__ import annotations

import csv
from importlib.resources import files

import numpy as np
from sklearn.utils import Bunch

_VOWELS = {
    "hillenbrand": ("hillenbrand_1995_vowels.csv", ["dur_ms", "f0_hz", "f1_hz", "f2_hz", "f3_hz"]),
    "peterson-barney": ("peterson_barney_1952_vowels.csv", ["f0_hz", "f1_hz", "f2_hz", "f3_hz"]),
}


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


def load_vot() -> Bunch:
    """Load word-initial stops of American English: 589 measured tokens, all times in ms.

    Returns
    -------
    Bunch
        ``data`` (589, 4): voice onset time, duration of the vowel, of the closure and of the aspiration, with
        their ``feature_names``; ``target`` ("voiced" or "voiceless"), ``word`` and ``talker``. From Allen and
        Miller (1999), JASA 106, 2031-2039, experiment 1, by way of the R package votcorpora; 11 of its 600
        rows have no measurements and are left out.

    Examples
    --------
    >>> from streamgmm.datasets import load_vot
    >>> stops = load_vot()
    >>> stops.data.shape, float(stops.data[stops.target == "voiced", 0].mean().round(1))
    ((589, 4), 15.8)
    """
    names = ["vot_ms", "vowel_ms", "closure_ms", "aspiration_ms"]
    return _load("allen_miller_1999_vot.csv", names, target="voicing", word="word", talker="talker")


def load_vowels(name: str = "hillenbrand") -> Bunch:
    """Load vowels of American English.

    Parameters
    ----------
    name : {"hillenbrand", "peterson-barney"}, default="hillenbrand"
        "hillenbrand": 1668 rows, 12 vowels of 139 talkers; duration in ms, and F0 to F3 in Hz; some F2 and F3
        are imputed. "peterson-barney": 1520 rows, 10 vowels of 76 talkers; F0 to F3 in Hz.

    Returns
    -------
    Bunch
        ``data`` (n_samples, 5 or 4), ``feature_names``, ``target`` (the vowel of each row) and ``speaker``.
        From Hillenbrand, Getty, Clark and Wheeler (1995), JASA 97, 3099-3111, and Peterson and Barney (1952),
        JASA 24, 175-184, by way of the R package phonTools.

    Raises
    ------
    ValueError
        If there is no data of this name.

    Examples
    --------
    >>> from streamgmm.datasets import load_vowels
    >>> vowels = load_vowels("hillenbrand")
    >>> vowels.data.shape, len(set(vowels.target))
    ((1668, 5), 12)
    >>> load_vowels("peterson-barney").data.shape
    (1520, 4)
    """
    if not isinstance(name, str) or name not in _VOWELS:
        raise ValueError(f"`name` must be one of {', '.join(map(repr, _VOWELS))}, got {name!r}")
    file, names = _VOWELS[name]
    return _load(file, names, target="vowel", speaker="speaker")


def _load(file: str, names: list[str], **labels: str) -> Bunch:
    text = (files("streamgmm.datasets") / "data" / file).read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row[names[0]]]
    data = np.array([[float(row[name]) for name in names] for row in rows])
    columns = {name: np.array([row[column] for row in rows]) for name, column in labels.items()}
    return Bunch(data=data, feature_names=names, **columns)
