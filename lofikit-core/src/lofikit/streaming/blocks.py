"""Streams of encoder-decoders, which work block by block."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import numpy as np
import numpy.typing as npt

from lofikit.streaming.arena import aligned_zeros, padded
from lofikit.streaming.bank import PREDICTOR
from lofikit.streaming.engine import EngineStream, Frames, checked_frames, first_frames
from lofikit.streaming.frames import each, split
from lofikit.streaming.network import LSTM, EncoderDecoder, FloatArray, Input
from lofikit.streaming.operations import (
    ACTIVATION_CODES,
    LSTM_CELL,
    Packer,
    spread_gates,
)
from lofikit.streaming.processor import Processor, this_processor
from lofikit.streaming.sampling import draw_frames, stream_keys
from lofikit.streaming.stepping import run


class _BlockProgram:
    """An encoder-decoder packed for a number of streams.

    What does not wait for the step before is one product over the whole block: the encoder's
    inputs and the head. The decoder's input is the same at each step, and computed once.
    """

    def __init__(self, network: EncoderDecoder, streams: int, *, int8: bool) -> None:
        packer = Packer(streams)
        self._int8 = int8
        self._frames = network.block
        # A ring has a free frame, which stays zero: step 0 finds its hidden state there.
        self._ring = 1 << network.block.bit_length()
        width = network.input.output_width
        self.streams = streams
        self.source = packer.frames(width, self._ring)
        encoder, decoder = network.encoder, network.decoder

        gates = packer.frames(4 * padded(encoder.output_width), self._ring)
        bias = spread_gates(encoder.bias[None], 4)[0]
        self._whole_block(packer, spread_gates(encoder.kernel, 4), self.source, gates, bias)
        self.phases = [(packer.cut(), 1)]
        hidden, encoder_cell = self._recurrence(packer, encoder, gates, self._ring)
        self.phases.append((packer.cut(), network.block))
        last = hidden + (network.block - 1) * streams * padded(encoder.output_width)
        start = packer.state.vector(spread_gates(decoder.bias[None], 4)[0])
        gates = packer.recurrent(spread_gates(decoder.kernel, 4), last, int8=int8, start=start)
        self.phases.append((packer.cut(), 1))
        hidden, decoder_cell = self._recurrence(packer, decoder, gates, 1)
        self.phases.append((packer.cut(), network.block))
        self.head = packer.frames(network.head.output_width, self._ring)
        activation = ACTIVATION_CODES[network.head.activation]
        head = network.head
        self._whole_block(packer, head.weight, hidden, self.head, head.bias, activation)
        self.phases.append((packer.cut(), 1))

        self.cells = (
            slice(encoder_cell, encoder_cell + streams * padded(encoder.output_width)),
            slice(decoder_cell, decoder_cell + streams * padded(decoder.output_width)),
        )
        self.weights = packer.weights.filled()
        self.state = packer.state.filled()

    def _whole_block(
        self,
        packer: Packer,
        weight: FloatArray,
        source: int,
        out: int,
        bias: FloatArray,
        activation: int = 0,
    ) -> None:
        packer.affine(
            weight,
            source,
            out,
            ahead=self._frames,
            source_frames=self._ring,
            out_frames=self._ring,
            start=packer.state.vector(bias),
            activation=activation,
        )

    def _recurrence(
        self, packer: Packer, layer: LSTM, gates: int, gate_frames: int
    ) -> tuple[int, int]:
        """One step of an LSTM whose inputs' part of the gates is known; (hidden, cell)."""
        units = padded(layer.output_width)
        hidden = packer.frames(units, self._ring)
        cell = packer.frames(units)
        summed = packer.recurrent(
            spread_gates(layer.recurrent, 4),
            hidden,
            int8=self._int8,
            start=gates,
            start_frames=gate_frames,
            source_frames=self._ring,
            delay=1,
        )
        packer.add(
            LSTM_CELL, source=summed, cell=cell, out=hidden, out_frames=self._ring, columns=units
        )
        return hidden, cell


class _Group:
    """Some neighbouring streams of a batch, with a state of their own."""

    def __init__(self, program: _BlockProgram, streams: slice) -> None:
        self.program = program
        self.streams = streams
        self.state = aligned_zeros(program.state.size)
        self.state[:] = program.state


class BlockStream(EngineStream):
    """An `EncoderDecoder`'s stream; see `lofikit.streaming.engine.open_stream`.

    Frames are generated in whole blocks; those that were not asked for yet wait for the next
    call, and are dropped by a `prime`, which starts a block.
    """

    def __init__(
        self,
        network: EncoderDecoder,
        batch: int,
        temperatures: npt.NDArray[np.float64],
        top_p: float,
        seed: int,
        threads: int,
        *,
        int8: bool,
    ) -> None:
        self._network = network
        self._batch = batch
        self._temperatures = temperatures
        self._top_p = float(top_p)
        self._keys = stream_keys(seed, batch)
        self._drawn = 0
        self._processor = this_processor()
        programs: dict[int, _BlockProgram] = {}
        self._groups: list[_Group] = []
        for streams in split(batch, threads):
            size = streams.stop - streams.start
            if size not in programs:
                programs[size] = _BlockProgram(network, size, int8=int8)
            self._groups.append(_Group(programs[size], streams))
        self._workers = ThreadPoolExecutor(threads) if threads > 1 else None
        self._ahead: FloatArray | None = None  # the head's values for the block to come
        self._waiting = np.empty((batch, 0, network.input.size), np.float32)

    def prime(self, frames: Frames) -> FloatArray:
        """Step whole blocks; see `EngineStream.prime`.

        Raises:
            ValueError: As there, or the time is no multiple of the block.
        """
        spec, block = self._network.input, self._network.block
        given = checked_frames(frames, spec, self._batch)
        batch, time, size = given.shape
        if time % block:
            raise ValueError(
                f"frames have time {time}; this network works in blocks of {block}: give it a "
                f"multiple."
            )
        outputs = np.empty((batch, time, spec.head_width), np.float32)
        for start in range(0, time, block):
            self._ahead = self._block(given[:, start : start + block])
            outputs[:, start : start + block] = self._ahead
        if time:
            self._waiting = self._waiting[:, :0]
        return outputs if spec.levels is None else outputs.reshape(batch, time, size, spec.levels)

    def next(self, count: int, given: Frames | None = None) -> Frames:
        """Generate frames; see `EngineStream.next`."""
        if given is not None:
            raise ValueError("the stream of an encoder-decoder takes no given values.")
        if count < 0:
            raise ValueError(f"count must be 0 or more, not {count}.")
        spec, block = self._network.input, self._network.block
        if self._ahead is None:
            self.prime(first_frames(spec, self._batch, block))
        parts = [self._waiting]
        have = self._waiting.shape[1]
        while have < count:
            drawn = self._draw()
            self._ahead = self._block(drawn)
            parts.append(drawn)
            have += block
        frames = np.concatenate(parts, axis=1)
        self._waiting = frames[:, count:].copy()
        frames = frames[:, :count]
        return frames if spec.levels is None else frames.astype(np.int32)

    def _draw(self) -> FloatArray:
        """The next block of frames, off the head's values."""
        assert self._ahead is not None
        spec, block = self._network.input, self._network.block
        frames = np.empty((self._batch, block, spec.size), np.float32)
        draw_frames(
            self._processor,
            self._ahead.copy().reshape(-1),
            frames,
            spec.levels or 0,
            self._temperatures,
            self._top_p,
            self._keys,
            self._drawn,
        )
        self._drawn += block * spec.size
        return frames

    def _block(self, frames: FloatArray) -> FloatArray:
        """The head's values after a block of frames (batch, block, size)."""
        spec, block = self._network.input, self._network.block
        values = _fed(frames, spec)
        outputs = np.empty((self._batch, block, spec.head_width), np.float32)

        def work(group: _Group) -> None:
            program, state = group.program, group.state
            given, wanted = values[group.streams], outputs[group.streams]
            _rows(state, program.source, given.shape)[:] = given.transpose(1, 0, 2)
            for cell in program.cells:
                state[cell] = 0
            for operations, steps in program.phases:
                _advance(self._processor, operations, program, state, steps)
            wanted[:] = _rows(state, program.head, wanted.shape).transpose(1, 0, 2)

        each(self._workers, work, self._groups)
        return outputs


def _fed(frames: FloatArray, spec: Input) -> FloatArray:
    """What the encoder takes of frames: values, scaled class ids or embedded ones."""
    if spec.levels is None:
        return frames
    if spec.embedding is None:
        return np.float32(2) * frames / np.float32(spec.levels - 1) - np.float32(1)
    ids = frames.astype(np.int64)
    tables = spec.embedding if spec.embedding.ndim == 3 else spec.embedding[None]
    rows: FloatArray = tables[np.arange(len(tables)), ids]
    return rows.reshape(*frames.shape[:2], -1)


def _rows(state: FloatArray, at: int, shape: tuple[int, ...]) -> FloatArray:
    """A view of the state's rows (time, streams, values) for values (streams, time, values)."""
    streams, time, width = shape
    span = state[at : at + time * streams * padded(width)]
    return span.reshape(time, streams, -1)[:, :, :width]


def _advance(
    processor: Processor,
    operations: npt.NDArray[np.void],
    program: _BlockProgram,
    state: FloatArray,
    steps: int,
) -> None:
    """Step operations without feeding or reading frames."""
    nothing = np.empty((program.streams, steps, 0), np.float32)
    none = np.empty(0, np.float32)
    run(
        processor, operations, program.weights, state, 0, 0, -1, 0, 0, 0, 0, none, none,
        np.zeros(0, PREDICTOR), np.zeros((0, 0)), 0, np.zeros(0),
        0, nothing, nothing, False, nothing, np.ones(1), 1.0,
        np.empty(program.streams, np.uint64), 0,
    )  # fmt: skip
