"""Boom-bap: what the drummer plays over the bars of a song."""

from __future__ import annotations

import numpy as np

from lofikit.sources.beatmaker.arrangement import Bar
from lofikit.sources.beatmaker.score import STEPS, Groove, Hit, random_stream

# Sixteenths of a bar: "x" a stroke, "o" one that is played in about half of the bars.
KICKS = (
    "x......x..x.....",
    "x..o...x..x....o",
    "x.....o.x.x.....",
    "x..x......x..o..",
    "x......o.xx....o",
    "x.x....x..o.....",
)
HATS = (
    "x.x.x.x.x.x.x.x.",
    "x.x.x.xox.x.x.xo",
    "x.xox.x.x.x.x.x.",
    "x.x.x.x.xox.xox.",
)
GHOSTS = ("......o..o.....o", ".......o.o......", "..o....o.....o..", ".........o....oo")
BACKBEAT = (4, 12)

# Fills take over the bar from the first step named: (step, drum, velocity).
Fill = tuple[tuple[int, str, float], ...]
FILLS: tuple[Fill, ...] = (
    ((12, "snare", 0.8), (13, "ghost", 0.5), (14, "snare", 0.6), (15, "snare", 0.75)),
    ((12, "snare", 0.85), (14, "kick", 0.75), (15, "snare", 0.6)),
    (
        (8, "kick", 0.8),
        (10, "snare", 0.55),
        (11, "ghost", 0.5),
        (12, "snare", 0.8),
        (14, "tom", 0.7),
        (15, "low tom", 0.8),
    ),
    ((12, "tom", 0.75), (13, "tom", 0.55), (14, "low tom", 0.8), (15, "kick", 0.6)),
    # Silence is a fill too.
    ((12, "snare", 0.9),),
    ((10, "kick", 0.9), (12, "open hat", 0.6)),
)
PICKUP: Fill = ((14, "snare", 0.5), (15, "snare", 0.75))

# Seconds by which each drum is late: a snare that lies back is what makes the beat lean.
LAG = {"snare": 0.009, "rim": 0.009, "ghost": 0.006, "hat": -0.002, "open hat": -0.002}


class Drummer:
    """The habits of one song's drummer, and what they play."""

    def __init__(self, seed: int, groove: Groove) -> None:
        rng = random_stream(seed, "drum habits")
        self._seed = seed
        self._groove = groove
        self._kicks = [KICKS[choice] for choice in rng.permutation(len(KICKS))[:2]]
        self._hats = HATS[rng.integers(len(HATS))]
        self._ghosts = GHOSTS[rng.integers(len(GHOSTS))]
        self._verse_backbeat = "rim" if rng.random() < 0.4 else "snare"
        self._open_hat = int(rng.choice((6, 14))) if rng.random() < 0.6 else None
        self._laziness = rng.uniform(0.5, 1.6)

    def play(self, bars: tuple[Bar, ...]) -> list[Hit]:
        """The hits of all bars, in order of their bars."""
        hits: list[Hit] = []
        for bar in bars:
            rng = random_stream(self._seed, "drums", bar.index)
            strokes = self._strokes(bar, rng)
            hits += [self._humanised(bar, stroke, rng) for stroke in strokes]
        return hits

    def _strokes(self, bar: Bar, rng: np.random.Generator) -> list[tuple[int, str, float]]:
        if bar.section.drums == "out":
            return list(PICKUP) if bar.closes_section and bar.next_section.drums == "full" else []
        strokes = self._cymbals(rng)
        if bar.section.drums == "full":
            strokes += self._skins(bar, rng)
        fill = self._fill(bar, rng)
        if fill:
            strokes = [stroke for stroke in strokes if stroke[0] < fill[0][0]] + list(fill)
        return strokes

    def _cymbals(self, rng: np.random.Generator) -> list[tuple[int, str, float]]:
        strokes = []
        for step in _struck(self._hats, rng):
            accent = 0.75 if step % 4 == 2 else 0.55 if step % 4 == 0 else 0.35
            opened = step == self._open_hat and rng.random() < 0.5
            strokes.append((step, "open hat" if opened else "hat", accent))
        return strokes

    def _skins(self, bar: Bar, rng: np.random.Generator) -> list[tuple[int, str, float]]:
        # The second pattern answers in every other pair of bars, and now and then elsewhere.
        answer = bar.position % 4 == 3 or rng.random() < 0.15
        strokes = [
            (step, "kick", 0.95 if step == 0 else 0.8)
            for step in _struck(self._kicks[int(answer)], rng)
        ]
        backbeat = "snare" if bar.section.name == "hook" else self._verse_backbeat
        strokes += [(step, backbeat, 0.9) for step in BACKBEAT]
        strokes += [(step, "ghost", 0.4) for step in _struck(self._ghosts, rng)]
        return strokes

    def _fill(self, bar: Bar, rng: np.random.Generator) -> Fill | None:
        due = bar.closes_section or (bar.position % 4 == 3 and rng.random() < 0.5)
        if not due:
            return None
        if bar.section.drums == "hats":
            return PICKUP if bar.next_section.drums == "full" else None
        return FILLS[rng.integers(len(FILLS))]

    def _humanised(self, bar: Bar, stroke: tuple[int, str, float], rng: np.random.Generator) -> Hit:
        step, drum, velocity = stroke
        lag = self._laziness * LAG.get(drum, 0.0) + rng.normal(0.0, 0.0035)
        return Hit(
            start=max(0.0, self._groove.time(bar.index, step) + lag),
            drum=drum,
            velocity=float(np.clip(velocity * rng.normal(1.0, 0.08), 0.1, 1.0)),
        )


def _struck(pattern: str, rng: np.random.Generator) -> list[int]:
    optional = rng.random(STEPS) < 0.5
    return [
        step for step, mark in enumerate(pattern) if mark == "x" or (mark == "o" and optional[step])
    ]
