"""The loss of training and of held-back clips, by phase."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Self

import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullLocator
from numpy.typing import NDArray

from lofikit.errors import RunError
from lofikit.figures import sheet

_Line = dict[str, Any]
_TRAINING: _Line = {"color": sheet.MIDDLE, "linestyle": "--", "linewidth": 1.0, "marker": "."}
_HELD_OUT: _Line = {"color": sheet.DARK, "marker": "o", "markerfacecolor": "white", "ms": 4.5}
_BEST: _Line = {"color": sheet.DARK, "linestyle": "", "marker": "*", "ms": 13, "mec": "white"}
_MARKERS = 20  # on a curve
_LABEL_LINES = 3  # above the axes, for the phases


@sheet.style()
def loss(metrics: Mapping[str, Sequence[Mapping[str, Any]]]) -> Figure:
    """Draws the loss of training and of held-back clips over steps, a row a run.

    Phases are divided by vertical lines and labelled with optimiser, learning rate and batch
    size; the lowest held-out loss (of training, if nothing was held back) is marked. The rows
    share their y-axis unless a decade or more lies between two runs, whose losses then are hardly
    of one kind. An axis of positive losses that spans more than a decade is logarithmic.

    Args:
        metrics: For the name of each run, the lines of its ``metrics.jsonl``, in order: ``step``
            (counted from the beginning of training), ``loss``, ``held_out``, ``phase``,
            ``optimiser``, ``learning_rate`` (in a phase that decays, the first is shown),
            ``batch_size``, and maybe ``held_out_bits``, the held-out loss in bits a sample.

    Returns:
        The figure; its x-axes are in steps.

    Raises:
        OptionError: If there are no runs or too many.
        RunError: If a run has no metrics, or no finite loss.
    """
    sheet.check_count(len(metrics), "run")
    curves = [_Curves.of(name, lines) for name, lines in metrics.items()]
    last = 1.02 * max(1.0, *(float(c.steps.max()) for c in curves))
    width = 72 * (sheet.WIDTH - sheet.LEFT - sheet.RIGHT)
    labels = [_place_phases(c.phases, width / last, width) for c in curves]
    above = 2 + max((label.line for row in labels for _, label in row), default=0)
    limits = _limits(curves)

    figure, rows = sheet.rows(len(curves), height=1.9, lines=above, legend=True)
    for axes, curve, limit, row in zip(rows, curves, limits, labels, strict=True):
        axes.set_xlim(0.0, last)
        axes.xaxis.set_major_locator(MaxNLocator(8, integer=True))
        axes.xaxis.set_major_formatter(FuncFormatter(lambda x, _: f"{x:,.0f}"))
        axes.tick_params(labelbottom=axes is rows[-1])
        axes.set_ylabel("loss")
        _loss_axis(axes, *limit)
        for values, line, name in (
            (curve.training, _TRAINING, "training"),
            (curve.held_out, _HELD_OUT, "held out"),
        ):
            known = np.isfinite(values)
            if known.any():
                every = max(1, int(known.sum()) // _MARKERS)
                axes.plot(curve.steps[known], values[known], **line, markevery=every, label=name)
        step, value, facts = curve.best()
        axes.plot([step], [value], **_BEST, zorder=5, label="best")
        used = 2 + max((label.line for _, label in row), default=0)
        sheet.add_title(axes, curve.name, used, facts)
        for start, _ in curve.phases[1:]:
            axes.axvline(start, color=sheet.MIDDLE, linestyle=":", linewidth=1.2)
        for start, label in row:
            sheet.add_label(axes, start, label)
    rows[-1].set_xlabel("step")
    sheet.add_legend(figure)
    return figure


@dataclass(frozen=True)
class _Curves:
    """The metrics of a run as arrays; what is not known or not finite is NaN."""

    name: str
    steps: NDArray[np.float64]
    training: NDArray[np.float64]
    held_out: NDArray[np.float64]
    bits: NDArray[np.float64]
    phases: list[tuple[float, str]]
    """Step at which each phase begins, and its settings in words."""

    @classmethod
    def of(cls, name: str, lines: Sequence[Mapping[str, Any]]) -> Self:
        if not lines:
            raise RunError(
                f"{name} has no metrics yet", "train it for an epoch: lofikit train --resume -o RUN"
            )
        steps, training, held_out, bits = (
            np.array([_finite(line.get(key)) for line in lines])
            for key in ("step", "loss", "held_out", "held_out_bits")
        )
        if np.isnan(steps).any():
            raise RunError(
                f"a line of the metrics of {name} has no step", "restore its metrics.jsonl"
            )
        if np.isnan([*training, *held_out]).all():
            raise RunError(
                f"the metrics of {name} hold no finite loss: its training diverged",
                "train again with a lower learning rate",
            )
        phases: list[tuple[float, str]] = []
        before: Any = None
        for i, line in enumerate(lines):
            if not phases or line.get("phase") != before:
                phases.append((float(steps[i - 1]) if i else 0.0, _settings(line)))
                before = line.get("phase")
        return cls(name, steps, training, held_out, bits, phases)

    def best(self) -> tuple[float, float, str]:
        """Returns the best step, its loss, and both in words."""
        held = bool(np.isfinite(self.held_out).any())
        values = self.held_out if held else self.training
        i = int(np.nanargmin(values))
        words = f"best {'held-out' if held else 'training'} loss {values[i]:.4g}"
        if held and np.isfinite(self.bits[i]):
            words += f" ({self.bits[i]:.2f} bits a sample)"
        return float(self.steps[i]), float(values[i]), f"{words} at step {self.steps[i]:,.0f}"


def _finite(value: Any) -> float:
    number = float("nan") if value is None else float(value)
    return number if np.isfinite(number) else float("nan")


def _settings(line: Mapping[str, Any]) -> str:
    named = (("", "optimiser"), ("lr ", "learning_rate"), ("batch ", "batch_size"))
    known = [(word, line[key]) for word, key in named if line.get(key) is not None]
    return ", ".join(
        word + (f"{value:g}" if isinstance(value, float) else str(value)) for word, value in known
    )


def _place_phases(
    phases: Sequence[tuple[float, str]], points_a_step: float, width: float
) -> list[tuple[float, sheet.Placed]]:
    """Returns each phase's beginning and its label: its settings, or its number where crowded."""
    places = [start * points_a_step for start, _ in phases]
    words = [f"{i}: {text}" if text else str(i) for i, (_, text) in enumerate(phases, 1)]
    numbers = [str(i) for i in range(1, len(phases) + 1)]
    for texts in (words, numbers):
        labels = sheet.arrange(list(zip(places, texts, strict=True)), width, _LABEL_LINES)
        if labels is not None:
            return [(start, label) for (start, _), label in zip(phases, labels, strict=True)]
    return []


def _limits(curves: Sequence[_Curves]) -> list[tuple[float, float]]:
    """Returns the lowest and highest loss of each row, those of all where they are of one kind."""
    lows = [float(np.nanmin([c.training, c.held_out])) for c in curves]
    highs = [float(np.nanmax([c.training, c.held_out])) for c in curves]
    if min(lows) <= 0 or max(lows) < 10 * min(highs):
        return [(min(lows), max(highs))] * len(curves)
    return list(zip(lows, highs, strict=True))


def _loss_axis(axes: Axes, low: float, high: float) -> None:
    if low > 0 and high > 10 * low:
        axes.set_yscale("log")
        axes.set_ylim(low / 1.3, high * 1.3)
        axes.yaxis.set_major_locator(LogLocator(subs=(1, 2, 5) if high < 100 * low else (1,)))
        axes.yaxis.set_minor_locator(NullLocator())
        axes.yaxis.set_major_formatter(FuncFormatter(lambda y, _: f"{y:g}"))
    else:
        margin = 0.08 * (high - low) or 0.1 * abs(high) or 1.0
        axes.set_ylim(low - margin, high + margin)
