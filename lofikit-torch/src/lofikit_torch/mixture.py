"""Mixtures of logistic distributions over ordered classes, as core's engine computes them."""

from __future__ import annotations

import math

import torch
from torch import Tensor
from torch.nn import functional

from lofikit.streaming.heads import LOG_SCALES, UNIFORM
from lofikit.streaming.layer import FloatArray
from lofikit.streaming.network import GUIDE_RANGE

FAR = 1e3
"""Where the outermost cells end: as good as infinite, and of finite gradients."""
AT_ONCE = 1 << 22
"""Values of one distribution's cells computed at once, to bound the memory."""


class Logistics:
    """The distribution that a head's values stand for; see `lofikit.streaming.heads.Logistics`.

    Args:
        mixtures: Distributions a class id.
        edges: Inner edges of the classes' cells, ascending, shape (levels - 1,).
        guided: Whether means and scales are around a prediction, in units of its running error.
    """

    def __init__(self, mixtures: int, edges: FloatArray, guided: bool) -> None:
        self.mixtures, self.levels, self.guided = mixtures, len(edges) + 1, guided
        inner = torch.from_numpy(edges)
        self._edges = torch.cat([torch.tensor([-FAR]), inner, torch.tensor([FAR])])

    def log_likelihood(self, values: Tensor, ids: Tensor, inputs: Tensor | None = None) -> Tensor:
        """Returns the logarithm of the probability of given classes.

        Only their cells are computed: training need not know all classes'.

        Args:
            values: Of the head, shape (batch, time, size * 3 * mixtures).
            ids: Class ids, shape (batch, time, size).
            inputs: What went in, of which the last values guide (batch, time, values).

        Returns:
            Shape (batch, time, size).
        """
        edges = self._edges.to(values.device)
        lower, upper = edges[ids].unsqueeze(-1), edges[ids + 1].unsqueeze(-1)
        return self._log_cells(values, inputs, lower, upper).squeeze(-1)

    def logits(self, values: Tensor, inputs: Tensor | None = None) -> Tensor:
        """Returns the logarithms of the probabilities of all classes.

        Args:
            values: Of the head, shape (batch, time, size * 3 * mixtures).
            inputs: See :meth:`log_likelihood`.

        Returns:
            Shape (batch, time, size, levels).
        """
        edges = self._edges.to(values.device)
        piece = max(1, AT_ONCE // (values.shape[0] * values.shape[2] * self.levels))
        guides = values[..., :0] if inputs is None else inputs
        parts = [
            self._log_cells(part, guide, edges[:-1], edges[1:])
            for part, guide in zip(values.split(piece, 1), guides.split(piece, 1), strict=True)
        ]
        return torch.cat(parts, dim=1)

    def _log_cells(
        self, values: Tensor, inputs: Tensor | None, lower: Tensor, upper: Tensor
    ) -> Tensor:
        """Returns logarithms of the shares between edges (..., cells), shape (..., size, cells)."""
        shaped = values.unflatten(2, (-1, 3, 1, self.mixtures))
        weights, means, log_scales = shaped.unbind(3)
        sharpness = torch.exp(-log_scales.clamp(*LOG_SCALES))
        if self.guided and inputs is not None:
            centre, logarithm = inputs[..., -2, None, None, None], inputs[..., -1, None, None, None]
            unit = torch.exp((logarithm - 1) * GUIDE_RANGE)
            means, sharpness = centre + unit * means, sharpness / unit
        below = (lower.unsqueeze(-1) - means) * sharpness
        above = (upper.unsqueeze(-1) - means) * sharpness
        # log(s(above) - s(below)) = log s(above) + log s(-below) + log(1 - exp(below - above)):
        # what the cell's width gives stands alone, and nothing cancels.
        width = ((upper - lower).unsqueeze(-1) * sharpness).clamp(min=1e-12)
        shares = functional.logsigmoid(above) + functional.logsigmoid(-below)
        shares = shares + torch.log(-torch.expm1(-width))
        mixed = torch.logsumexp(torch.log_softmax(weights, dim=-1) + shares, dim=-1)
        floor = torch.full_like(mixed, math.log(UNIFORM / self.levels))
        return torch.logaddexp(mixed + math.log1p(-UNIFORM), floor)
