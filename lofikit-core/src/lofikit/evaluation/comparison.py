"""What an evaluation found: rows of figures, of runs and of anchors, and how they are written."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from lofikit.evaluation.excerpts import Excerpt
from lofikit.evaluation.held_out import Score
from lofikit.evaluation.listening import FIGURES

FORMAT = 1
LOW, HIGH = 0.05, 0.95
"""Quantiles of real music between which a figure is called within its range."""

Measured = dict[str, float]
Kind = Literal["run", "anchor", "real"]


@dataclass(frozen=True)
class Spread:
    """How a figure is spread over takes or excerpts, those left out of which it is not known.

    Attributes:
        low: 5th percentile.
        median: Median.
        high: 95th percentile.
    """

    low: float
    median: float
    high: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Spread:
        """Returns the spread of values; NaN throughout if there are none."""
        known = [value for value in values if not math.isnan(value)]
        if not known:
            return cls(*[float("nan")] * 3)
        return cls(*(float(q) for q in np.quantile(known, [LOW, 0.5, HIGH])))


@dataclass(frozen=True)
class HeldOut:
    """Bits or prediction gain over the held-back clips.

    Attributes:
        unit: ``bits`` a value (less is better), or ``dB`` of gain (more is better).
        mean: Mean over clips.
        spread: Standard deviation over clips.
        best: Of the best clip.
        worst: Of the worst clip.
        clips: Number of clips.
    """

    unit: str
    mean: float
    spread: float
    best: float
    worst: float
    clips: int

    @classmethod
    def of(cls, scores: Sequence[Score], unit: str) -> HeldOut:
        """Returns the summary of the clips' scores."""
        values = [score.value for score in scores]
        order = (min(values), max(values))
        best, worst = order if unit == "bits" else order[::-1]
        deviation = statistics.stdev(values) if len(values) > 1 else 0.0
        return cls(unit, statistics.fmean(values), deviation, best, worst, len(values))


@dataclass(frozen=True)
class Judged:
    """A figure of a row.

    Attributes:
        spread: Over its takes.
        within: Share of the takes that are within the range of real music; NaN if not known.
    """

    spread: Spread
    within: float


@dataclass(frozen=True)
class Row:
    """A run, an anchor or real music, measured.

    Attributes:
        name: The run's path, or the anchor's name.
        kind: Which of the three it is.
        model: The model's full name; empty for anchors.
        figures: By name.
        all_within: Share of takes of which every figure is within its range.
        memorisation: Share of pieces that are found in the training's clips.
        frechet: Frechet distance to the training's clips.
        kad: Kernel distance to them.
        held_out: Bits or gain, of runs.
    """

    name: str
    kind: Kind
    model: str
    figures: dict[str, Judged]
    all_within: float
    memorisation: float
    frechet: float
    kad: float
    held_out: HeldOut | None = None

    @property
    def mean_within(self) -> float:
        """Mean over figures of the share of takes within."""
        known = [j.within for j in self.figures.values() if not math.isnan(j.within)]
        return statistics.fmean(known) if known else float("nan")


@dataclass(frozen=True)
class Comparison:
    """Rows that were measured alike: the same rate, prompts, length and seeds.

    Attributes:
        rate: Sample rate in Hz.
        seconds: Length of takes.
        excerpt_seconds: Length of the real excerpts, and of the takes' ends that are measured.
        prompts: What runs went on from.
        seeds: A take a prompt each.
        ranges: Of real music, by figure.
        rows: Best first.
    """

    rate: int
    seconds: float
    excerpt_seconds: float
    prompts: tuple[Excerpt, ...]
    seeds: tuple[int, ...]
    ranges: dict[str, Spread]
    rows: tuple[Row, ...]


def real_ranges(excerpts: Sequence[Measured]) -> dict[str, Spread]:
    """Returns what each figure is of real music."""
    return {f.name: Spread.of([found[f.name] for found in excerpts]) for f in FIGURES}


def judge(
    takes: Sequence[Measured], ranges: Sequence[Mapping[str, Spread]]
) -> tuple[dict[str, Judged], float]:
    """Returns a row's figures, and the share of takes of which every figure is within its range.

    A figure that cannot be known of takes of this length is left out of the count.

    Args:
        takes: What was measured of each take.
        ranges: What each take is compared with.
    """
    judged: dict[str, Judged] = {}
    every = np.ones(len(takes), np.bool_)
    for figure in FIGURES:
        values = [take[figure.name] for take in takes]
        real = [found[figure.name] for found in ranges]
        share = float("nan")
        if not all(map(math.isnan, values)) and not any(math.isnan(r.median) for r in real):
            within = [
                figure.within(value, r.low, r.high) for value, r in zip(values, real, strict=True)
            ]
            every &= np.array(within)
            share = statistics.fmean(within)
        judged[figure.name] = Judged(Spread.of(values), share)
    return judged, float(every.mean())


def ranked(rows: Sequence[Row]) -> tuple[Row, ...]:
    """Returns rows with those first of which most takes are as real music is, by every figure."""
    return tuple(sorted(rows, key=lambda row: (-row.all_within, -row.mean_within, row.name)))


def as_json(comparisons: Sequence[Comparison]) -> dict[str, Any]:
    """Returns comparisons as JSON holds them: the first, and under ``others`` those of other data.

    What is not known is null.
    """
    first, *others = [_comparison(comparison) for comparison in comparisons]
    return {"format": FORMAT, **first, "others": others}


def _comparison(found: Comparison) -> dict[str, Any]:
    return {
        "rate": found.rate,
        "seconds": found.seconds,
        "excerpt_seconds": _number(found.excerpt_seconds),
        "prompts": [
            {"clip": p.clip.id, "title": p.clip.title, "start": _number(p.start)}
            for p in found.prompts
        ],
        "seeds": list(found.seeds),
        "figures": [
            {
                "name": figure.name,
                "title": figure.title,
                "unit": figure.unit,
                "explanation": figure.explanation,
                "bad": figure.bad,
                **_spread(found.ranges[figure.name]),
            }
            for figure in FIGURES
        ],
        "rows": [_row(row) for row in found.rows],
    }


def _row(row: Row) -> dict[str, Any]:
    held = row.held_out
    return {
        "name": row.name,
        "kind": row.kind,
        "model": row.model,
        "unit": held.unit if held else None,
        "held_out": {
            "mean": _number(held.mean),
            "spread": _number(held.spread),
            "best": _number(held.best),
            "worst": _number(held.worst),
            "clips": held.clips,
        }
        if held
        else None,
        "figures": {
            name: {**_spread(judged.spread), "within": _number(judged.within)}
            for name, judged in row.figures.items()
        },
        "all_within": _number(row.all_within),
        "memorisation": _number(row.memorisation),
        "frechet": _number(row.frechet),
        "kad": _number(row.kad),
    }


def _spread(spread: Spread) -> dict[str, float | None]:
    return {
        "low": _number(spread.low),
        "median": _number(spread.median),
        "high": _number(spread.high),
    }


def _number(value: float) -> float | None:
    return round(value, 6) if math.isfinite(value) else None
