"""The baseline of predictions: adaptive linear prediction, which nobody trained.

It learns from each clip while it hears it (:mod:`lofikit.models.linear`), and few models of single
samples that were trained for minutes need fewer bits. That it plays badly when it hears only
itself shows how little bits say.
"""

from __future__ import annotations

from lofikit.models.linear import Linear, LinearConfig
from lofikit.representations.mulaw import MuLaw, MuLawConfig

NAME = "adaptive prediction"
SAMPLES_A_SECOND = 6 * 4_410
"""Of all its takes side by side, at most: it is slow, some 40,000 samples a second."""
FEWEST = 2


def takes_at(rate: int) -> int:
    """Returns how many takes of it are measured at most: six at 4,410 Hz, two at 22,050."""
    return max(FEWEST, SAMPLES_A_SECOND // rate)


def adaptive_prediction(rate: int) -> tuple[Linear, MuLaw]:
    """Returns the model and its representation: a mix of recursive least squares over mu-law.

    Args:
        rate: Sample rate in Hz.
    """
    representation = MuLaw(MuLawConfig(), rate)
    return Linear(LinearConfig(adaptive="mix"), representation.spec, 0), representation
