"""Anchors: what nobody would call a good model, measured as runs are.

A figure that an anchor passes shows nothing by itself. Each is made of the prompt that runs go on
from too, or of the training's clips, with nothing trained for longer than seconds.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from lofikit.evaluation.listening import level
from lofikit.spectrum import Samples

LOOP_SECONDS = 4.0
"""How much of a prompt's end is played again and again, at most."""
ORDER = 32
"""Order of the linear prediction."""

Generator = np.random.Generator
Continue = Callable[[Samples, int, int, Generator], Samples]
"""Makes new music of a prompt (n,), its rate in Hz, a length in samples and a source of chance."""


@dataclass(frozen=True)
class Anchor:
    """A way of going on from a prompt that needs no model.

    Attributes:
        name: Its name in tables.
        explanation: What it does, in a sentence.
        go_on: Makes the music.
        random: Whether it draws: another seed then gives another take.
    """

    name: str
    explanation: str
    go_on: Continue
    random: bool = True


def loop(prompt: Samples, rate: int, length: int, generator: Generator) -> Samples:
    """Plays the prompt's last seconds again and again."""
    return np.resize(prompt[-round(LOOP_SECONDS * rate) :], length)


def white_noise(prompt: Samples, rate: int, length: int, generator: Generator) -> Samples:
    """Plays white noise at the prompt's level."""
    drawn = generator.standard_normal(length, np.float32)
    return _clipped(drawn * 10 ** (level(prompt) / 20))


def silence(prompt: Samples, rate: int, length: int, generator: Generator) -> Samples:
    """Plays nothing."""
    return np.zeros(length, np.float32)


def linear_prediction(prompt: Samples, rate: int, length: int, generator: Generator) -> Samples:
    """Plays noise with the spectrum of the prompt: linear prediction, fed with its own errors.

    The coefficients are those of the autocorrelation method, whose filter is always stable
    (Makhoul, "Linear prediction: a tutorial review", Proceedings of the IEEE, 1975).
    """
    from scipy.linalg import solve_toeplitz
    from scipy.signal import lfilter

    order = min(ORDER, len(prompt) - 1)
    wide = prompt.astype(np.float64)
    sums = np.array([wide[: len(wide) - lag] @ wide[lag:] for lag in range(order + 1)])
    sums[0] = 1.000001 * sums[0] + 1e-9  # silence and pure tones have a solution too
    coefficients = solve_toeplitz(sums[:-1], sums[1:])
    error = np.sqrt(max(sums[0] - coefficients @ sums[1:], 0.0) / len(wide))
    drawn = error * generator.standard_normal(length + rate)  # the first second swings in
    return _clipped(lfilter([1.0], np.append(1.0, -coefficients), drawn)[rate:])


ANCHORS = (
    Anchor("looped prompt", "The prompt's last four seconds, again and again.", loop, False),
    Anchor("white noise", "White noise at the prompt's level.", white_noise),
    Anchor("silence", "Nothing at all.", silence, False),
    Anchor(
        "linear prediction",
        "Noise with the spectrum of the prompt, by linear prediction of order 32.",
        linear_prediction,
    ),
)
"""Anchors that are made of a prompt alone."""


def _clipped(samples: Samples) -> Samples:
    return np.clip(samples, -1.0, 1.0).astype(np.float32)
