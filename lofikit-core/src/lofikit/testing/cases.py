"""What a conformance suite runs on: a model, its options, and frames to give it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from lofikit.models.base import Model, OptimiserName, StepSettings
from lofikit.options import Options, build
from lofikit.plugins import load_class, registry
from lofikit.representations.base import Frames, FrameSpec

REAL = FrameSpec(sample_rate=4410, hop=1, size=1)
"""Samples as they are."""
CLASSES = FrameSpec(sample_rate=4410, hop=1, size=1, levels=256)
"""Samples as mu-law has them."""
WIDE = FrameSpec(sample_rate=4410, hop=8, size=8)
"""Frames of several real values, as of a spectrum."""
CODES = FrameSpec(sample_rate=4410, hop=8, size=2, levels=16, ordinal=False)
"""Frames of several codes without an order, as of a learned codec."""
TOLD = FrameSpec(sample_rate=4410, hop=8, size=2, levels=8, ordinal=False, signals=1)
"""Frames of a code, and before it a signal that tells of the frame to come."""
CONDITIONED = FrameSpec(
    sample_rate=4410, hop=8, size=3, levels=8, ordinal=False, signals=2, conditions=1
)
"""The same, and before it a condition that is always given."""


@dataclass(frozen=True)
class ModelCase:
    """A model to check.

    Attributes:
        component: Its name, for example ``torch/tcn``.
        options: Options that make it small enough to train in a moment.
        spec: The frames that it is given.
        random_options: Options that make its training random (dropout, noise), if it has any.
        optimiser: An optimiser that it takes.
        learning_rate: A rate at which it learns within some tens of steps.
    """

    component: str
    options: Mapping[str, Any]
    spec: FrameSpec
    random_options: Mapping[str, Any] = field(default_factory=dict)
    optimiser: OptimiserName = "adam"
    learning_rate: float = 1e-2

    def __str__(self) -> str:
        kind = "reals" if self.spec.levels is None else f"{self.spec.levels} classes"
        return f"{self.component} on frames of {self.spec.size} {kind}"

    @property
    def config_class(self) -> type[Options]:
        """The class of the model's options."""
        found: type[Options] = load_class(registry().find("model", self.component).config)
        return found

    def config(self, **options: Any) -> Options:
        """Returns the model's options, with some changed."""
        return build(self.config_class, self.options, options, prefix="model")

    def build(self, seed: int = 0, **options: Any) -> Model:
        """Returns a new model, with some options changed."""
        model_class = load_class(registry().find("model", self.component).target)
        model: Model = model_class(self.config(**options), self.spec, seed)
        return model

    def settings(self, model: Model, step: int = 0, **changes: Any) -> StepSettings:
        """Returns the settings of a step, with some changed."""
        values: dict[str, Any] = {
            "optimiser": self.optimiser,
            "learning_rate": self.learning_rate,
            "loss": model.default_loss,
            "seed": step,
        }
        return StepSettings(**{**values, **changes})

    def frames(self, batch: int, time: int, seed: int = 0) -> Frames:
        """Returns frames that can be learned and may not be written to: noisy sines.

        Their shape is (batch, time, size), their type float32, or int32 for classes.
        """
        rng = np.random.default_rng([seed, batch, time])
        shape = (batch, 1, self.spec.size)
        period, phase = rng.uniform(7, 30, shape), rng.uniform(0, 2 * np.pi, shape)
        angle = 2 * np.pi * np.arange(time)[None, :, None] / period + phase
        values = 0.6 * np.sin(angle) + 0.05 * rng.standard_normal(angle.shape)
        frames: Frames = values.astype(np.float32)
        if self.spec.levels is not None:
            scaled = (np.clip(values, -1, 1) + 1) / 2 * (self.spec.levels - 1)
            frames = scaled.round().astype(np.int32)
        frames.flags.writeable = False
        return frames

    def examples(self, model: Model, batch: int = 4, seed: int = 0) -> Frames:
        """Returns training examples of the length that the model asks for."""
        return self.frames(batch, model.chunk, seed)

    def train(self, model: Model, steps: range) -> None:
        """Trains a model on examples that depend on the step's number alone.

        One that carries its state does so as often as it asks for.
        """
        for step in steps:
            settings = self.settings(model, step, carried=step % model.carry > 0)
            model.train_step(self.examples(model, seed=step), settings)

    def changed(self, frames: Frames, at: int) -> Frames:
        """Returns frames of which the one ``at`` a position is another, in all examples."""
        changed = frames.copy()
        if self.spec.levels is None:
            changed[:, at] += 1
        else:
            changed[:, at] = (changed[:, at] + self.spec.levels // 2) % self.spec.levels
        return changed
