"""The losses of a plan: each the mean over batch, positions and values."""

from __future__ import annotations

import math
from collections.abc import Callable

import torch
from torch import Tensor
from torch.nn import functional

from lofikit.models.base import LossName


def _huber(outputs: Tensor, targets: Tensor) -> Tensor:
    """``e**2 / 2`` up to 1, ``|e| - 1/2`` above (Huber 1964, delta 1)."""
    return functional.huber_loss(outputs, targets, delta=1.0)


def _log_cosh(outputs: Tensor, targets: Tensor) -> Tensor:
    """``log(cosh(e))``, as ``|e| + log(1 + exp(-2 |e|)) - log 2``, which cannot overflow."""
    error = (outputs - targets).abs()
    return (error + torch.log1p(torch.exp(-2 * error)) - math.log(2)).mean()


def _cross_entropy(logits: Tensor, ids: Tensor) -> Tensor:
    """In nats; logits (batch, time, size, levels), ids (batch, time, size)."""
    return functional.cross_entropy(logits.reshape(-1, logits.shape[-1]), ids.reshape(-1))


LOSSES: dict[LossName, Callable[[Tensor, Tensor], Tensor]] = {
    "huber": _huber,
    "log-cosh": _log_cosh,
    "mse": functional.mse_loss,
    "mae": functional.l1_loss,
    "cross-entropy": _cross_entropy,
}
