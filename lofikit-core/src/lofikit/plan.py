"""A plan of training: phases, each with its batch size, rate, optimiser and loss."""

from __future__ import annotations

import math
from typing import Literal

from pydantic import Field

from lofikit.models.base import LossName, OptimiserName, StepSettings
from lofikit.options import Options, option


class Phase(Options):
    """A stretch of training with one setting."""

    epochs: int = option(10, "Epochs of this phase.", ge=1)
    steps: int | None = option(
        None,
        "Steps of an epoch; none for as many as read the training clips once.",
        ge=1,
    )
    batch_size: int = option(2, "Chunks of a step.", ge=1)
    learning_rate: float = option(2e-3, "Learning rate at the start of the phase.", gt=0)
    decay: Literal["constant", "cosine"] = option(
        "constant", "How the learning rate goes on: as it is, or down to 1 % along a cosine."
    )
    optimiser: OptimiserName = option("adam", "Optimiser.")
    loss: LossName | None = option(
        None, "What is minimised; none for cross-entropy of classes, Huber of real values."
    )
    momentum: float = option(0.0, "Momentum of SGD.", ge=0.0, lt=1.0)
    weight_decay: float = option(0.0, "Weight decay of AdamW.", ge=0.0)
    clip_norm: float = option(1.0, "Norm that gradients are clipped to; 0 for none.", ge=0.0)

    def settings(
        self,
        default_loss: LossName,
        seed: int,
        progress: float,
        step_seed: int,
        carried: bool = False,
    ) -> StepSettings:
        """Returns how a step is done.

        Args:
            default_loss: The model's, used if the phase names none.
            seed: The training's seed.
            progress: Share of the phase that is done, 0 to 1.
            step_seed: Number of the step since training began.
            carried: Whether the examples go on from those of the step before.
        """
        rate = self.learning_rate
        if self.decay == "cosine":
            rate *= 0.01 + 0.99 * (1 + math.cos(math.pi * progress)) / 2
        return StepSettings(
            optimiser=self.optimiser,
            learning_rate=rate,
            loss=self.loss or default_loss,
            momentum=self.momentum,
            weight_decay=self.weight_decay,
            clip_norm=self.clip_norm,
            seed=(seed * 1_000_003 + step_seed) & 0x7FFF_FFFF,
            carried=carried,
        )


class TrainingConfig(Options):
    """How a model is trained."""

    seed: int = option(0, "Seed of weights, draws, dropout and noise.", ge=0, lt=2**31)
    minutes: float | None = option(
        None,
        "Train for about this long: the phases' steps are chosen once, when training begins, and "
        "the phases keep their proportions; none takes the steps as they are.",
        unit="min",
        gt=0.0,
        le=525_600.0,  # a year
    )
    patience: int = option(
        0,
        "End a phase after this many epochs without a lower held-out loss; 0 never ends it early.",
        unit="epochs",
        ge=0,
    )
    validation_chunks: int = option(
        64, "Chunks of held-back clips that the held-out loss is the mean of.", ge=1
    )
    audition: float = option(
        3.0, "Length of the take generated at each checkpoint; 0 for none.", unit="s", ge=0.0
    )
    checkpoint_every: float = option(
        30.0,
        "Shortest time between two checkpoints; what a kill costs at most, besides an epoch's end.",
        unit="s",
        ge=0.0,
    )
    phases: tuple[Phase, ...] = Field(
        (Phase(),), min_length=1, description="The phases, one after the other."
    )
