"""Banks of linear predictors: which there are, and how their numbers lie in a series' state."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Method = Literal["none", "rls", "levinson", "mix"]

FIXED, RLS, LEVINSON = 0, 1, 2

MEMORY = 32
"""Values whose errors tell how wrong the next prediction is likely to be."""
REGULARISE_EVERY = 4
"""Values between two regularising observations of RLS: each costs a third of a step."""
RECURSION_EVERY = 8
"""Values between two of Levinson's recursions."""
PRIOR = 8.0
"""Values' worth of what training has seen that adaptive predictors start from."""

CLOCK, PEAK, CENTRE, RECENT, POWER, GIVEN, ENERGY, HEARD, WRONG, DAMPING, ERRORS = range(11)
"""Offsets in a series' state: how many values came, the largest absolute value that may be
predicted, the prediction of the next value, its likely absolute error, the running power, how
many values were given and not generated, their energy, how many of them were no silence, the sum
of the logarithms of the likely errors of those, what keeps the filter stable where it hears itself
(0 before that is known), and the last `MEMORY` absolute errors, the latest first."""
HISTORY = ERRORS + MEMORY
"""Offset of the last values, the latest first: one more than the longest order, and after them
twice that order of work space."""

PREDICTOR = np.dtype(
    [
        ("method", np.int64),
        ("order", np.int64),
        ("forgetting", np.float64),
        ("regularisation", np.float64),
        ("every", np.int64),
        # Offsets in the state:
        ("coefficients", np.int64),  # of the latest value first
        ("matrix", np.int64),  # RLS: inverse correlation; Levinson: three sums a lag
        ("work", np.int64),
        ("centre", np.int64),  # its prediction
        ("error", np.int64),  # its running absolute error
        ("share", np.int64),  # its weight in the mean
    ]
)
"""One predictor of a bank."""


@dataclass(frozen=True)
class Design:
    """A predictor as one chooses it.

    Attributes:
        method: `FIXED`, `RLS` or `LEVINSON`.
        order: Past values that it predicts from.
        forgetting: What a value later is left of a square's weight: a memory of about
            1 / (1 - forgetting) values.
    """

    method: int
    order: int
    forgetting: float = 1.0

    @property
    def regularisation(self) -> float:
        """Energy that RLS adds to each value of the history, and Levinson to lag 0."""
        return 1e-3 if self.method == RLS else 1e-8


def designs(method: Method, order: int, forgetting: float | None = None) -> tuple[Design, ...]:
    """Returns the predictors of a method.

    Args:
        method: ``none`` for fixed coefficients, ``rls``, ``levinson``, or ``mix``: four RLS, two
            of them of half and of once the order, and two of three times the order.
        order: Past values that a prediction is made from.
        forgetting: Of ``rls`` (by default 0.995) and ``levinson`` (0.983); a mix has its own.
    """
    if method == "rls":
        return (Design(RLS, order, forgetting or 0.995),)
    if method == "levinson":
        return (Design(LEVINSON, order, forgetting or 0.983),)
    if method == "mix":
        return (
            Design(RLS, max(1, order // 2), 0.985),
            Design(RLS, order, 0.992),
            Design(RLS, 3 * order, 0.995),
            Design(RLS, 3 * order, 0.9985),
        )
    return (Design(FIXED, order),)


class Bank:
    """Predictors of one series, laid out in its state.

    Args:
        chosen: The predictors.

    Attributes:
        predictors: Rows of `PREDICTOR`.
        longest: The longest order.
        size: Values of the state.
    """

    def __init__(self, chosen: Sequence[Design]) -> None:
        self.longest = max(design.order for design in chosen)
        self.predictors = np.zeros(len(chosen), PREDICTOR)
        at = HISTORY + 3 * self.longest + 1
        for row, design in zip(self.predictors, chosen, strict=True):
            order = design.order
            row["method"], row["order"] = design.method, order
            row["forgetting"], row["every"] = design.forgetting, RECURSION_EVERY
            row["regularisation"] = design.regularisation
            matrix = {FIXED: 0, RLS: order * order, LEVINSON: 3 * (order + 1)}[design.method]
            for name, width in (
                ("coefficients", order),
                ("matrix", matrix),
                ("work", 2 * order + 1),
                ("centre", 1),
                ("error", 1),
                ("share", 1),
            ):
                row[name] = at
                at += width
        self.size = at

    @property
    def adaptive(self) -> bool:
        """Whether any predictor learns from the values."""
        return bool((self.predictors["method"] != FIXED).any())

    def state(self, coefficients: Array, correlation: Array, cross: Array, peak: float) -> Array:
        """The state of a series before its first value.

        Args:
            coefficients: Of fixed predictors (longest,).
            correlation: Mean products of the last values with each other (longest, longest), the
                latest first; adaptive predictors start as if they had seen `PRIOR` such values.
            cross: Mean products of the last values with the one that followed (longest,).
            peak: Largest absolute value that may be predicted.

        Returns:
            Shape (size,).
        """
        state = np.zeros(self.size)
        state[PEAK] = peak
        for row in self.predictors:
            order, matrix = int(row["order"]), int(row["matrix"])
            at = slice(row["coefficients"], row["coefficients"] + order)
            if row["method"] == FIXED:
                state[at] = coefficients[:order]
            elif row["method"] == RLS:
                ridge = row["regularisation"] * np.eye(order)
                inverse = np.linalg.inv(PRIOR * correlation[:order, :order] + ridge)
                inverse = 0.5 * (inverse + inverse.T)
                state[matrix : matrix + order * order] = inverse.ravel()
                state[at] = inverse @ (PRIOR * cross[:order])
            else:  # the last of three sums a lag, which counts twice
                curved = matrix + 2 * (order + 1)
                state[curved] = PRIOR / 2 * np.trace(correlation) / self.longest
                state[curved + 1 : curved + 1 + order] = PRIOR / 2 * cross[:order]
            state[row["share"]] = 1.0 / len(self.predictors)
        return state

    def untrained(self, peak: float) -> Array:
        """The state of a series that starts from nothing learned; see `state`."""
        nothing = np.zeros((self.longest, self.longest))
        return self.state(nothing[0], nothing, nothing[0], peak)
