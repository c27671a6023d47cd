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
    from lofikit.streaming.linear import trace
    from lofikit.streaming.processor import this_processor

    bank = Bank(designs(method, order, forgetting))
    longest = bank.longest
    nothing = np.zeros((longest, longest))
    state = bank.state(nothing[0], nothing, nothing[0], peak=1.0)
    traces = np.zeros((len(samples), 2))
    values = np.ascontiguousarray(samples, dtype=np.float64)
    trace(this_processor(), bank.predictors, state, longest, False, values, traces)
    return traces[:, 0], traces[:, 1]
