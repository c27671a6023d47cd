"""Blocks of diagonal linear recurrences (Orvieto et al. 2023)."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lofikit.models.configs import LRUConfig
from lofikit.models.families.base import Family, Parameter, Parameters, Weights
from lofikit.models.initial import glorot_uniform, log_angle, ones, ring_decay, zeros
from lofikit.streaming.network import Dense, DiagonalRecurrence, Input, LRUBlock, Network, RMSNorm


class LRUFamily(Family[LRUConfig]):
    """Weights ``entry`` and, of each block, ``lru.{block}.norm`` and those of the LRU.

    ``decay`` and ``angle`` (states,) make the factors ``exp(-exp(decay) + i exp(angle))``, which
    are stable whatever they become; ``input.weight (width, 2 * states)`` and ``output.weight
    (2 * states, width)`` hold real parts, then imaginary ones (of the output's conjugate, as only
    the real part leaves); ``gate`` is the gated linear unit's.
    """

    def features(self, config: LRUConfig) -> int:
        """The width between blocks."""
        return config.width

    def window(self, config: LRUConfig) -> int:
        """See :class:`Family`."""
        return config.window

    def parameters(self, config: LRUConfig, inputs: int) -> Parameters:
        """See :class:`Family`."""
        width, states = config.width, config.states
        decay = ring_decay(config.least_radius, config.greatest_radius)
        found = {
            "entry.weight": Parameter((inputs, width), glorot_uniform),
            "entry.bias": Parameter((width,), zeros),
        }
        for name in block_names(config):
            found |= {
                f"{name}.norm": Parameter((width,), ones),
                f"{name}.decay": Parameter((states,), decay),
                f"{name}.angle": Parameter((states,), log_angle),
                f"{name}.input.weight": Parameter((width, 2 * states), glorot_uniform),
                f"{name}.output.weight": Parameter((2 * states, width), glorot_uniform),
                f"{name}.gate.weight": Parameter((width, 2 * width), glorot_uniform),
                f"{name}.gate.bias": Parameter((2 * width,), zeros),
            }
        return found

    def network(self, config: LRUConfig, frames: Input, weights: Weights, head: Dense) -> Network:
        """See :class:`Family`."""
        layers = [Dense(weights["entry.weight"], weights["entry.bias"])]
        blocks = [_block(name, weights) for name in block_names(config)]
        return Network(frames, (*layers, *blocks), head)


def block_names(config: LRUConfig) -> tuple[str, ...]:
    """Returns the names of the blocks, in order."""
    return tuple(f"lru.{index}" for index in range(config.blocks))


def _block(name: str, weights: Weights) -> LRUBlock:
    factors, gain = diagonal(weights[f"{name}.decay"], weights[f"{name}.angle"])
    into = weights[f"{name}.input.weight"] * np.tile(gain, 2)
    return LRUBlock(
        RMSNorm(weights[f"{name}.norm"]),
        DiagonalRecurrence(into, factors, weights[f"{name}.output.weight"]),
        Dense(weights[f"{name}.gate.weight"], weights[f"{name}.gate.bias"]),
        "gelu",
    )


def diagonal(
    decay: NDArray[np.float32], angle: NDArray[np.float32]
) -> tuple[NDArray[np.float32], NDArray[np.float32]]:
    """Returns a recurrence's factors, as halves (2 * states,), and the gain of its inputs.

    The gain ``sqrt(1 - |factor|**2)`` keeps the states' variance that of the inputs, however slow
    they are (Orvieto et al. 2023, section 3.4; here it follows the factor while that is learned).
    """
    rate, turn = np.exp(decay.astype(np.float64)), np.exp(angle.astype(np.float64))
    radius = np.exp(-rate)
    factors = np.concatenate([radius * np.cos(turn), radius * np.sin(turn)])
    gain = np.sqrt(-np.expm1(-2 * rate))
    return factors.astype(np.float32), gain.astype(np.float32)
