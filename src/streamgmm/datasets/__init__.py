"""Rows to try things on: real measurements, mixtures made to order, and streams that drift."""

from __future__ import annotations

from .made import make_mixture, make_stream, separation
from .measurements import load_faithful, load_vot, load_vowels
from .phonetic import make_phonetic_stream, phonetic_categories

__all__ = [
    "load_faithful",
    "load_vot",
    "load_vowels",
    "make_mixture",
    "make_phonetic_stream",
    "make_stream",
    "phonetic_categories",
    "separation",
]
