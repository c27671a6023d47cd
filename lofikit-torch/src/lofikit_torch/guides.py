"""Adaptive linear prediction beside a network, as tensors."""

from __future__ import annotations

import torch
from torch import Tensor

from lofikit.models.guides import Guides


def followed(guides: Guides | None, frames: Tensor) -> Tensor | None:
    """Returns what goes in beside frames (batch, time, 1), if there is a predictor.

    Shape (batch, time, 2).
    """
    if guides is None:
        return None
    return torch.from_numpy(guides.follow(frames.cpu().numpy())).to(frames.device)
