"""Heads that give a distribution of classes in another form than a logit for each."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import numpy.typing as npt

from lofikit.representations.mulaw import expand
from lofikit.streaming.feedforward import Dense
from lofikit.streaming.layer import FloatArray, keep

UNIFORM = 1e-6
"""Share of a mixture of logistic distributions that is uniform: no class is impossible."""
LOG_SCALES = (-9.0, 3.0)
"""Least and largest logarithm of a scale."""


def even_edges(levels: int) -> FloatArray:
    """The inner edges of the cells of classes that lie evenly in [-1, 1], shape (levels - 1,)."""
    return ((2 * np.arange(levels - 1) + 1) / (levels - 1) - 1).astype(np.float32)


def class_values(levels: int) -> npt.NDArray[np.float64]:
    """What mu-law classes stand for, from -1 to 1, shape (levels,)."""
    return expand(2.0 * np.arange(levels) / (levels - 1) - 1.0, levels)


def companded_edges(levels: int) -> FloatArray:
    """The inner edges of the cells of mu-law classes, in values from -1 to 1, (levels - 1,)."""
    return np.asarray(expand(even_edges(levels).astype(np.float64), levels), np.float32)


@dataclass(frozen=True, eq=False)
class Logistics(Dense):
    """A mixture of logistic distributions for each value of a frame, integrated over cells.

    A dense layer gives ``3 * mixtures`` numbers a value: the logits of the weights, the means,
    and the logarithms of the scales, within `LOG_SCALES`. Beside a `Predictor`, means and scales
    are in units of its running error, and means lie around its prediction. A class's logit is the
    logarithm of what the mixture gives to its cell; the outermost cells take the tails
    (PixelCNN++, Salimans et al. 2017, section 2.1).

    Attributes:
        mixtures: Distributions a value.
        edges: Inner edges of the classes' cells, ascending (levels - 1,).
    """

    mixtures: int = field(kw_only=True)
    edges: FloatArray = field(kw_only=True)

    def __post_init__(self) -> None:
        super().__post_init__()
        keep(self, "edges", (None,))
        if self.mixtures < 1 or self.output_width % (3 * self.mixtures):
            raise ValueError(
                f"Logistics: {self.output_width} values a frame are not three for each of "
                f"{self.mixtures} distributions."
            )
