"""Adaptive linear prediction of an array of samples: a yardstick that needs no training."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.streaming.bank import Array, Bank, Method, designs


def adaptive_prediction(
    samples: NDArray[Any],
    method: Method = "mix",
    order: int = 32,
    forgetting: float | None = None,
) -> tuple[Array, Array]:
    """Predicts each sample from those before it, by coefficients that follow the signal.

    See :mod:`lofikit.streaming.prediction` for the formulas. The predictions stay within +-1, and
    so should the samples.

    Args:
        samples: One series, shape (samples,).
        method: ``rls``, ``levinson``, or ``mix`` for four of the first of different orders and
            forgettings.
        order: Past samples that a prediction is made from; a mix has half, once and three times
            as many.
        forgetting: What a sample later is left of a sample's weight; none for the method's own.

    Returns:
        The prediction of each sample, and the mean absolute error of the predictions of the
        samples before it, weighted towards the latest; both of shape (samples,).
    """
    values = np.asarray(samples, dtype=np.float64)
    after = AdaptiveGuide(1, method, order, forgetting).follow(values[None])[0]
    before = np.concatenate([np.zeros((1, 2)), after])[: len(values)]
    return before[:, 0], before[:, 1]


class AdaptiveGuide:
    """Adaptive linear prediction at work beside a batch of streams.

    Args:
        batch: Streams.
        method: See :func:`adaptive_prediction`, as what follows.
        order: See :func:`adaptive_prediction`.
        forgetting: See :func:`adaptive_prediction`.
    """

    def __init__(
        self, batch: int, method: Method, order: int, forgetting: float | None = None
    ) -> None:
        self.bank = Bank(designs(method, order, forgetting))
        self.states = np.tile(self.bank.untrained(peak=1.0), (batch, 1))

    def follow(self, values: NDArray[Any]) -> Array:
        """Learns from values (batch, time); may be called again and again.

        Returns:
            The prediction of the value after each, and its likely error, (batch, time, 2).
        """
        from lofikit.streaming.linear import guide
        from lofikit.streaming.processor import this_processor

        given = np.ascontiguousarray(values, dtype=np.float64)
        out = np.zeros((*given.shape, 2))
        guide(this_processor(), self.bank.predictors, self.states, self.bank.longest, given, out)
        return out
