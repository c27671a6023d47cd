"""Checks of a model's loss: that it is what the settings name, of the examples asked for."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import OptionError
from lofikit.models.base import REAL_LOSSES
from lofikit.testing.cases import ModelCase
from lofikit.testing.faults import require, require_close, require_same_state


def check_chunk(case: ModelCase) -> None:
    """A training example has as many frames as the model says, down to the last."""
    model = case.build()
    frames, settings = case.examples(model), case.settings(model)
    try:
        case.train(model, range(2))  # an untrained model may predict the same of everything
        loss = model.loss(frames, settings)
    except Exception as error:
        said = f"{type(error).__name__}: {error}"
        require(False, case, f"chunk is {model.chunk}, and an example of so many fails: {said}")
    changed = model.loss(case.changed(frames, model.chunk - 1), settings)
    require(
        changed != loss, case, f"chunk is {model.chunk}, and its last frame is not learned from"
    )


def check_loss(case: ModelCase) -> None:
    """A step returns the loss before it; asking for a loss changes nothing."""
    model = case.build()
    case.train(model, range(2))
    frames, settings = case.examples(model, seed=1), case.settings(model, 2)
    state = model.state()
    expected = model.loss(frames, settings)
    require_same_state(model.state(), state, case, "the state before and after loss()")
    require_close(model.loss(frames, settings), expected, case, "loss() asked twice", 0)
    returned = float(model.train_step(frames, settings))
    require_close(returned, expected, case, "what train_step returns and the loss before it", 1e-5)
    require(returned != model.loss(frames, settings), case, "train_step leaves the loss as it was")


def check_loss_is_a_mean(case: ModelCase) -> None:
    """The loss is a mean over examples, positions and values of what forward() predicts.

    The positions may begin anywhere, but end with the chunk: a model may learn from the last
    alone, or leave out those that see little of the past. Of values it leaves out those that are
    always given.
    """
    model = case.build()
    case.train(model, range(2))
    settings, block = case.settings(model), model.block
    fitting = {shift: set(range(model.chunk)) for shift in (-1, 0, 1)}
    for batch in (3, 1):
        frames = case.examples(model, batch=batch, seed=1)
        loss = model.loss(frames, settings)
        outputs = model.forward(frames[:, :-block])
        for shift in fitting:
            means = _means_to_the_end(case, outputs, frames, block + shift, settings.loss)
            close = np.flatnonzero(np.isclose(means, loss, rtol=1e-4, atol=1e-6))
            fitting[shift] &= {int(start) for start in close}
            if shift == 0:
                said = f"the loss of {batch} examples is {loss:.6g}, and the mean of what forward()"
                said += f" predicts is {means[0]:.6g}, over all {len(means)} positions"
    for shift in (-1, 1):
        wrong = not fitting[0] and bool(fitting[shift])
        where = "late" if shift > 0 else "early"
        require(not wrong, case, f"the targets are off by one frame, too {where}: {said}")
    require(bool(fitting[0]), case, f"{said} (is padding averaged in, or a target left out?)")


def check_losses_are_refused(case: ModelCase) -> None:
    """A loss that does not fit the frames is refused before training."""
    model = case.build()
    wrong = "cross-entropy" if case.spec.levels is None else REAL_LOSSES[0]
    try:
        model.check_settings(case.settings(model, loss=wrong))
    except OptionError as error:
        require(bool(error.hint), case, "the error for a wrong loss has no hint")
    else:
        require(False, case, f"the loss {wrong} is accepted")


def check_carrying(case: ModelCase) -> None:
    """Examples that go on from one another are predicted as the whole of them is.

    Of models that carry their state in training. What a step learns is taken back after it.
    """
    model = case.build()
    if model.carry == 1:
        return
    case.train(model, range(6))
    count, step = 3, model.chunk - model.block
    frames = case.frames(4, count * step + model.block)
    rows = [frames[:, n * step : n * step + model.chunk] for n in range(count)]
    settings = case.settings(model, learning_rate=0.0)
    weights = {k: v for k, v in model.state().items() if k.startswith("weights/")}

    def losses(carried: bool) -> list[float]:
        found = []
        for n, row in enumerate(rows):
            goes_on = case.settings(model, learning_rate=0.0, carried=carried and n > 0)
            found.append(float(model.train_step(row, goes_on)))
            model.load_state({**model.state(), **weights})
        return found

    def means(outputs: NDArray[Any], row: NDArray[Any]) -> NDArray[Any]:
        return _means_to_the_end(case, outputs, row, model.block, settings.loss)

    alone = [model.loss(row, settings) for row in rows]
    by_itself = means(model.forward(rows[0][:, :step]), rows[0])
    start = int(np.abs(by_itself - alone[0]).argmin())  # it may leave out the first positions
    outputs = model.forward(frames[:, : count * step])
    whole = [means(outputs[:, n * step : (n + 1) * step], row)[start] for n, row in enumerate(rows)]
    said = f"the losses of {count} examples, each going on from the one before, and of the whole"
    carried = losses(carried=True)
    require_close(np.array(carried), np.array(whole), case, said, 1e-6)
    said = f"the losses of {count} steps that go on from nothing, and what loss() says of each"
    require_close(np.array(losses(carried=False)), np.array(alone), case, said, 1e-6)
    require(carried[1:] != alone[1:], case, "examples that go on from one another lose as much")


def check_noise_spares_signals(case: ModelCase) -> None:
    """A model whose ids are nearly all replaced learns what signals tell of the frame to come.

    Of models with ``id_noise``; the frames of the case are of a signal and one book.
    """
    model, levels = case.build(id_noise=0.9), case.spec.levels or 0
    rng = np.random.default_rng(0)
    frames = rng.integers(levels, size=(16, model.chunk, 2)).astype(np.int32)
    frames[:, 1:, 1] = frames[:, :-1, 0]
    for step in range(60):
        model.train_step(frames, case.settings(model, step))
    loss = model.loss(frames, case.settings(model))
    chance = float(np.log(levels))
    said = f"signals tell the next frame, and the loss is {loss:.2f}; by chance it is {chance:.2f}"
    require(loss < 0.65 * chance, case, said)  # the signal itself cannot be told


LOSS_CHECKS: tuple[Callable[[ModelCase], None], ...] = (
    check_chunk,
    check_loss,
    check_loss_is_a_mean,
    check_carrying,
    check_losses_are_refused,
)


def _means_to_the_end(
    case: ModelCase, outputs: NDArray[Any], frames: NDArray[Any], ahead: int, loss: str
) -> NDArray[Any]:
    """Returns the mean loss over positions from each one to the last, shape (positions,).

    Args:
        case: Says what is always given, which nothing is lost by.
        outputs: What the model predicts, shape (batch, time, ...).
        frames: Shape (batch, chunk, size).
        ahead: How far the target of a position lies ahead of it.
        loss: Name of the loss.
    """
    time = min(outputs.shape[1], frames.shape[1] - ahead)
    predicted = outputs[:, :time].astype(np.float64)
    targets = frames[:, ahead : ahead + time]
    if loss == "cross-entropy":
        highest = predicted.max(axis=-1, keepdims=True)
        normaliser = np.log(np.exp(predicted - highest).sum(axis=-1)) + highest[..., 0]
        ids = targets[..., None].astype(np.int64)
        each = normaliser - np.take_along_axis(predicted, ids, axis=-1)[..., 0]
    else:
        error = np.abs(predicted - targets)
        formulas = {
            "huber": np.where(error < 1, 0.5 * error**2, error - 0.5),
            "log-cosh": error + np.log1p(np.exp(-2 * error)) - np.log(2),
            "mse": error**2,
            "mae": error,
        }
        each = formulas[loss]
    positions = each[:, :, case.spec.conditions :].mean(axis=(0, 2))
    return np.asarray(np.cumsum(positions[::-1])[::-1] / np.arange(time, 0, -1))
