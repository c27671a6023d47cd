"""The baseline of predictions: adaptive linear prediction, which nobody trained.

It learns from each clip while it hears it (:mod:`lofikit.models.linear`), and few models of single
samples that were trained for minutes need fewer bits. That it plays badly when it hears only
itself shows how little bits say.
"""

from __future__ import annotations

from lofikit.models.linear import Linear, LinearConfig
from lofikit.representations.mulaw import MuLaw, MuLawConfig

NAME = "adaptive prediction"
TAKES = 6
"""Takes of it that are measured at most, since it is slow: some ten times real time."""


def adaptive_prediction(rate: int) -> tuple[Linear, MuLaw]:
    """Returns the model and its representation: a mix of recursive least squares over mu-law.

    Args:
        rate: Sample rate in Hz.
    """
    representation = MuLaw(MuLawConfig(), rate)
    return Linear(LinearConfig(adaptive="mix"), representation.spec, 0), representation
