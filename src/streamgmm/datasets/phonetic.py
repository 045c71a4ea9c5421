"""Stops of English from published statistics: as a mixture, and as a stream without end."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np

from streamgmm.mixture import Mixture
from streamgmm.statistics import Array

# (means), (standard deviations) of voiced and voiceless stops
_STOPS = {
    "vot_ms": ((15.8, 70.2), (7.1, 18.7)),
    "vowel_ms": ((188.0, 169.8), (45.3, 43.9)),
}


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
