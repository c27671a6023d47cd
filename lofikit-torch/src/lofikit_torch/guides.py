"""Adaptive linear prediction beside a network, as tensors."""

from __future__ import annotations

import numpy as np
import torch
from torch import Tensor

from lofikit.models.adaptive import AdaptiveGuide
from lofikit.models.configs import CausalConfig
from lofikit.models.layers import Config, guided
from lofikit.streaming.heads import class_values
from lofikit.streaming.network import GUIDE_RANGE, SMALLEST_GUIDE


class Guides:
    """What a predictor says after each frame; see `lofikit.streaming.network.Predictor`.

    Args:
        config: Of a model with a predictor.
        batch: Streams.
        levels: Classes of the mu-law samples.
    """

    def __init__(self, config: CausalConfig, batch: int, levels: int) -> None:
        self._values = class_values(levels)
        self._guide = AdaptiveGuide(batch, config.predictor, config.predictor_order)

    def follow(self, frames: Tensor) -> Tensor:
        """Returns what goes in beside frames (batch, time, 1): values (batch, time, 2)."""
        traces = self._guide.follow(self._values[frames[..., 0].cpu().numpy()])
        errors = np.maximum(traces[..., 1], SMALLEST_GUIDE)
        both = np.stack([traces[..., 0], 1 + np.log(errors) / GUIDE_RANGE], axis=-1)
        return torch.from_numpy(both.astype(np.float32)).to(frames.device)


def guides_for(config: Config, batch: int, levels: int | None) -> Guides | None:
    """Returns the guides of a batch of streams; None for a model without a predictor."""
    if isinstance(config, CausalConfig) and guided(config) and levels is not None:
        return Guides(config, batch, levels)
    return None
