"""The conformance suite finds the faults that it is there for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from lofikit.models.base import Model, Outputs, Sampling, State, StepSettings, Stream
from lofikit.representations.base import Frames
from lofikit.testing import losses, streams
from lofikit.testing import models as suite
from lofikit.testing.cases import CLASSES, REAL, ModelCase
from lofikit_torch.config import TorchTCNConfig
from lofikit_torch.models import TorchModel


class SeesTheFuture(TorchModel):
    def forward(self, frames: Frames) -> Outputs:
        return super().forward(np.roll(frames, -1, axis=1))


class DeclaresTooMuch(TorchModel):
    @property
    def receptive_field(self) -> int:
        return super().receptive_field + 1


class DeclaresTooLittle(TorchModel):
    @property
    def receptive_field(self) -> int:
        return super().receptive_field - 1


class DependsOnTheClock(TorchModel):
    def train_step(self, frames: Frames, settings: StepSettings) -> Any:
        drawn = 1 + float(torch.rand(())) / 10
        return super().train_step(frames, StepSettings(learning_rate=0.01 * drawn))


class DoesNotLearn(TorchModel):
    def train_step(self, frames: Frames, settings: StepSettings) -> Any:
        return self.loss(frames, settings)


class ReturnsTheLossAfter(TorchModel):
    def train_step(self, frames: Frames, settings: StepSettings) -> Any:
        super().train_step(frames, settings)
        return self.loss(frames, settings)


class LearnsWhenAsked(TorchModel):
    def loss(self, frames: Frames, settings: StepSettings) -> float:
        return float(TorchModel.train_step(self, frames, settings))


class WritesToFrames(TorchModel):
    def forward(self, frames: Frames) -> Outputs:
        outputs = super().forward(frames)
        if frames.flags.writeable:
            frames *= 0.5
        return outputs


class HandsOutItsMemory(TorchModel):
    def state(self) -> State:
        state = super().state()
        state["weights/head.bias"] = self._weights["head.bias"].detach().numpy()
        return state


class ForgetsTheOptimiser(TorchModel):
    def state(self) -> State:
        return {name: value for name, value in super().state().items() if "weights/" in name}


class KeepsTheOptimiser(TorchModel):
    def load_state(self, state: State) -> None:
        before = self._optimiser, self._optimiser_name
        super().load_state(state)
        self._optimiser, self._optimiser_name = before


class AcceptsAnyLoss(TorchModel):
    def check_settings(self, settings: StepSettings) -> None: ...


class WrappedStream(Stream):
    def __init__(self, model: Model, batch: int, sampling: Sampling, seed: int) -> None:
        self.model = model
        self.inner = TorchModel.stream(model, batch, sampling, seed)

    def prime(self, frames: Frames) -> Outputs:
        return self.inner.prime(frames)

    def next(self, n: int) -> Frames:
        return self.inner.next(n)


class ForgetsBetweenCalls(WrappedStream):
    def prime(self, frames: Frames) -> Outputs:
        return self.model.forward(frames)


class FeedsBackSomethingElse(WrappedStream):
    def next(self, n: int) -> Frames:
        return (self.inner.next(n) * 0.99).astype(np.float32)


class DropsAFrameAtEachCall(WrappedStream):
    def next(self, n: int) -> Frames:
        return self.inner.next(n + 1)[:, :n]


class MixesRows(WrappedStream):
    def prime(self, frames: Frames) -> Outputs:
        outputs = self.inner.prime(frames)
        return outputs if len(outputs) == 1 else outputs[::-1]


class FollowsTheWeights(WrappedStream):
    def prime(self, frames: Frames) -> Outputs:
        return self.model.forward(frames)


def streaming(kind: type[WrappedStream]) -> type[TorchModel]:
    class Model(TorchModel):
        def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
            return kind(self, batch, sampling, seed)

    return Model


class IgnoresTheSeed(TorchModel):
    def stream(self, batch: int, sampling: Sampling, seed: int) -> Stream:
        return super().stream(batch, sampling, 0)


@pytest.mark.parametrize(
    ("model", "check", "says"),
    [
        (SeesTheFuture, suite.check_causality, "changes outputs before it"),
        (DeclaresTooMuch, suite.check_receptive_field, "no output depends on"),
        (DeclaresTooLittle, suite.check_receptive_field, "older than the declared"),
        (DependsOnTheClock, suite.check_same_seed_same_model, "two trainings of one seed"),
        (DoesNotLearn, suite.check_learning, "40 steps take the loss"),
        (DoesNotLearn, losses.check_loss, "leaves the loss as it was"),
        (ReturnsTheLossAfter, losses.check_loss, "the loss before it"),
        (LearnsWhenAsked, losses.check_loss, "before and after loss"),
        (WritesToFrames, suite.check_frames_are_not_changed, "before and after forward"),
        (HandsOutItsMemory, suite.check_state_is_copied, "one more step"),
        (ForgetsTheOptimiser, suite.check_resuming, "resumed and uninterrupted"),
        (KeepsTheOptimiser, suite.check_weights_alone, "from weights alone"),
        (AcceptsAnyLoss, losses.check_losses_are_refused, "is accepted"),
        (TorchModel, suite.check_spec_is_refused, "cannot take are accepted"),
        (streaming(ForgetsBetweenCalls), streams.check_stream_equals_forward, "of a stream and"),
        (streaming(FeedsBackSomethingElse), streams.check_generation_feeds_back, "generated and"),
        (streaming(DropsAFrameAtEachCall), streams.check_stream_cuts, "other pieces"),
        (streaming(MixesRows), streams.check_streams_do_not_mix, "beside others"),
        (streaming(FollowsTheWeights), streams.check_stream_keeps_its_weights, "opened before"),
    ],
)
def test_a_fault_is_found_and_named(
    model: type[TorchModel], check: Callable[[ModelCase], None], says: str
) -> None:
    with pytest.raises(AssertionError, match=says):
        check(case_of(model, REAL))


def test_draws_that_ignore_the_seed_are_found() -> None:
    with pytest.raises(AssertionError, match="two seeds"):
        streams.check_stream_cuts(case_of(IgnoresTheSeed, CLASSES))


def case_of(model: type[TorchModel], spec: Any) -> ModelCase:
    class Case(ModelCase):
        def build(self, seed: int = 0, **options: Any) -> Model:
            return model(TorchTCNConfig(**{**self.options, **options}), self.spec, seed)

    options = {
        "window": 16,
        "filters": 6,
        "dilations": (1, 2),
        "device": "cpu",
        "engine": False,
    }
    return Case("torch/tcn", options, spec)
