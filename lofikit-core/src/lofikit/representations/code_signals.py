"""Signals of frames of codes: the class ids that say something about the music to come."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from lofikit.representations.base import FREE, Samples
from lofikit.timbre import is_timbre

BEAT_PLACES = 16
"""Places in a beat that are told apart."""
NO_BEAT = 4 * BEAT_PLACES
"""The class that says there is no beat; those below it are places in four beats."""
ONSET_CLASSES, ONSET_STEPS = 16, 3
"""Strengths of onsets that are told apart, and of how many steps a doubling is of 1 dB and more."""
LEVEL_CLASSES, LEVEL_STEP, LOWEST_LEVEL = 16, 4.0, -60.0
"""Levels that are told apart, the dB from one to the next, and the faintest in dBFS."""
TIMBRE_CLASSES, TIMBRE_STEP = 32, 2.0
"""Balances of a band that are told apart, 0 being what is not told, and the dB of a step."""


def signal_classes(
    name: str, curve: Samples, centres: NDArray[np.int64], span: int, hop: int
) -> NDArray[np.int32]:
    """Returns the class ids of a signal for spectra at some places.

    Args:
        name: Of the signal.
        curve: Its value at each sample, shape (batch, n); beyond the last it is as there. NaN
            where nothing is known: class :data:`NO_BEAT` of a beat, 0 of a timbre, and else one
            for the model to choose.
        centres: The sample in the middle of each spectrum, shape (time,).
        span: Samples of a spectrum.
        hop: Samples from one spectrum to the next.

    Returns:
        Shape (batch, time).
    """
    if name == "beat":
        return _places(_at(curve, centres))
    if is_timbre(name):
        return _balances(_at(curve, centres))
    # A stroke is told of where windows swell: the highest value in a hop there.
    near = centres + span // 4 + np.array([[-(hop // 2)], [0], [hop // 2]])
    highest = _at(curve, near).max(axis=1)
    return _levels(highest) if name == "dynamics" else _onsets(highest)


def onset_strengths(classes: NDArray[np.int32]) -> NDArray[np.float32]:
    """Returns the onset strengths that classes stand for, in dB; NaN for free ones."""
    strengths = np.exp2(np.minimum(classes, ONSET_CLASSES) / ONSET_STEPS) - 1
    return np.where(classes == FREE, np.nan, strengths).astype(np.float32)


def _at(curve: Samples, places: NDArray[np.int64]) -> Samples:
    """Returns a curve at some samples, shape (batch, *places)."""
    return np.asarray(curve[:, np.minimum(places, curve.shape[1] - 1)])


def _places(counts: Samples) -> NDArray[np.int32]:
    """Returns the places in four beats of counts of beats."""
    unknown = np.isnan(counts)
    places = np.floor(np.where(unknown, 0, counts) * BEAT_PLACES) % NO_BEAT
    return np.where(unknown, NO_BEAT, places).astype(np.int32)


def _balances(decibels: Samples) -> NDArray[np.int32]:
    """Returns the classes of balances of a band in dB."""
    unknown, middle = np.isnan(decibels), TIMBRE_CLASSES // 2
    classes = np.rint(np.where(unknown, 0, decibels) / TIMBRE_STEP) + middle
    return np.where(unknown, 0, np.clip(classes, 1, TIMBRE_CLASSES - 1)).astype(np.int32)


def _onsets(strengths: Samples) -> NDArray[np.int32]:
    """Returns the classes of onset strengths in dB."""
    unknown = np.isnan(strengths)
    classes = np.rint(ONSET_STEPS * np.log2(1 + np.where(unknown, 0, strengths)))
    return np.where(unknown, FREE, np.minimum(classes, ONSET_CLASSES - 1)).astype(np.int32)


def _levels(levels: Samples) -> NDArray[np.int32]:
    """Returns the classes of levels in dBFS."""
    unknown = np.isnan(levels)
    classes = np.rint((np.where(unknown, 0, levels) - LOWEST_LEVEL) / LEVEL_STEP)
    return np.where(unknown, FREE, np.clip(classes, 0, LEVEL_CLASSES - 1)).astype(np.int32)
