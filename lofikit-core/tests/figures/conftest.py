"""What figures are drawn of, and where to look in them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes

from lofikit.audio import Audio

Sound = Callable[..., Audio]
Metrics = Callable[..., list[dict[str, Any]]]
Lines = Callable[[Axes], list[float]]
Curve = Callable[[Axes, str], tuple[Any, Any]]


@pytest.fixture(scope="session")
def tone() -> Sound:
    """Makes a sine."""

    def make(
        frequency: float, seconds: float = 2.0, rate: int = 8_000, level: float = 0.5
    ) -> Audio:
        times = np.arange(round(seconds * rate)) / rate
        return Audio((level * np.sin(2 * np.pi * frequency * times))[None].astype(np.float32), rate)

    return make


@pytest.fixture(scope="session")
def silence() -> Sound:
    """Makes silence of some samples."""

    def make(samples: int, rate: int = 8_000, channels: int = 1) -> Audio:
        return Audio(np.zeros((channels, samples), np.float32), rate)

    return make


@pytest.fixture(scope="session")
def epochs() -> Metrics:
    """Makes metrics as a run writes them."""

    def make(count: int = 12, start: float = 5.0, phases: int = 2) -> list[dict[str, Any]]:
        """Metrics as a run writes them: each phase divides learning rate and doubles the batch."""
        lines = []
        for epoch in range(count):
            phase = epoch * phases // count
            value = start * 0.95**epoch
            lines.append(
                {
                    "phase": phase,
                    "epoch": epoch,
                    "step": 100 * (epoch + 1),
                    "loss": value,
                    "held_out": value + 0.1 + (0.3 if epoch > count - 2 else 0.0),
                    "held_out_bits": value / np.log(2),
                    "learning_rate": 0.01 / (phase + 1),
                    "batch_size": 32 * 2**phase,
                    "optimiser": "sgd",
                }
            )
        return lines

    return make


@pytest.fixture(scope="session")
def vertical_lines() -> Lines:
    """Finds lines that go from the bottom of the axes to their top."""

    def find(axes: Axes) -> list[float]:
        """Returns where lines stand that go from the bottom of the axes to their top."""
        return [
            float(x[0])
            for x, y in (line.get_data() for line in axes.get_lines())
            if len(x) == 2 and x[0] == x[1] and list(y) == [0, 1]
        ]

    return find


@pytest.fixture(scope="session")
def curve() -> Curve:
    """Finds the points of a line by its label."""

    def find(axes: Axes, label: str) -> tuple[Any, Any]:
        return next(line.get_data() for line in axes.get_lines() if line.get_label() == label)

    return find
