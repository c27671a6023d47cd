"""Checks of a model's stream: that stepping gives what training saw."""

from __future__ import annotations

import inspect
from collections.abc import Callable

import numpy as np

from lofikit.errors import OptionError
from lofikit.models.base import Model, Outputs, Sampling, Stream
from lofikit.representations.base import FREE, Frames
from lofikit.testing.cases import ModelCase
from lofikit.testing.faults import require, require_close, require_same

TOLERANCE = 1e-4


def check_stream_equals_forward(case: ModelCase) -> None:
    """Fed with given frames, however cut, a stream predicts what the whole history predicts."""
    model = _trained(case)
    frames = _history(case, model, batch=3)
    expected = model.forward(frames)
    for seed in range(3):
        stream = model.stream(3, Sampling(), 0)
        outputs = _prime_in_pieces(model, stream, frames, seed)
        require_close(outputs, expected, case, "outputs of a stream and of forward()", TOLERANCE)


def check_generation_feeds_back(case: ModelCase) -> None:
    """What a stream generates is what forward() predicts from the prompt and the frames before."""
    model = _trained(case)
    prompt = _history(case, model, batch=2)
    stream = model.stream(2, Sampling(temperature=0), 0)
    stream.prime(prompt)
    block = model.block
    generated = stream.next(4 * block)
    kind = np.float32 if case.spec.levels is None else np.int32
    require(generated.dtype == kind, case, f"a stream gives {generated.dtype}, not {kind.__name__}")
    whole = np.concatenate([prompt, generated], axis=1)
    start = prompt.shape[1] - block
    predicted = model.forward(whole)[:, start : start + generated.shape[1]]
    if case.spec.levels is None:
        require_close(generated, predicted, case, "generated and predicted frames", TOLERANCE)
    else:
        taken = np.take_along_axis(predicted, generated[..., None].astype(np.int64), axis=-1)
        behind = float((predicted.max(axis=-1) - taken[..., 0]).max())
        require(behind <= TOLERANCE, case, "at temperature 0 a class is not the likeliest one")
    # Given frames go on from generated ones.
    more = _history(case, model, batch=2, seed=1)
    outputs = stream.prime(more)
    expected = model.forward(np.concatenate([whole, more], axis=1))[:, whole.shape[1] :]
    require_close(outputs, expected, case, "outputs after generated frames", TOLERANCE)


def check_stream_cuts(case: ModelCase) -> None:
    """``next(3)`` and ``next(5)`` give what ``next(8)`` gives, and the same seed the same."""
    model = _trained(case)
    whole = _generate(case, model, seed=5, cuts=(8, 6 * model.block))
    cut = _generate(case, model, seed=5, cuts=(3, 5, 1, 6 * model.block - 1))
    require_same(cut, whole, case, "frames generated in other pieces")
    if case.spec.levels is not None:
        other = _generate(case, model, seed=6, cuts=(8, 6 * model.block))
        require(not np.array_equal(other, whole), case, "two seeds generate the same frames")
        rows = _generate(case, model, seed=5, cuts=(8, 6 * model.block), same_prompt=True)
        require(not np.array_equal(rows[0], rows[1]), case, "two streams draw the same frames")


def check_given_values(case: ModelCase) -> None:
    """Values given while generating come out as they are, and are heard by what follows.

    A stream may take none, or refuse them with a hint.
    """
    model = _trained(case)
    prompt, told = _history(case, model, batch=2), case.frames(2, 12 * model.block, seed=2)
    free = np.nan if case.spec.levels is None else FREE
    given = told.copy()
    given[0] = free  # one stream is given nothing,
    given[1, ::3, -1] = free  # the other all but some values of some frames
    streams = [model.stream(2, Sampling(), 5) for _ in range(3)]
    for stream in streams:
        stream.prime(prompt)
    whole, cut, alone = streams
    if "given" not in inspect.signature(whole.next).parameters:
        return
    try:
        frames = whole.next(12 * model.block, given)
    except OptionError as error:
        require(bool(error.hint), case, "the error for given values has no hint")
        return
    chosen = np.isnan(given) if case.spec.levels is None else given == FREE
    kept = np.where(chosen, 0, frames)
    require_same(kept, np.where(chosen, 0, told), case, "given values and those that come out")
    parts = [cut.next(5, given[:, :5]), cut.next(12 * model.block - 5, given[:, 5:])]
    joined = np.concatenate(parts, axis=1)
    require_close(joined, frames, case, "values given in other pieces", TOLERANCE)
    free_run = alone.next(12 * model.block)
    what = "a stream that is given nothing beside one that is"
    require_close(frames[:1], free_run[:1], case, what, TOLERANCE)
    more = _history(case, model, batch=2, seed=1)
    expected = model.forward(np.concatenate([prompt, frames, more], axis=1))
    outputs = whole.prime(more)
    start = prompt.shape[1] + frames.shape[1]
    require_close(outputs, expected[:, start:], case, "outputs after given values", TOLERANCE)


def check_streams_do_not_mix(case: ModelCase) -> None:
    """A stream of a batch gives what it gives alone."""
    model = _trained(case)
    frames = _history(case, model, batch=3)
    sampling = Sampling(temperature=0)
    together = model.stream(3, sampling, 0)
    outputs = together.prime(frames)
    for row in range(3):
        alone = model.stream(1, sampling, 0).prime(frames[row : row + 1])
        require_close(outputs[row : row + 1], alone, case, "a stream beside others", TOLERANCE)


def check_stream_keeps_its_weights(case: ModelCase) -> None:
    """An audition may go on while the model is trained further."""
    model = _trained(case)
    frames = _history(case, model, batch=1)
    before = model.stream(1, Sampling(), 0)
    expected = model.forward(frames)
    model.train_step(case.examples(model), case.settings(model, learning_rate=0.1))
    require_close(
        before.prime(frames), expected, case, "a stream opened before a training step", TOLERANCE
    )


def check_unprimed_stream(case: ModelCase) -> None:
    """Generation from noise or nothing may start from an empty history."""
    model = _trained(case)
    frames = model.stream(2, Sampling(), 0).next(3 * model.block)
    shape = (2, 3 * model.block, case.spec.size)
    require(frames.shape == shape, case, f"a stream gives the shape {frames.shape}, not {shape}")
    require(bool(np.isfinite(frames).all()), case, "a stream gives values that are not finite")
    if case.spec.levels is not None:
        inside = bool(((frames >= 0) & (frames < case.spec.levels)).all())
        require(inside, case, "a stream gives classes outside of the levels")


STREAM_CHECKS: tuple[Callable[[ModelCase], None], ...] = (
    check_stream_equals_forward,
    check_generation_feeds_back,
    check_stream_cuts,
    check_given_values,
    check_streams_do_not_mix,
    check_stream_keeps_its_weights,
    check_unprimed_stream,
)


def _trained(case: ModelCase) -> Model:
    model = case.build()
    case.train(model, range(3))
    return model


def _history(case: ModelCase, model: Model, batch: int, seed: int = 0) -> Frames:
    return case.frames(batch, model.context + 5 * model.block, seed)


def _prime_in_pieces(model: Model, stream: Stream, frames: Frames, seed: int) -> Outputs:
    rng = np.random.default_rng(seed)
    blocks = frames.shape[1] // model.block
    cuts = np.sort(rng.integers(0, blocks + 1, 3)) * model.block
    return np.concatenate([stream.prime(piece) for piece in np.split(frames, cuts, axis=1)], axis=1)


def _generate(
    case: ModelCase, model: Model, seed: int, cuts: tuple[int, ...], same_prompt: bool = False
) -> Frames:
    prompt = _history(case, model, batch=2)
    if same_prompt:
        prompt = np.repeat(prompt[:1], 2, axis=0)
    stream = model.stream(2, Sampling(), seed)
    stream.prime(prompt)
    return np.concatenate([stream.next(n) for n in cuts], axis=1)
