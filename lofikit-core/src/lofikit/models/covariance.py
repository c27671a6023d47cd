"""The sums that linear prediction by least squares is solved from."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]


def covariance_sums(values: Array, order: int) -> tuple[Array, Array]:
    """Returns the sums of least squares over all frames that have ``order`` frames before them.

    Args:
        values: Shape (batch, time, size).
        order: Number of past frames.

    Returns:
        Covariance (size, order, order) of the past frames, the latest first, and their products
        with the frame that follows (size, order).
    """
    count = values.shape[1] - order
    products = np.empty((order + 1, order + 1, values.shape[2]))
    for lag in range(order + 1):
        latest, lagged = values[:, order:], values[:, order - lag : order - lag + count]
        products[0, lag] = products[lag, 0] = np.einsum("bts,bts->s", latest, lagged)
    # One lag further on both sides is the same sum, less its last product, plus one before it.
    for lag in range(order):
        first, last = values[:, order - 1 - lag, None], values[:, -1 - lag, None]
        others = slice(lag, order)
        before = first * values[:, order - 1 - np.arange(lag, order)]
        after = last * values[:, -1 - np.arange(lag, order)]
        moved = products[lag, others] + (before - after).sum(axis=0)
        products[lag + 1, lag + 1 :] = products[lag + 1 :, lag + 1] = moved
    by_size = products.transpose(2, 0, 1)
    return by_size[:, 1:, 1:], by_size[:, 0, 1:]
