"""Mixtures of logistic distributions over ordered classes, as core's engine computes them."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lofikit.streaming.heads import LOG_SCALES, UNIFORM
from lofikit.streaming.layer import FloatArray
from lofikit.streaming.network import GUIDE_RANGE
from lofikit_keras.runtime import tf

FAR = np.float32(1e3)
"""Where the outermost cells end: as good as infinite, and of finite gradients."""


class Logistics:
    """The distribution that a head's values stand for; see `lofikit.streaming.heads.Logistics`.

    Args:
        mixtures: Distributions a class id.
        edges: Inner edges of the classes' cells, ascending, shape (levels - 1,).
        guided: Whether means and scales are around a prediction, in units of its running error.
    """

    def __init__(self, mixtures: int, edges: FloatArray, guided: bool) -> None:
        self._mixtures, self._guided = mixtures, guided
        self._edges = np.concatenate([[-FAR], edges, [FAR]]).astype(np.float32)

    def log_likelihood(self, values: Any, ids: Any, guides: Any) -> Any:
        """Returns the logarithm of the probability of given classes.

        Only their cells are computed: training need not know all classes'.

        Args:
            values: Of the head, shape (..., size * 3 * mixtures).
            ids: Class ids, shape (..., size).
            guides: Predictions and the logarithms of their errors (..., 2), as they went in; not
                looked at without a predictor.

        Returns:
            Shape (..., size).
        """
        lower, upper = tf.gather(self._edges, ids), tf.gather(self._edges, ids + 1)
        return self._log_cells(values, guides, lower[..., None], upper[..., None])[..., 0]

    def logits(self, values: Any, guides: Any) -> Any:
        """Returns the logarithms of the probabilities of all classes.

        Args:
            values: Of the head, shape (..., size * 3 * mixtures).
            guides: See :meth:`log_likelihood`.

        Returns:
            Shape (..., size, levels).
        """
        edges = tf.constant(self._edges)
        return self._log_cells(values, guides, edges[:-1], edges[1:])

    def _log_cells(self, values: Any, guides: Any, lower: Any, upper: Any) -> Any:
        """Returns logarithms of the shares between edges (..., cells), shape (..., size, cells)."""
        size = values.shape[-1] // (3 * self._mixtures)
        around = tf.shape(values)[:-1]
        shaped = tf.reshape(values, tf.concat([around, [size, 3, 1, self._mixtures]], axis=0))
        weights, means, log_scales = tf.unstack(shaped, axis=-3)
        sharpness = tf.exp(-tf.clip_by_value(log_scales, *LOG_SCALES))
        if self._guided:
            centre, logarithm = (guides[..., at, None, None, None] for at in (0, 1))
            unit = tf.exp((logarithm - 1.0) * GUIDE_RANGE)
            means, sharpness = centre + unit * means, sharpness / unit
        below = (lower[..., None] - means) * sharpness
        above = (upper[..., None] - means) * sharpness
        # log(s(above) - s(below)) = log s(above) + log s(-below) + log(1 - exp(below - above)):
        # what the cell's width gives stands alone, and nothing cancels.
        width = tf.maximum((upper - lower)[..., None] * sharpness, 1e-12)
        shares = tf.math.log_sigmoid(above) + tf.math.log_sigmoid(-below)
        shares += tf.math.log(-tf.math.expm1(-width))
        mixed = tf.reduce_logsumexp(tf.nn.log_softmax(weights, axis=-1) + shares, axis=-1)
        floor = math.log(UNIFORM / (len(self._edges) - 1))
        mixed += math.log1p(-UNIFORM)
        # log(exp(mixed) + exp(floor))
        return floor + tf.math.softplus(mixed - floor)
