"""Streams: core's compiled engine where it serves, and a compiled TensorFlow loop elsewhere.

The loop interprets the same description of a network that the engine does. It keeps the past of
each convolution in a ring buffer and carries the state of each LSTM, and draws classes with the
engine's numbers, so that the two agree but for rounding.
"""

from __future__ import annotations

import functools
import logging
from typing import Any

import numpy as np

from lofikit.errors import PromptError
from lofikit.models.base import Outputs, Stream, refuse_given
from lofikit.models.guides import Guides
from lofikit.representations.base import Frames
from lofikit.streaming import engine
from lofikit.streaming.network import EncoderDecoder, Input, Network
from lofikit_keras.cells import lstm_step
from lofikit_keras.runtime import tf
from lofikit_keras.steps import Stepper, draw, head_values, network_inputs

_log = logging.getLogger(__name__)
_SPAN = 512
"""Frames of one call of the compiled loop; shorter calls use a part of it."""


def open_stream(
    network: Network | EncoderDecoder,
    batch: int,
    temperatures: tuple[float, ...],
    top_p: float,
    seed: int,
    device: str,
    compiled: bool,
    xla: bool,
) -> Stream:
    """Opens a stream on core's engine, or in TensorFlow.

    Args:
        network: What to stream; it is copied.
        batch: Streams stepped together.
        temperatures: That of each value of a frame; 0 takes the likeliest class.
        top_p: Probability of the classes that are drawn from.
        seed: Of the draws.
        device: Where TensorFlow runs, by its name of the device.
        compiled: Whether to use the engine; if it cannot run the network, TensorFlow does.
        xla: Whether TensorFlow's loop is compiled by XLA, which is far faster once it runs.
    """
    if compiled:
        reason = engine.supports(network)
        if reason is None:
            opened = engine.open_stream(network, batch, temperatures, top_p, seed)
            return EngineStream(opened, getattr(network, "block", 1))
        _say_why(reason)
    if isinstance(network, EncoderDecoder):
        return TensorFlowBlockStream(network, batch, temperatures, top_p, seed, device, xla)
    return TensorFlowStream(network, batch, temperatures, top_p, seed, device, xla)


@functools.cache
def _say_why(reason: str) -> None:
    _log.warning("generating by TensorFlow, which is slower, because %s", reason)


class EngineStream(Stream):
    """A stream of core's engine as a model's; ``block`` frames are one prediction."""

    def __init__(self, stream: engine.EngineStream, block: int) -> None:
        self._stream = stream
        self._blocks = block > 1

    def prime(self, frames: Frames) -> Outputs:
        """See the base."""
        return self._stream.prime(frames)

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """See the base."""
        if self._blocks:
            refuse_given(given, "a model of blocks of frames")
        return self._stream.next(n, given)


class _Draws:
    """The engine's numbers: draw ``n`` of a stream depends on its key and ``n`` alone.

    SplitMix64 (Steele, Lea and Flood 2014) on the keys of `lofikit.streaming.sampling`.
    """

    def __init__(self, seed: int, batch: int, size: int) -> None:
        from lofikit.streaming.sampling import stream_keys

        self._keys = stream_keys(seed, batch)[:, None]
        self._size = size

    def numbers(self, first: int, count: int) -> np.ndarray:
        """Returns uniform numbers (batch, count, size) of the frames from ``first`` on."""
        index = np.arange(first * self._size, (first + count) * self._size, dtype=np.uint64)
        value = self._keys + (index + np.uint64(1)) * np.uint64(0x9E3779B97F4A7C15)
        value = (value ^ (value >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        value = (value ^ (value >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        value = (value ^ (value >> np.uint64(31))) >> np.uint64(11)
        uniform = (value * 2.0**-53).astype(np.float32)
        return uniform.reshape(len(self._keys), count, self._size)


class _TensorFlowStream(Stream):
    """What the two loops share.

    Args:
        network: What to stream.
        batch: Streams stepped together.
        temperatures: That of each value of a frame; 0 takes the likeliest class.
        top_p: Probability of the classes that are drawn from.
        seed: Of the draws.
        device: TensorFlow's name of the device.
        xla: Whether the loop is compiled by XLA.
    """

    def __init__(
        self,
        network: Network | EncoderDecoder,
        batch: int,
        temperatures: tuple[float, ...],
        top_p: float,
        seed: int,
        device: str,
        xla: bool,
    ) -> None:
        self._input: Input = network.input
        self._batch = batch
        self._temperatures, self._top_p = temperatures, top_p
        self._draws = _Draws(seed, batch, network.input.size)
        self._device = device
        self._xla = xla or None
        self._generated = 0
        self._primed = False

    def _checked(self, frames: Frames) -> Frames:
        engine.checked_frames(frames, self._input, self._batch)
        return np.asarray(frames, np.float32 if self._input.levels is None else np.int32)

    def _start(self, time: int) -> None:
        """Starts a stream that was never primed as the engine does."""
        if not self._primed:
            self.prime(engine.first_frames(self._input, self._batch, time))


class TensorFlowStream(_TensorFlowStream):
    """Frame by frame; see `_TensorFlowStream` for the arguments."""

    def __init__(
        self,
        network: Network,
        batch: int,
        temperatures: tuple[float, ...],
        top_p: float,
        seed: int,
        device: str,
        xla: bool,
    ) -> None:
        super().__init__(network, batch, temperatures, top_p, seed, device, xla)
        with tf.device(device):
            self._stepper = Stepper(network)
            self._state = self._stepper.initial(batch)
            self._outputs = tf.zeros((batch, network.input.head_width))
        self._clock = 0
        self._guides: Guides | None = None
        if network.input.predictor is not None and network.input.levels is not None:
            self._guides = Guides(network.input.predictor, batch, network.input.levels)
        self._prime = tf.function(self._prime_span, jit_compile=self._xla, autograph=False)
        self._next = tf.function(self._next_span, jit_compile=self._xla, autograph=False)
        self._draw_one = tf.function(self._frame, jit_compile=self._xla, autograph=False)
        self._step_one = tf.function(self._stepper.step, jit_compile=self._xla, autograph=False)

    def prime(self, frames: Frames) -> Outputs:
        """See the base."""
        given = self._checked(frames)
        spans = [self._fed(given[:, at : at + _SPAN]) for at in _starts(given)]
        self._primed = self._primed or bool(spans)
        width = self._input.head_width
        outputs = np.concatenate([np.zeros((self._batch, 0, width), np.float32), *spans], axis=1)
        return outputs if self._input.levels is None else head_values(outputs, self._input)

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """See the base."""
        size, levels = self._input.size, self._input.levels
        told = engine.checked_given(given, self._batch, n, size, levels)
        self._start(1)
        draws = self._draws.numbers(self._generated, n)
        if self._guides is None:
            cuts = (slice(at, at + _SPAN) for at in _starts(draws))
            spans = [self._run(self._next, draws[:, cut], told[:, cut]) for cut in cuts]
        else:  # a predictor hears each frame before the network does, outside of TensorFlow
            spans = [self._drawn(draws[:, i], told[:, i], self._guides) for i in range(n)]
        self._generated += n
        return np.concatenate([np.zeros_like(draws, self._dtype)[:, :0], *spans], axis=1)

    def _fed(self, frames: Frames) -> np.ndarray:
        """Feeds at most a span of frames, and returns what they predict."""
        told = frames[..., :0] if self._guides is None else self._guides.follow(frames)
        return self._run(self._prime, frames, told.astype(np.float32))

    def _drawn(self, draws: np.ndarray, told: np.ndarray, guides: Guides) -> Frames:
        """Draws a frame and feeds it back, beside a predictor; draws are (batch, size)."""
        with tf.device(self._device):
            drawn = self._draw_one(self._outputs, tf.constant(draws), tf.constant(told))
            frame: Frames = drawn.numpy()[:, None]
            heard = tf.constant(guides.follow(frame)[:, 0])
            clock = tf.constant(self._clock)
            self._outputs, self._state = self._step_one(drawn, heard, clock, self._state)
        self._clock += 1
        return frame

    def _frame(self, outputs: Any, draws: Any, told: Any) -> Any:
        """Draws a frame (..., size); of values that are told, shape (..., size or 0), those."""
        frame = draw(outputs, draws, self._input, self._temperatures, self._top_p)
        if told.shape[-1] == 0:
            return frame
        return tf.where(tf.math.is_nan(told), frame, tf.cast(told, frame.dtype))

    @property
    def _dtype(self) -> Any:
        return np.float32 if self._input.levels is None else np.int32

    def _run(self, function: Any, *given: np.ndarray) -> np.ndarray:
        """Runs a compiled loop over at most a span of what each frame has (batch, time, ...)."""
        count = given[0].shape[1]
        padded = [np.pad(one, ((0, 0), (0, _SPAN - count), (0, 0))) for one in given]
        with tf.device(self._device):
            collected, self._outputs, self._state = function(
                *(tf.constant(one.transpose(1, 0, 2)) for one in padded),
                tf.constant(count), tf.constant(self._clock), self._outputs, self._state,
            )  # fmt: skip
        self._clock += count
        return collected.numpy()[:count].transpose(1, 0, 2)

    # Traced: both step `count` frames and return what they collected, the last outputs and state.

    def _prime_span(
        self, given: Any, told: Any, count: Any, clock: Any, outputs: Any, state: Any
    ) -> Any:
        def step(now: Any, kept: Any, _: Any, state: Any) -> Any:
            outputs, state = self._stepper.step(given[now], told[now], clock + now, state)
            return now + 1, kept.write(now, outputs), outputs, state

        return _loop(step, count, tf.TensorArray(tf.float32, _SPAN), outputs, state)

    def _next_span(
        self, draws: Any, told: Any, count: Any, clock: Any, outputs: Any, state: Any
    ) -> Any:
        unguided = tf.zeros((self._batch, 0))

        def step(now: Any, kept: Any, outputs: Any, state: Any) -> Any:
            frame = self._frame(outputs, draws[now], told[now])
            outputs, state = self._stepper.step(frame, unguided, clock + now, state)
            return now + 1, kept.write(now, frame), outputs, state

        return _loop(step, count, tf.TensorArray(self._dtype, _SPAN), outputs, state)


def _starts(frames: np.ndarray) -> range:
    return range(0, frames.shape[1], _SPAN)


def _loop(step: Any, count: Any, kept: Any, outputs: Any, state: Any) -> Any:
    _, kept, outputs, state = tf.while_loop(
        lambda now, *_: now < count, step, (tf.constant(0), kept, outputs, state)
    )
    return kept.stack(), outputs, state


class TensorFlowBlockStream(_TensorFlowStream):
    """Block by block; see `_TensorFlowStream` for the arguments."""

    def __init__(
        self,
        network: EncoderDecoder,
        batch: int,
        temperatures: tuple[float, ...],
        top_p: float,
        seed: int,
        device: str,
        xla: bool,
    ) -> None:
        super().__init__(network, batch, temperatures, top_p, seed, device, xla)
        self._block = network.block
        with tf.device(device):
            self._weights = [
                [tf.constant(w) for w in (layer.kernel, layer.recurrent, layer.bias)]
                for layer in (network.encoder, network.decoder)
            ]
            self._head = tf.constant(network.head.weight), tf.constant(network.head.bias)
            table = network.input.embedding
            self._embedding = None if table is None else tf.constant(table)
        # What is predicted for the next block, and how much of the present one is out.
        self._outputs: Any = None
        self._frames = np.zeros((batch, 0, network.input.size), np.float32)
        self._out = 0
        self._predict = tf.function(self._predict_block, jit_compile=self._xla, autograph=False)

    def prime(self, frames: Frames) -> Outputs:
        """See the base; what is left of a block being generated is dropped."""
        given = self._checked(frames)
        time = given.shape[1]
        if time % self._block:
            raise PromptError(
                f"{time} frames cannot prime a model of blocks of {self._block} frames",
                f"give a multiple of {self._block} frames",
            )
        outputs = [
            self._feed(given[:, at : at + self._block]).numpy()
            for at in range(0, time, self._block)
        ]
        width = self._input.head_width
        joined = np.concatenate([np.zeros((self._batch, 0, width), np.float32), *outputs], axis=1)
        return joined if self._input.levels is None else head_values(joined, self._input)

    def next(self, n: int, given: Frames | None = None) -> Frames:
        """See the base."""
        refuse_given(given, "a model of blocks of frames")
        self._start(self._block)
        parts = []
        while n:
            if self._out == self._frames.shape[1]:
                if self._out:
                    self._feed(self._frames)
                draws = tf.constant(self._draws.numbers(self._generated, self._block))
                drawn = draw(self._outputs, draws, self._input, self._temperatures, self._top_p)
                self._frames, self._out = drawn.numpy(), 0
            part = self._frames[:, self._out : self._out + n]
            self._out += part.shape[1]
            self._generated += part.shape[1]
            n -= part.shape[1]
            parts.append(part)
        dtype = np.float32 if self._input.levels is None else np.int32
        return np.concatenate([np.zeros((self._batch, 0, self._input.size), dtype), *parts], axis=1)

    def _feed(self, block: np.ndarray) -> Any:
        with tf.device(self._device):
            self._outputs = self._predict(tf.constant(block))
        self._primed, self._out = True, 0
        self._frames = block[:, :0]
        return self._outputs

    def _predict_block(self, frames: Any) -> Any:
        """Traced: the outputs (batch, block, head width) that a block predicts for the next."""
        values = network_inputs(frames, self._input, self._embedding)
        encoder, decoder = self._weights
        code = self._lstm(tf.transpose(values, (1, 0, 2)), encoder)[-1]
        steps = self._lstm(tf.tile(code[None], (self._block, 1, 1)), decoder)
        weight, bias = self._head
        return tf.transpose(steps, (1, 0, 2)) @ weight + bias

    def _lstm(self, values: Any, weights: list[Any]) -> Any:
        zeros = tf.zeros((self._batch, weights[1].shape[0]))
        hidden, _ = tf.scan(lambda state, x: lstm_step(x, state, *weights), values, (zeros, zeros))
        return hidden
