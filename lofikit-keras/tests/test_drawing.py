"""Drawing classes in TensorFlow, where core's engine does not."""

from __future__ import annotations

import numpy as np
import tensorflow as tf

from lofikit.models.base import Sampling
from lofikit.representations.base import FrameSpec
from lofikit.streaming.network import Input
from lofikit_keras.steps import draw

CHANCES = np.array([0.1, 0.5, 0.05, 0.35])
COUNT = 2000


def shares(sampling: Sampling) -> np.ndarray:
    """Returns how often each class is drawn, by the value of a frame of a signal and two codes."""
    spec = FrameSpec(sample_rate=4410, hop=128, size=3, levels=4, ordinal=False, signals=1)
    uniform = np.tile(((np.arange(COUNT) + 0.5) / COUNT)[:, None], (1, 3)).astype(np.float32)
    logits = np.tile(np.log(CHANCES), (COUNT, 3)).astype(np.float32)
    temperatures = sampling.temperatures(spec)
    drawn = draw(logits, tf.constant(uniform), Input(3, 4), temperatures, sampling.top_p).numpy()
    return np.stack([np.bincount(drawn[:, value], minlength=4) / COUNT for value in range(3)])


def test_fine_values_have_a_temperature_of_their_own() -> None:
    found = shares(Sampling(temperature=1, fine=0.5))  # a whole number, as users write it
    cooler = CHANCES**2 / (CHANCES**2).sum()
    np.testing.assert_allclose(found, [CHANCES, CHANCES, cooler], atol=1e-3)


def test_without_temperature_the_likeliest_class_is_taken() -> None:
    np.testing.assert_array_equal(shares(Sampling(temperature=0)), [[0, 1, 0, 0]] * 3)
