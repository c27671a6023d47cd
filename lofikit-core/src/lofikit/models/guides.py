"""Adaptive linear prediction beside a network, for backends: what goes in after each frame."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.models.adaptive import AdaptiveGuide
from lofikit.models.layers import Config, predictor_of
from lofikit.streaming.heads import class_values
from lofikit.streaming.network import GUIDE_RANGE, SMALLEST_GUIDE, Predictor


class Guides:
    """What a predictor says after each frame; see `lofikit.streaming.network.Predictor`.

    Args:
        predictor: Its method and order.
        batch: Streams.
        levels: Classes of the mu-law samples.
    """

    def __init__(self, predictor: Predictor, batch: int, levels: int) -> None:
        self._values = class_values(levels)
        self._guide = AdaptiveGuide(batch, predictor.method, predictor.order)

    def follow(self, ids: NDArray[Any]) -> NDArray[np.float32]:
        """Returns what goes in beside class ids (batch, time, 1): values (batch, time, 2)."""
        traces = self._guide.follow(self._values[ids[..., 0]])
        errors = np.maximum(traces[..., 1], SMALLEST_GUIDE)
        both = np.stack([traces[..., 0], 1 + np.log(errors) / GUIDE_RANGE], axis=-1)
        return both.astype(np.float32)


def guides_for(config: Config, batch: int, levels: int | None) -> Guides | None:
    """Returns the guides of a batch of streams; None for a model without a predictor."""
    predictor = predictor_of(config)
    return None if predictor is None or levels is None else Guides(predictor, batch, levels)
