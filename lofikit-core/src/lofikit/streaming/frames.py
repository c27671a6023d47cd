"""Streams of networks that step frame by frame."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from itertools import pairwise
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from lofikit.streaming.arena import aligned_zeros, padded
from lofikit.streaming.bank import PREDICTOR, Bank, designs
from lofikit.streaming.engine import (
    EngineStream,
    Frames,
    checked_frames,
    checked_given,
    first_frames,
)
from lofikit.streaming.heads import class_values
from lofikit.streaming.network import FloatArray, Logistics, Network
from lofikit.streaming.processor import this_processor
from lofikit.streaming.program import Program, pack
from lofikit.streaming.sampling import stream_keys
from lofikit.streaming.stepping import run

T = TypeVar("T")

GROUP = 16
"""Streams stepped together: enough to read each weight rarely, few enough to stay in cache."""


class Group:
    """Some neighbouring streams of a batch, with a state of their own."""

    def __init__(
        self,
        program: Program,
        streams: slice,
        keys: npt.NDArray[np.uint64],
        logits: int = 0,
        bank: npt.NDArray[np.float64] | None = None,
    ) -> None:
        self.program = program
        self.streams = streams
        self.keys = keys[streams]
        self.state = aligned_zeros(program.state.size)
        self.state[:] = program.state
        self.logits = aligned_zeros(logits)
        count = streams.stop - streams.start
        self.banks = np.tile(np.zeros(0) if bank is None else bank, (count, 1))


class FrameStream(EngineStream):
    """A `Network`'s stream; see `lofikit.streaming.engine.open_stream`."""

    def __init__(
        self,
        network: Network,
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
        self._clock = 0
        self._drawn = 0
        self._processor = this_processor()
        head, logits = network.head, 0
        self._mixtures, self._edges = 0, np.zeros(0, np.float32)
        if isinstance(head, Logistics):
            self._mixtures, self._edges = head.mixtures, head.edges
            logits = network.input.head_width + padded(len(head.edges))
        self._predictors, self._longest = np.zeros(0, PREDICTOR), 0
        self._class_values, bank_state = np.zeros(0), np.zeros(0)
        if network.input.predictor is not None and network.input.levels is not None:
            chosen, levels = network.input.predictor, network.input.levels
            bank = Bank(designs(chosen.method, chosen.order))
            self._predictors, self._longest = bank.predictors, bank.longest
            self._class_values = class_values(levels)
            bank_state = bank.untrained(peak=1.0)
        keys = stream_keys(seed, batch)
        programs: dict[int, Program] = {}
        self._groups: list[Group] = []
        for streams in split(batch, threads):
            size = streams.stop - streams.start
            program = programs.get(size) or programs.setdefault(
                size, pack(network, size, int8=int8)
            )
            self._groups.append(Group(program, streams, keys, logits, bank_state))
        self._workers = ThreadPoolExecutor(threads) if threads > 1 else None

    def prime(self, frames: Frames) -> FloatArray:
        """Step given frames; see `EngineStream.prime`."""
        given = checked_frames(frames, self._network.input, self._batch)
        batch, time, size = given.shape
        outputs = np.empty((batch, time, self._network.input.head_width), np.float32)
        self._run(given, outputs, generating=False, given=given[:, :, :0].copy())
        levels = self._network.input.levels
        return outputs if levels is None else outputs.reshape(batch, time, size, levels)

    def next(self, count: int, given: Frames | None = None) -> Frames:
        """Generate frames; see `EngineStream.next`."""
        if count < 0:
            raise ValueError(f"count must be 0 or more, not {count}.")
        spec = self._network.input
        values = checked_given(given, self._batch, count, spec.size, spec.levels)
        if self._clock == 0:
            self.prime(first_frames(spec, self._batch, 1))
        frames = np.empty((self._batch, count, spec.size), np.float32)
        nothing = np.empty((self._batch, count, 0), np.float32)
        self._run(frames, nothing, generating=True, given=values)
        self._drawn += count * spec.size
        return frames if spec.levels is None else frames.astype(np.int32)

    def _run(
        self, frames: FloatArray, outputs: FloatArray, *, generating: bool, given: FloatArray
    ) -> None:
        spec = self._network.input
        width = spec.width

        def work(group: Group) -> None:
            program = group.program
            run(
                self._processor,
                program.operations,
                program.weights,
                group.state,
                program.source,
                program.head,
                program.embedding,
                program.table,
                spec.levels or 0,
                width,
                self._mixtures,
                self._edges,
                group.logits,
                self._predictors,
                group.banks,
                self._longest,
                self._class_values,
                self._clock,
                frames[group.streams],
                outputs[group.streams],
                generating,
                given[group.streams],
                self._temperatures,
                self._top_p,
                group.keys,
                self._drawn,
            )

        each(self._workers, work, self._groups)
        self._clock += frames.shape[1]


def split(batch: int, threads: int) -> list[slice]:
    """Cut a batch in groups of at most `GROUP`, at least one a thread where there are enough."""
    groups = max(-(-batch // GROUP), min(threads, batch))
    edges = [batch * number // groups for number in range(groups + 1)]
    return [slice(start, stop) for start, stop in pairwise(edges)]


def each(workers: ThreadPoolExecutor | None, work: Callable[[T], None], groups: list[T]) -> None:
    """Do the work of every group, over the threads if there are any."""
    if workers is None:
        for group in groups:
            work(group)
    else:
        for done in [workers.submit(work, group) for group in groups]:
            done.result()
