"""Titles for songs."""

from __future__ import annotations

import numpy as np

MOODS = (
    "Amber",
    "Borrowed",
    "Faded",
    "Half-Asleep",
    "Late",
    "Lukewarm",
    "Paper",
    "Quiet",
    "Rainy",
    "Slow",
    "Soft",
    "Sunday",
    "Velvet",
    "Winter",
)
THINGS = (
    "Balcony",
    "Bookshop",
    "Cassette",
    "Ferry",
    "Harbour",
    "Kettle",
    "Lamplight",
    "Laundry",
    "Library",
    "Postcard",
    "Staircase",
    "Tram",
    "Umbrella",
    "Window",
)
PLACES = (
    "After Closing Time",
    "at Dusk",
    "by the Canal",
    "in November",
    "Near the Station",
    "on Platform Two",
    "on the Third Floor",
    "With the Light On",
)


def draw_title(rng: np.random.Generator) -> str:
    """A title such as "Velvet Laundry" or "Ferry on Platform Two"."""
    mood, thing, place = (words[rng.integers(len(words))] for words in (MOODS, THINGS, PLACES))
    return f"{thing} {place}" if rng.random() < 0.4 else f"{mood} {thing}"
