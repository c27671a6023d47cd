"""What every model must do, so that core can train, store, resume and stream it.

A plugin's test file::

    from lofikit.testing.models import ModelSuite

    class TestMyModel(ModelSuite):
        component = "mine/model"
        options = {"units": 8}

Each ``check_...`` can also be called by itself, on a :class:`~lofikit.testing.cases.ModelCase`; it
raises an AssertionError that says what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from functools import partial
from typing import Any, ClassVar, Protocol

import numpy as np

from lofikit.errors import UnsupportedSpecError
from lofikit.hookspecs import Kind
from lofikit.models.base import State
from lofikit.representations.base import FrameSpec
from lofikit.testing.cases import CLASSES, REAL, WIDE, ModelCase
from lofikit.testing.components import ComponentSuite, NamedCheck
from lofikit.testing.faults import require, require_same, require_same_state
from lofikit.testing.losses import LOSS_CHECKS
from lofikit.testing.processes import resume_in_new_process
from lofikit.testing.streams import STREAM_CHECKS

Check = Callable[[ModelCase], None]


def check_sizes(case: ModelCase) -> None:
    """Core cuts chunks and prompts by what the model declares."""
    model = case.build()
    block, chunk, context = model.block, model.chunk, model.context
    require(block >= 1, case, f"block is {block}, and must be at least 1")
    require(chunk > block, case, f"chunk is {chunk}: too short for a target after {block} frames")
    require(context >= 1, case, f"context is {context}, and must be at least 1")
    for name, size in (("context", context), ("chunk", chunk)):
        require(size % block == 0, case, f"the {name} {size} is no multiple of the block {block}")
    outputs = model.forward(case.frames(2, 3 * block))
    levels = () if case.spec.levels is None else (case.spec.levels,)
    shape = (2, 3 * block, case.spec.size, *levels)
    require(outputs.shape == shape, case, f"forward gives the shape {outputs.shape}, not {shape}")
    require(outputs.dtype == np.float32, case, f"forward gives {outputs.dtype}, not float32")
    require(bool(np.isfinite(outputs).all()), case, "forward gives values that are not finite")


def check_causality(case: ModelCase) -> None:
    """No output may depend on frames that come after the one (or the block) it stands at."""
    model = case.build()
    case.train(model, range(3))  # an untrained model may predict the same of everything
    block = model.block
    at = 5 * block
    frames = case.frames(2, 9 * block)
    difference = np.abs(model.forward(case.changed(frames, at)) - model.forward(frames))
    before, after = difference[:, :at], difference[:, at:]
    require(float(before.max()) <= 1e-6, case, f"a change of frame {at} changes outputs before it")
    require(float(after.max()) > 0, case, f"a change of frame {at} changes no output at all")


def check_receptive_field(case: ModelCase) -> None:
    """The declared receptive field is the one found by changing the oldest frame."""
    model = case.build()
    declared = model.receptive_field
    if declared is None:
        return
    case.train(model, range(3))
    block = model.block
    frames = case.frames(4, (declared // block + 3) * block)
    difference = np.abs(model.forward(case.changed(frames, 0)) - model.forward(frames))
    reached = difference.reshape(len(frames), frames.shape[1], -1).max(axis=(0, 2))
    require(
        float(reached[declared:].max()) <= 1e-6,
        case,
        f"an output depends on frames older than the declared receptive field of {declared}",
    )
    require(
        float(reached[declared - 1]) > 0,
        case,
        f"no output depends on a frame as old as the declared receptive field of {declared}",
    )


def check_same_seed_same_model(case: ModelCase) -> None:
    """The same seed and data give the same weights, before training and after."""
    models = [case.build(seed=3), case.build(seed=3)]
    require_same_state(models[0].state(), models[1].state(), case, "two new models of one seed")
    for model in models:
        case.train(model, range(2))
    require_same_state(models[0].state(), models[1].state(), case, "two trainings of one seed")
    frames = case.frames(2, 4 * models[0].block)
    require_same(models[0].forward(frames), models[1].forward(frames), case, "their outputs")


def check_learning(case: ModelCase) -> None:
    """Some tens of steps on one batch lower its loss."""
    model = case.build()
    frames = case.examples(model)
    before = model.loss(frames, case.settings(model))
    for step in range(40):
        model.train_step(frames, case.settings(model, step))
    after = model.loss(frames, case.settings(model))
    require(after < 0.9 * before, case, f"40 steps take the loss from {before:.4g} to {after:.4g}")


def check_frames_are_not_changed(case: ModelCase) -> None:
    """Frames may lie in a memory-mapped file: they are never written to."""
    model = case.build()
    kept = case.examples(model)
    settings = case.settings(model)
    frames = kept.copy()  # one that could be written to
    prompt = frames[:, : model.block].copy()
    model.loss(frames, settings)
    model.train_step(frames, settings)
    model.train_step(kept, settings)  # and one that cannot
    model.forward(prompt)
    require_same(frames, kept, case, "frames before and after a step")
    require_same(prompt, kept[:, : model.block], case, "frames before and after forward()")


def check_state_is_copied(case: ModelCase) -> None:
    """A checkpoint is written while training goes on, so it must not change with it."""
    model = case.build()
    case.train(model, range(1))
    state = model.state()
    require(
        any(name.startswith("weights/") for name in state), case, "no array is named weights/..."
    )
    before = {name: value.copy() for name, value in state.items()}
    case.train(model, range(1, 2))
    require_same_state(state, before, case, "a state before and after one more step")
    for value in state.values():
        value[...] = 0
    model.load_state(before)
    require_same_state(model.state(), before, case, "a state and what load_state made of it")


def check_state_is_whole(case: ModelCase) -> None:
    """All that outputs depend on is in the state."""
    trained, new = case.build(), case.build(seed=9)
    case.train(trained, range(3))
    new.load_state(_through_safetensors(trained.state()))
    frames = case.frames(2, 4 * new.block)
    what = "outputs of a model and of another with its state (is an array left out of it?)"
    require_same(new.forward(frames), trained.forward(frames), case, what)


def check_resuming(case: ModelCase) -> None:
    """Two steps, a state, and three more give what five steps give, bit for bit."""
    uninterrupted = case.build(**case.random_options)
    first = case.build(**case.random_options)
    case.train(uninterrupted, range(5))
    case.train(first, range(2))
    second = case.build(seed=9, **case.random_options)
    second.load_state(_through_safetensors(first.state()))
    case.train(second, range(2, 5))
    require_same_state(second.state(), uninterrupted.state(), case, "resumed and uninterrupted")


def check_weights_alone(case: ModelCase) -> None:
    """A state of weights alone starts a new training, whatever the optimiser was before."""
    trained, new = case.build(), case.build(seed=9)
    case.train(trained, range(3))
    state = trained.state()
    weights = {name: value for name, value in state.items() if name.startswith("weights/")}
    for model in (trained, new):
        model.load_state(weights)
        case.train(model, range(1))
    require_same_state(trained.state(), new.state(), case, "a step from weights alone")


def check_new_process(case: ModelCase) -> None:
    """A state in a file gives another process the same outputs, and the same next step."""
    model = case.build(**case.random_options)
    case.train(model, range(2))
    frames = case.examples(model, seed=2)
    prompt = case.frames(2, 4 * model.block)
    outputs, state = resume_in_new_process(case, model.state(), prompt, frames, step=2)
    require_same(outputs, model.forward(prompt), case, "outputs of two processes")
    model.train_step(frames, case.settings(model, 2))
    require_same_state(state, model.state(), case, "a step taken by two processes")


def check_spec_is_refused(case: ModelCase) -> None:
    """Frames that the model cannot take are refused when it is built, with a next step."""
    try:
        case.build()
    except UnsupportedSpecError as error:
        require(bool(error.hint), case, "the error for unsupported frames has no hint")
    else:
        require(False, case, f"frames that it cannot take are accepted: {case.spec!r}")


CHECKS: tuple[Check, ...] = (
    check_sizes,
    check_causality,
    check_receptive_field,
    check_same_seed_same_model,
    check_learning,
    check_frames_are_not_changed,
    check_state_is_copied,
    check_state_is_whole,
    check_resuming,
    check_weights_alone,
    *LOSS_CHECKS,
    *STREAM_CHECKS,
)
"""The checks of a model on frames that it takes; :func:`check_new_process` is a slow one more."""


def spec_name(spec: FrameSpec) -> str:
    """Returns frames in a word: ``1x256`` for one of 256 classes, ``8xreal`` for 8 values."""
    return f"{spec.size}x{'real' if spec.levels is None else spec.levels}"


class Metafunc(Protocol):
    """What is used of pytest's object of this name, so that pytest need not be imported."""

    fixturenames: list[str]

    def parametrize(self, argnames: str, argvalues: list[Any], *, ids: list[str]) -> None:
        """Runs a test once for each value."""


class ModelSuite(ComponentSuite):
    """The tests; derive from it, name the component, and give options that make it small.

    Attributes:
        random_options: Options that make its training random (dropout, noise).
        specs: Frames that it is checked on.
        unsupported: Frames that it must refuse.
        learning_rate: Of the tests' training.
    """

    kind: ClassVar[Kind] = "model"
    random_options: ClassVar[Mapping[str, Any]] = {}
    specs: ClassVar[Sequence[FrameSpec]] = (REAL, CLASSES, WIDE)
    unsupported: ClassVar[Sequence[FrameSpec]] = ()
    learning_rate: ClassVar[float] = 1e-2

    @classmethod
    def case(cls, spec: FrameSpec) -> ModelCase:
        """Returns the case of one kind of frames."""
        return ModelCase(
            cls.component,
            cls.options,
            spec,
            random_options=cls.random_options,
            learning_rate=cls.learning_rate,
        )

    def pytest_generate_tests(self, metafunc: Metafunc) -> None:
        """Runs each check on each kind of frames."""
        for name, specs in (("spec", self.specs), ("refused_spec", self.unsupported)):
            if name in metafunc.fixturenames:
                ids = [spec_name(spec) for spec in specs]
                metafunc.parametrize(name, list(specs), ids=ids)
        if "check" in metafunc.fixturenames:
            names = [check.__name__.removeprefix("check_") for check in CHECKS]
            metafunc.parametrize("check", list(CHECKS), ids=names)

    def checks(self) -> Iterator[NamedCheck]:
        """Yields each check on each kind of frames."""
        for found in super().checks():
            name = found.run.__name__
            if name == "test_model":
                for spec in self.specs:
                    for check in CHECKS:
                        words = check.__name__.removeprefix("check_").replace("_", " ")
                        yield NamedCheck(words, spec_name(spec), partial(check, self.case(spec)))
            elif name == "test_refuses":
                for spec in self.unsupported:
                    run = partial(self.test_refuses, spec)
                    yield NamedCheck(found.name, spec_name(spec), run)
            else:
                yield found

    def test_model(self, check: Check, spec: FrameSpec) -> None:
        """Runs one check."""
        check(self.case(spec))

    def test_new_process(self) -> None:
        """Runs the check that starts a process, once."""
        check_new_process(self.case(self.specs[0]))

    def test_refuses(self, refused_spec: FrameSpec) -> None:
        """Runs the check of frames that it cannot take."""
        check_spec_is_refused(self.case(refused_spec))


def _through_safetensors(state: State) -> State:
    from safetensors.numpy import load, save

    return load(save(state))
