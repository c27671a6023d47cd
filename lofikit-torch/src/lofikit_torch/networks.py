"""Networks as torch modules, with weights under core's names.

A network works on whole chunks, or piece by piece with a memory that carries what the past left.
"""

from __future__ import annotations

import torch
from torch import Tensor, nn
from torch.nn import functional

from lofikit.models.base import LossName
from lofikit.models.families import family_of
from lofikit.models.layers import (
    Config,
    class_edges,
    guided,
    head_width,
    input_width,
    mixtures_of,
    shapes,
)
from lofikit.representations.base import FrameSpec
from lofikit_torch.bodies import build_body
from lofikit_torch.bodies.base import Memory
from lofikit_torch.layers import Dense
from lofikit_torch.losses import LOSSES
from lofikit_torch.mixture import Logistics


class FrameNetwork(nn.Module):
    """Frames in, predictions out: how frames go in, a body, and a dense head.

    Args:
        config: The model's options.
        spec: Its frames.
    """

    def __init__(self, config: Config, spec: FrameSpec) -> None:
        super().__init__()
        self.spec = spec
        self._names = tuple(shapes(config, spec))
        self.embedding: nn.Parameter | None = None
        if table := shapes(config, spec).get("embedding"):
            self.embedding = nn.Parameter(torch.empty(table))
        self.body = build_body(config, input_width(config, spec))
        self.head = Dense(family_of(config).features(config), head_width(config, spec))
        self._head_width = head_width(config, spec) // spec.size  # for each value of a frame
        self.mixture: Logistics | None = None
        if (mixtures := mixtures_of(config)) and spec.levels is not None:
            edges = class_edges(config, spec.levels)
            self.mixture = Logistics(mixtures, edges, guided(config))

    def weights(self) -> dict[str, nn.Parameter]:
        """Returns what is learned, by core's names and in core's order; see :func:`core_layout`."""
        found: dict[str, nn.Parameter] = {}
        if self.embedding is not None:
            found["embedding"] = self.embedding
        found |= self.body.weights()
        found |= {f"head.{name}": value for name, value in self.head.named_parameters()}
        return {name: found[name] for name in self._names}

    def inputs(self, frames: Tensor, guides: Tensor | None = None) -> Tensor:
        """Returns what the body takes.

        Args:
            frames: Shape (batch, time, size).
            guides: Predictions and their running errors, as core's engine feeds them
                (batch, time, 2), of a network beside a predictor.
        """
        values = self._values(frames)
        return values if guides is None else torch.cat([values, guides], dim=2)

    def _values(self, frames: Tensor) -> Tensor:
        if self.embedding is not None:
            if self.embedding.ndim == 3:  # a table each, one after the other
                size, levels, _ = self.embedding.shape
                frames = frames + levels * torch.arange(size, device=frames.device)
            return functional.embedding(frames, self.embedding.flatten(0, -2)).flatten(2)
        if self.spec.levels is not None:
            return 2 * frames.float() / (self.spec.levels - 1) - 1
        return frames

    def forward(
        self,
        inputs: Tensor,
        masks: list[Tensor],
        last: bool = False,
        memory: Memory | None = None,
    ) -> Tensor:
        """Predicts (batch, time, size), or logits (batch, time, size, levels).

        Args:
            inputs: From :meth:`inputs`.
            masks: Dropout, from the body; empty for none.
            last: Whether only the last position is wanted.
            memory: See :class:`Body`.
        """
        values = self._head_values(inputs, masks, last, memory)
        if self.mixture is not None:
            return self.mixture.logits(values, inputs[:, -1:] if last else inputs)
        return self._shaped(values)

    def _head_values(
        self,
        inputs: Tensor,
        masks: list[Tensor],
        last: bool,
        memory: Memory | None,
        first: int = 0,
    ) -> Tensor:
        """Returns what the head gives for the values of a frame from the ``first`` on."""
        hidden = self.body(inputs, masks, memory)
        values: Tensor = self.head(hidden[:, -1:] if last else hidden, first * self._head_width)
        return values.float()

    def _shaped(self, values: Tensor) -> Tensor:
        """Returns values of the head as predictions: as they are, or as logits of class ids."""
        return values if self.spec.levels is None else values.unflatten(2, (-1, self.spec.levels))

    def compare(
        self,
        inputs: Tensor,
        targets: Tensor,
        loss: LossName,
        masks: list[Tensor],
        last: bool = False,
        memory: Memory | None = None,
    ) -> Tensor:
        """Returns the mean loss of what is predicted from inputs.

        Args:
            inputs: From :meth:`inputs`.
            targets: What the last inputs predict (batch, time, size).
            loss: Its name.
            masks: See :meth:`forward`.
            last: See :meth:`forward`.
            memory: See :class:`Body`.
        """
        # What always is given need not be predicted.
        learned = self.spec.conditions
        targets = targets[:, :, learned:]
        values = self._head_values(inputs, masks, last, memory, learned)
        if self.mixture is None:
            return LOSSES[loss](self._shaped(values), targets)
        count = targets.shape[1]
        values, guiding = values[:, -count:], inputs[:, -count:]
        return -self.mixture.log_likelihood(values, targets, guiding).mean()


def core_layout(name: str, value: Tensor) -> Tensor:
    """Returns a weight in core's layout, or one of core's in ours: the way is the same."""
    return value.t() if name.endswith((".kernel", ".recurrent")) else value
