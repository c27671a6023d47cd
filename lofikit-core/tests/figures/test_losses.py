"""The figure of losses, by what is on its axes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from matplotlib.axes import Axes

from lofikit import figures

Metrics = Callable[..., list[dict[str, Any]]]
Lines = Callable[[Axes], list[float]]
Curve = Callable[[Axes, str], tuple[Any, Any]]


def test_losses_are_drawn_over_steps_with_their_phases_and_the_best(
    epochs: Metrics, vertical_lines: Lines, curve: Curve
) -> None:
    lines = epochs()
    (axes,) = figures.loss({"run": lines}).axes
    for label, key in (("training", "loss"), ("held out", "held_out")):
        steps, values = curve(axes, label)
        assert list(steps) == [line["step"] for line in lines]
        assert list(values) == [line[key] for line in lines]
    best = min(lines, key=lambda line: line["held_out"])
    assert [list(v) for v in curve(axes, "best")] == [[best["step"]], [best["held_out"]]]
    assert vertical_lines(axes) == [600.0]  # where the first phase's last epoch ended
    first, second = (text.get_text() for text in axes.texts)
    assert "0.01" in first and "32" in first and "sgd" in first
    assert "0.005" in second and "64" in second
    facts = axes.get_title(loc="right")
    assert "held-out" in facts and "1,100" in facts and f"{best['held_out_bits']:.2f} bits" in facts


def test_the_two_curves_differ_in_line_style_and_marker(epochs: Metrics) -> None:
    (axes,) = figures.loss({"run": epochs()}).axes
    lines = {line.get_label(): line for line in axes.get_lines()}
    training, held = lines["training"], lines["held out"]
    assert training.get_linestyle() != held.get_linestyle()
    assert training.get_marker() != held.get_marker()


def test_what_is_not_known_or_not_finite_is_left_out(epochs: Metrics, curve: Curve) -> None:
    lines = epochs()
    for line in lines:
        line["held_out"] = None
    lines[3]["loss"] = float("nan")
    lines[4]["loss"] = float("inf")
    (axes,) = figures.loss({"run": lines}).axes
    assert len(curve(axes, "training")[0]) == len(lines) - 2
    assert "held out" not in [line.get_label() for line in axes.get_lines()]
    assert curve(axes, "best")[0][0] == lines[-1]["step"]
    assert "training loss" in axes.get_title(loc="right")


@pytest.mark.parametrize(
    ("values", "scale"),
    [
        ([9.0, 1.0], "linear"),
        ([11.0, 1.0], "log"),
        ([11.0, -1.0], "linear"),
        ([2.0, 2.0], "linear"),
    ],
)
def test_more_than_a_decade_of_positive_losses_is_logarithmic(
    values: list[float], scale: str
) -> None:
    lines = [{"phase": 0, "step": i, "loss": v} for i, v in enumerate(values)]
    (axes,) = figures.loss({"run": lines}).axes
    assert axes.get_yscale() == scale
    low, high = axes.get_ylim()
    assert low < min(values) and max(values) < high


def test_runs_share_an_axis_unless_a_decade_lies_between_them(epochs: Metrics) -> None:
    near = figures.loss({"a": epochs(start=5.0), "b": epochs(start=4.0)}).axes
    assert near[0].get_ylim() == near[1].get_ylim()
    far = figures.loss({"a": epochs(start=5.0), "b": [{"phase": 0, "step": 1, "loss": 0.01}]}).axes
    assert far[0].get_ylim() != far[1].get_ylim()
    assert far[0].get_xlim() == far[1].get_xlim()


def test_crowded_phases_are_numbered(epochs: Metrics) -> None:
    (axes,) = figures.loss({"run": epochs(count=24, phases=12)}).axes
    assert [text.get_text() for text in axes.texts] == [str(i) for i in range(1, 13)]
