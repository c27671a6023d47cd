"""Where core's canonical weights lie in variables of Keras.

Most variables hold the canonical weight of their own name. Two kinds differ: a matching
convolution has one more axis, of length 1, and the two biases of a GRU are the rows of one
variable, ``NAME.biases``.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from lofikit.models.base import State

_BIASES = (".bias", ".recurrent_bias")


def canonical(name: str, value: np.ndarray) -> State:
    """Returns what a variable holds in core's layout, by core's names.

    Args:
        name: Of the variable, or of what an optimiser keeps of it, which ends in that name.
        value: Its array.
    """
    if name.endswith(".biases"):
        stem = name.removesuffix(".biases")
        return {stem + end: row for end, row in zip(_BIASES, value, strict=True)}
    return {name: value[0] if name.endswith(".match.weight") else value}


def held(name: str, shape: tuple[int, ...], weights: Mapping[str, np.ndarray]) -> np.ndarray:
    """Returns what a variable of a shape is to hold: the other way of :func:`canonical`.

    Raises:
        KeyError: If a weight of it is missing.
        ValueError: If a weight has another number of elements.
    """
    if name.endswith(".biases"):
        stem = name.removesuffix(".biases")
        return np.stack([weights[stem + end] for end in _BIASES]).reshape(shape)
    return np.reshape(weights[name], shape)
