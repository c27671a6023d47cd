"""First values of weights, drawn in NumPy, so that they are the same in every backend.

The distributions are Keras's and keras-tcn's defaults. Each takes a generator and a shape.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray
from scipy.linalg import solve_triangular

Rng = np.random.Generator
Shape = tuple[int, ...]
Initial = Callable[[Rng, Shape], NDArray[np.floating[Any]]]
"""Draws the first values of a weight."""


def zeros(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Nothing is drawn."""
    return np.zeros(shape)


def ones(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Nothing is drawn."""
    return np.ones(shape)


def forget_gate_of_ones(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """An LSTM's bias (4 * units,): one for the forget gate (Jozefowicz et al. 2015), else zero."""
    bias = np.zeros(shape)
    units = shape[0] // 4
    bias[units : 2 * units] = 1.0
    return bias


def logistics(mixtures: int, guided: bool, rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """A mixture's bias: even weights, means spread evenly in [-1, 1], scales of a tenth.

    Where a prediction guides it, in units of the prediction's running error: means on the
    prediction, and scales around that of a logistic distribution with this mean error.
    """
    bias = np.zeros((shape[0] // (3 * mixtures), 3, mixtures))
    if guided:
        bias[:, 2] = np.linspace(-1.5, 0.5, mixtures) if mixtures > 1 else np.log(0.72)
        return bias.reshape(shape)
    bias[:, 1] = (2 * np.arange(mixtures) + 1) / mixtures - 1
    bias[:, 2] = np.log(0.1)
    return bias.reshape(shape)


def embedding_uniform(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Uniform in +-0.05."""
    return rng.uniform(-0.05, 0.05, shape)


def embedding_normal(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Standard normal: of the size that layers expect of their inputs, so they learn at once."""
    return rng.standard_normal(shape)


def glorot_uniform(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Of a matrix (in, out): uniform in +-sqrt(6 / (in + out)) (Glorot and Bengio 2010)."""
    limit = math.sqrt(6 / (shape[0] + shape[1]))
    return rng.uniform(-limit, limit, shape)


def glorot_residual(blocks: int) -> Initial:
    """Glorot uniform over sqrt(2 blocks): of the projections that end a block's two branches.

    So the sum of all branches varies no more for more blocks (Radford et al. 2019, section 2.3).
    """
    return lambda rng, shape: glorot_uniform(rng, shape) / math.sqrt(2 * blocks)


def he_normal(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Normal of variance 2 / inputs (He et al. 2015), cut at two deviations; out is last."""
    return _truncated_normal(rng, shape) * math.sqrt(2 / math.prod(shape[:-1]))


def orthogonal(rng: Rng, shape: Shape) -> NDArray[np.float32]:
    """Orthonormal rows (Saxe et al. 2014), of a matrix that is at least as wide as high.

    R^-T A of A^T = QR, with R from the Cholesky factor of A A^T: what a QR decomposition gives, in
    matrix products alone; the paper's 2048 units take two seconds instead of ten.
    """
    rows = rng.standard_normal(shape, dtype=np.float32)
    factor = np.linalg.cholesky(rows @ rows.T)
    return np.asarray(solve_triangular(factor, rows, lower=True, check_finite=False))


def ring_decay(least: float, greatest: float) -> Callable[[Rng, Shape], NDArray[np.float64]]:
    """Of complex numbers spread evenly over a ring: log(-log(radius)) (Orvieto et al. 2023, 3.2).

    Args:
        least: The ring's inner radius.
        greatest: Its outer radius, below 1.
    """

    def draw(rng: Rng, shape: Shape) -> NDArray[np.float64]:
        squares = rng.uniform(least**2, greatest**2, shape)
        return np.asarray(np.log(-0.5 * np.log(squares)))

    return draw


def log_angle(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """The logarithm of an angle uniform in the upper half plane; 0 is never drawn."""
    return np.asarray(np.log(np.pi * (1.0 - rng.random(shape))))


def _truncated_normal(rng: Rng, shape: Shape) -> NDArray[np.float64]:
    """Draws from a normal cut at two deviations and scaled back to variance 1, as Keras does."""
    value = rng.standard_normal(shape)
    while (outside := np.abs(value) > 2).any():
        value[outside] = rng.standard_normal(int(outside.sum()))
    return value / 0.87962566103423978
