"""Adaptive linear prediction, compiled: filters that follow a signal value by value.

A bank (see `lofikit.streaming.bank`) works on one series of values, with all its numbers in the
flat float64 state of that series. Its predictors are

- *fixed*: the coefficients stay as they are;
- *RLS*: exponentially windowed recursive least squares (Haykin, "Adaptive Filter Theory", 5th ed.,
  table 10.1), kept well conditioned as in dynamically regularised RLS (Gay 1996): now and then it
  also observes, of one coefficient after the other, that it is zero. So the inverse correlation
  stays bounded on silence, and coefficients that nothing excites leak away;
- *Levinson*: Levinson and Durbin's recursion on a windowed autocorrelation (Makhoul 1975). The
  window over the past is Barnwell's (1981): ``(n + 1) * forgetting ** (n / 2)``, the impulse
  response of two equal poles, whose smooth edge at the newest value an exponential window lacks.
  Products of values ``k`` apart are windowed by ``(n + 1) * (n + 1 + k)`` times powers of the
  forgetting, which three leaky sums a lag add up to. The autocorrelation is that of a windowed
  signal, thus positive definite, and the prediction filter is minimum phase.

Several are averaged with the weights of Bayesian model averaging, each taken to err by Laplace's
distribution of its running error; old evidence fades, so that the predictor that was best lately
counts most, and none is ever given up.

Everything is causal and in the order of time: a history predicted in pieces and at once gives the
same numbers.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from lofikit.streaming.bank import (
    CENTRE,
    CLOCK,
    DAMPING,
    ENERGY,
    ERRORS,
    GIVEN,
    HEARD,
    HISTORY,
    LEVINSON,
    MEMORY,
    PEAK,
    POWER,
    RECENT,
    RECURSION_EVERY,
    REGULARISE_EVERY,
    RLS,
    WRONG,
)
from lofikit.streaming.processor import inlined

REFLECTION = 0.99999
"""Largest absolute reflection coefficient of Levinson's recursion."""
STABLE = 0.999
"""Largest absolute reflection coefficient of a filter that is taken to be stable: one that is
hardly so whistles."""
DAMPINGS = (1.0, 0.998, 0.995, 0.99, 0.98, 0.96, 0.92, 0.85, 0.7, 0.5)
"""What a filter's poles are drawn towards the origin by, the first that makes it stable."""
WHITE = 1e-9
"""White noise that Levinson's recursion adds, relative to the power of the signal."""
BELIEF = 0.97
"""What a value later is left of the evidence for a predictor."""
DOUBT = 1e-4
"""Least weight of a predictor."""
ERROR_FADE = 0.95
"""Forgetting of each predictor's running error."""
SMALLEST_ERROR = 1e-6
"""Running error at least, as of silence."""
HOLD_TIME = 2048.0
"""Values that the running power is the mean of."""
HOLD_ERROR, HOLD_CENTRE = 1.0, 0.02
"""Exponents of the excess of the level that lower the likely error and the prediction."""
HOLD_USUAL = 0.15
"""Exponent by which the likely error is drawn towards what it was on average when values were
given, those of silence apart: by itself it would be a random walk."""
SILENT = 1e-3
"""Likely error of silence at most, relative to the level of the values so far."""
LOUDER, QUIETER = 0.5, 2.0
"""Most that the likely error is raised and lowered by to hold the level, as exponents."""


@inlined
def predict(predictors: Any, state: Any) -> None:
    """Write the prediction of the next value and its likely error to `CENTRE` and `RECENT`.

    Args:
        predictors: Rows of `PREDICTOR`.
        state: The state of one series.
    """
    limit, mean = state[PEAK], 0.0
    for index in range(len(predictors)):
        one = predictors[index]
        coefficients = state[one.coefficients : one.coefficients + one.order]
        past = state[HISTORY : HISTORY + one.order]
        total = 0.0
        for lag in range(one.order):
            total += coefficients[lag] * past[lag]
        state[one.centre] = min(max(total, -limit), limit)
        mean += state[one.share] * state[one.centre]
    state[CENTRE] = min(max(mean, -limit), limit)
    recent = 0.0
    for lag in range(MEMORY):
        recent += (MEMORY - lag) * state[ERRORS + lag]
    state[RECENT] = recent * (2.0 / (MEMORY * (MEMORY + 1)))


@inlined
def held(predictors: Any, state: Any, longest: int) -> tuple[float, float]:
    """The prediction of a series that hears itself, and a factor of its likely error.

    A series drawn from its own predictions wanders: louder errors make wider distributions, and
    these louder errors. So its power over the last `HOLD_TIME` values is brought back to that of
    the values it was given, by narrower or wider distributions and, if too loud, by predictions
    a little smaller, as if the filter's bandwidths were expanded. The filters of RLS need not be
    stable, and one that is not swells whatever is drawn: theirs are made so first.

    Args:
        predictors: Rows of `PREDICTOR`.
        state: The state of one series.
        longest: The longest order.

    Returns:
        The prediction, and the factor: 1 before anything was given.
    """
    centre = state[CENTRE]
    for index in range(len(predictors)):
        if predictors[index].method == RLS:
            centre = _steadied(predictors, state, longest)
            break
    if state[ENERGY] <= 0.0 or state[POWER] <= 0.0:
        return centre, 1.0
    louder = 0.5 * math.log(state[POWER] * state[GIVEN] / state[ENERGY])
    centre *= math.exp(-HOLD_CENTRE * min(max(louder, 0.0), 3.0))
    usual = 0.0
    if state[HEARD] > 0.0:
        usual = state[WRONG] / state[HEARD] - math.log(state[RECENT] + SMALLEST_ERROR)
    narrower = min(max(HOLD_ERROR * louder, -LOUDER), QUIETER)
    return centre, math.exp(HOLD_USUAL * usual - narrower)


@inlined
def _steadied(predictors: Any, state: Any, longest: int) -> float:
    """The prediction by a stable filter: that of all predictors together, damped if need be."""
    together = state[HISTORY + longest + 1 : HISTORY + 2 * longest + 1]
    look = state[DAMPING] == 0.0 or int(state[CLOCK]) % RECURSION_EVERY == 0
    if look or state[DAMPING] < 1.0:
        together[:] = 0.0
        for index in range(len(predictors)):
            one = predictors[index]
            for lag in range(one.order):
                together[lag] += state[one.share] * state[one.coefficients + lag]
    if look:
        for damping in DAMPINGS:
            state[DAMPING] = damping
            if _is_stable(state, longest, damping):
                break
    if state[DAMPING] == 1.0:
        return float(state[CENTRE])
    total, factor = 0.0, 1.0
    for lag in range(longest):
        factor *= state[DAMPING]
        total += factor * together[lag] * state[HISTORY + lag]
    return float(min(max(total, -state[PEAK]), state[PEAK]))


@inlined
def _is_stable(state: Any, longest: int, damping: float) -> bool:
    """Whether a filter is minimum phase: the step-down recursion (Markel and Gray 1976)."""
    together = state[HISTORY + longest + 1 : HISTORY + 2 * longest + 1]
    lower = state[HISTORY + 2 * longest + 1 : HISTORY + 3 * longest + 1]
    factor = 1.0
    for lag in range(longest):
        factor *= damping
        lower[lag] = factor * together[lag]
    for order in range(longest, 0, -1):
        reflection = lower[order - 1]
        if not abs(reflection) < STABLE:
            return False
        scale = 1.0 / (1.0 - reflection * reflection)
        for first in range(order // 2):
            last = order - 2 - first
            if first > last:
                break
            one, other = lower[first], lower[last]
            lower[first] = (one + reflection * other) * scale
            lower[last] = (other + reflection * one) * scale
    return True


@inlined
def observe(
    predictors: Any, state: Any, longest: int, rising: bool, value: float, generated: bool
) -> None:
    """Learn from the value that was predicted, put it before the history, and predict the next.

    Args:
        predictors: Rows of `PREDICTOR`.
        state: The state of one series.
        longest: The longest order.
        rising: Whether predictions may become as large as the largest value that came.
        value: What came.
        generated: Whether it was drawn from the prediction, and not given.
    """
    state[POWER] += (value * value - state[POWER]) / min(state[CLOCK] + 1.0, HOLD_TIME)
    if not generated:
        state[GIVEN] += 1.0
        state[ENERGY] += value * value
        if state[RECENT] > SILENT * math.sqrt(state[ENERGY] / state[GIVEN]):
            state[HEARD] += 1.0
            state[WRONG] += math.log(state[RECENT])
    clock = int(state[CLOCK])
    for lag in range(MEMORY - 1, 0, -1):
        state[ERRORS + lag] = state[ERRORS + lag - 1]
    state[ERRORS] = abs(value - state[CENTRE])
    if len(predictors) > 1:
        _believe(predictors, state, value)
    for index in range(len(predictors)):
        one = predictors[index]
        if one.method == RLS:
            _rls(one, state, value, clock)
    for lag in range(longest, 0, -1):
        state[HISTORY + lag] = state[HISTORY + lag - 1]
    state[HISTORY] = value
    for index in range(len(predictors)):
        one = predictors[index]
        if one.method == LEVINSON:
            _window(one, state, value)
            if clock % one.every == 0:
                _levinson(one, state)
    if rising:
        state[PEAK] = max(state[PEAK], abs(value))
    state[CLOCK] = clock + 1
    predict(predictors, state)


@inlined
def _believe(predictors: Any, state: Any, value: float) -> None:
    """Weigh the predictors by how well each predicted what came."""
    count, mass = len(predictors), 0.0
    for index in range(count):
        one = predictors[index]
        error = abs(value - state[one.centre])
        scale = state[one.error] + SMALLEST_ERROR
        likelihood = math.exp(-min(error / scale, 500.0)) / scale
        state[one.share] = math.exp(BELIEF * math.log(state[one.share])) * likelihood
        state[one.error] = ERROR_FADE * state[one.error] + (1.0 - ERROR_FADE) * error
        mass += state[one.share]
    for index in range(count):
        one = predictors[index]
        state[one.share] = (1.0 - DOUBT * count) * state[one.share] / mass + DOUBT


@inlined
def _rls(one: Any, state: Any, value: float, clock: int) -> None:
    """One step of recursive least squares on the history before ``value``."""
    order = one.order
    past = state[HISTORY : HISTORY + order]
    gain = state[one.work : one.work + order]
    coefficients = state[one.coefficients : one.coefficients + order]
    gain[:] = 0.0
    error = value
    for j in range(order):
        at = one.matrix + j * order
        row, along = state[at : at + order], past[j]
        error -= coefficients[j] * along
        for i in range(order):
            gain[i] += row[i] * along
    power = one.forgetting
    for i in range(order):
        power += past[i] * gain[i]
    if not power >= 0.5 * one.forgetting:  # rounding has won: start anew
        _reset(one, state)
        return
    _rank_one(one, state, error / power, 1.0 / power, 1.0 / one.forgetting)
    if clock % REGULARISE_EVERY == 0:
        j = (clock // REGULARISE_EVERY) % order
        at = one.matrix + j * order
        weight = REGULARISE_EVERY * order * (1.0 - one.forgetting) * one.regularisation
        gain[:] = state[at : at + order]
        scale = weight / (1.0 + weight * gain[j])
        _rank_one(one, state, -coefficients[j] * scale, scale, 1.0)


@inlined
def _rank_one(one: Any, state: Any, step: float, scale: float, fade: float) -> None:
    """Move the coefficients along the gain; take its square out of the inverse correlation."""
    order = one.order
    gain = state[one.work : one.work + order]
    coefficients = state[one.coefficients : one.coefficients + order]
    for j in range(order):
        along, at = gain[j], one.matrix + j * order
        row = state[at : at + order]
        coefficients[j] += step * along
        for i in range(order):
            # Products in this order keep the matrix symmetric to the last bit, without which
            # the recursion is not stable against rounding (Verhaegen 1989).
            row[i] = (row[i] - (along * gain[i]) * scale) * fade


@inlined
def _reset(one: Any, state: Any) -> None:
    """Forget all that RLS has learned."""
    order = one.order
    inverse = state[one.matrix : one.matrix + order * order]
    inverse[:] = 0.0
    for i in range(order):
        inverse[i * (order + 1)] = 1.0 / one.regularisation
        state[one.coefficients + i] = 0.0


@inlined
def _window(one: Any, state: Any, value: float) -> None:
    """Add the newest products to the sums that the windowed autocorrelation is made of."""
    lags = one.order + 1
    sums = state[one.matrix : one.matrix + lags]
    rising = state[one.matrix + lags : one.matrix + 2 * lags]
    curved = state[one.matrix + 2 * lags : one.matrix + 3 * lags]
    past = state[HISTORY : HISTORY + lags]
    for lag in range(lags):
        sums[lag] = one.forgetting * sums[lag] + value * past[lag]
        rising[lag] = one.forgetting * rising[lag] + sums[lag]
        curved[lag] = one.forgetting * curved[lag] + rising[lag]


@inlined
def _levinson(one: Any, state: Any) -> None:
    """Solve for the coefficients of the windowed autocorrelation."""
    order = one.order
    coefficients = state[one.coefficients : one.coefficients + order]
    windowed = state[one.work : one.work + order + 1]
    lower = state[one.work + order + 1 : one.work + 2 * order + 1]
    taper, window = np.sqrt(one.forgetting), 1.0
    rising, curved = one.matrix + order + 1, one.matrix + 2 * (order + 1)
    for lag in range(order + 1):
        windowed[lag] = window * (2.0 * state[curved + lag] + (lag - 1) * state[rising + lag])
        window *= taper
    energy = windowed[0] * (1.0 + WHITE) + one.regularisation
    for i in range(order):
        found = windowed[i + 1]
        for j in range(i):
            found -= coefficients[j] * windowed[i - j]
        reflection = min(max(found / energy, -REFLECTION), REFLECTION)
        lower[:i] = coefficients[:i]
        for j in range(i):
            coefficients[j] -= reflection * lower[i - 1 - j]
        coefficients[i] = reflection
        energy *= 1.0 - reflection * reflection
