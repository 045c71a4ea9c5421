"""Real measurements, bundled with their attribution (see PROVENANCE.md beside the files)."""

from __future__ import annotations

import csv
from collections.abc import Iterator, Sequence
from importlib.resources import files
from typing import Any

import numpy as np
from sklearn.utils import Bunch

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

__all__ = ["load_faithful", "load_vot", "load_vowels", "make_phonetic_stream", "phonetic_categories"]

_VOWELS = {
    "hillenbrand": ("hillenbrand_1995_vowels.csv", ["dur_ms", "f0_hz", "f1_hz", "f2_hz", "f3_hz"]),
    "peterson-barney": ("peterson_barney_1952_vowels.csv", ["f0_hz", "f1_hz", "f2_hz", "f3_hz"]),
}
# (means), (standard deviations) of voiced and voiceless stops
_STOPS = {
    "vot_ms": ((15.8, 70.2), (7.1, 18.7)),
    "vowel_ms": ((188.0, 169.8), (45.3, 43.9)),
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


def phonetic_categories(cues: Sequence[str] = ("vot_ms", "vowel_ms")) -> Mixture:
    """Return the voiced and the voiceless stops of English as a mixture, from published statistics.

    Parameters
    ----------
    cues : sequence of {"vot_ms", "vowel_ms"}, default=("vot_ms", "vowel_ms")
        Voice onset time and duration of the vowel, in ms.

    Returns
    -------
    Mixture
        Component 0 is voiced, 1 voiceless, equally frequent, with independent cues: means and standard
        deviations of Allen and Miller (1999), JASA 106, 2031-2039.

    Raises
    ------
    ValueError
        If there is no such cue, or none.

    Examples
    --------
    >>> from streamgmm.datasets import phonetic_categories
    >>> phonetic_categories(["vot_ms"]).means.ravel()
    array([15.8, 70.2])
    """
    cues = list(cues)
    known = ", ".join(map(repr, _STOPS))
    if not cues or any(cue not in _STOPS for cue in cues):
        raise ValueError(f"`cues` must be some of {known}, got {cues!r}")
    means, sds = np.array([_STOPS[cue] for cue in cues]).transpose(1, 2, 0)
    return Mixture([0.5, 0.5], means, sds**2, "diag")


def make_phonetic_stream(
    cues: Sequence[str] = ("vot_ms", "vowel_ms"),
    *,
    batch_size: int = 1000,
    random_state: int | np.random.Generator | None = None,
) -> Iterator[tuple[Array, np.ndarray[Any, np.dtype[np.str_]]]]:
    """Generate stops without end, in batches, from published category statistics.

    Parameters
    ----------
    cues : sequence of {"vot_ms", "vowel_ms"}, default=("vot_ms", "vowel_ms")
        See `phonetic_categories`.
    batch_size : int, default=1000
    random_state : int or numpy.random.Generator, optional

    Returns
    -------
    iterator of (X, voicing)
        X (batch_size, n_cues) in ms, voicing (batch_size,) "voiced" or "voiceless".

    Raises
    ------
    ValueError
        If there is no such cue, or the batches are empty.

    Examples
    --------
    >>> from streamgmm.datasets import make_phonetic_stream
    >>> X, voicing = next(make_phonetic_stream(batch_size=3, random_state=0))
    >>> X.shape, voicing
    ((3, 2), array(['voiceless', 'voiced', 'voiced'], dtype='<U9'))
    """
    if not (float(batch_size).is_integer() and batch_size >= 1):
        raise ValueError(f"`batch_size` must be a positive integer, got {batch_size}")
    return _stops(phonetic_categories(cues), int(batch_size), np.random.default_rng(random_state))


def _stops(
    mixture: Mixture, batch_size: int, rng: np.random.Generator
) -> Iterator[tuple[Array, np.ndarray[Any, np.dtype[np.str_]]]]:
    voicing = np.array(["voiced", "voiceless"])
    while True:
        X, labels = mixture.sample(batch_size, rng)
        yield X, voicing[labels]


def _load(file: str, names: list[str], **labels: str) -> Bunch:
    text = (files("streamgmm.datasets") / "data" / file).read_text(encoding="utf-8")
    rows = [row for row in csv.DictReader(text.splitlines()) if row[names[0]]]
    data = np.array([[float(row[name]) for name in names] for row in rows])
    columns = {name: np.array([row[column] for row in rows]) for name, column in labels.items()}
    return Bunch(data=data, feature_names=names, **columns)
