"""Generation speed: frames fed back, a second, for the paper's networks and later ones.

Every row runs in the same process on the same weights, pinned to one core, and its first frames
are compared with the engine's before it is timed. TensorFlow's rows appear where tensorflow and
keras-tcn are installed, torch's where torch is::

    python benchmarks/generation.py                     # everything
    python benchmarks/generation.py --only "k=2" --clock cpu
"""

from __future__ import annotations

import one_core  # noqa: F401 - before the libraries that start threads

# isort: split
import argparse
import importlib.util
import statistics
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, cast

import numba_loop
import numpy as np
from networks import Weights, operations
from peak import peak
from rich.console import Console
from rich.table import Table

from lofikit.models import layers
from lofikit.models.base import Sampling
from lofikit.models.configs import LRUConfig, SampleRNNConfig, WaveNetConfig
from lofikit.options import build
from lofikit.plugins import load_class, registry
from lofikit.representations.base import FrameSpec
from lofikit.streaming.engine import open_stream
from lofikit.streaming.network import (
    EncoderDecoder,
    Input,
    Network,
)
from lofikit.streaming.processor import this_processor

RATE = 4410
WINDOW = 512
HOP = 500  # samples a frame of the seq2seq
CODES_HOP = 128  # and of codes
CHECKED = 16
Generate = Callable[[int], np.ndarray]


@dataclass
class Row:
    """A way to generate: ``make`` takes a network and a seed, and gives a function of a count.

    ``exact`` is False for a window shorter than the receptive field, whose values differ, and for a
    package whose blocks are its own.
    """

    network: Network | EncoderDecoder
    way: str
    seed: np.ndarray
    frames: int
    make: Callable[..., Generate]
    exact: bool = True
    tolerance: float = 1e-3
    hop: int = 1  # samples a frame

    def prepared(self) -> Generate:
        return self.make(self.network, self.seed)


def engine(
    network: Network | EncoderDecoder, seed: np.ndarray, weights: Any = "float32"
) -> Generate:
    """A primed stream; each call goes on where the last one stopped."""
    stream = open_stream(network, len(seed), temperature=0, weights=weights)
    stream.prime(seed)
    return stream.next


def engine_int8(network: Network | EncoderDecoder, seed: np.ndarray) -> Generate:
    return engine(network, seed, "int8")


def silence(streams: int) -> np.ndarray:
    return np.zeros((streams, WINDOW, 1), np.float32)


def tcn_rows(kernel: int) -> list[Row]:
    network = Weights().tcn(kernel)
    rows = []

    def add(way: str, frames: int, make: Callable[..., Generate], streams: int = 1) -> None:
        exact = ("window" not in way or kernel == 2) and "own weights" not in way
        rows.append(Row(network, way, silence(streams), frames, make, exact))

    if has("tensorflow", "tcn"):
        import tensorflow_loops as tensorflow

        add("keras-tcn predict (window)", 20, tensorflow.predict)
        add("TensorFlow XLA loop (window)", 200, tensorflow.window)
        for streams in (1, 16):
            add("TensorFlow XLA loop, ring buffers", 4_000, tensorflow.ring_buffers, streams)
    if has("torch"):
        import torch_loops

        add("torch eager (window)", 100, torch_loops.window)
        for streams in (1, 16):
            add("torch eager, ring buffers", 500, torch_loops.ring_buffers, streams)
        if has("pytorch_tcn"):
            add("pytorch-tcn streaming (own weights)", 500, torch_loops.pytorch_tcn)
    add("numba, plain loop", 8_000, numba_loop.generator)
    for streams in (1, 4, 16, 64):
        add("lofikit engine", 32_000 // streams, engine, streams)
    return rows


def lstm_rows(units: int) -> list[Row]:
    weights = Weights()
    network = Network(Input(1), (weights.lstm(1, units),), weights.dense(units, 1, scale=0.1))
    short = units // 128
    rows = []
    if has("tensorflow", "tcn"):
        import tensorflow_loops as tensorflow

        # A window forgets what an LSTM still knows.
        rows = [
            Row(network, "keras predict (window)", silence(1), 10, tensorflow.predict, False),
            Row(network, "TensorFlow XLA loop", silence(1), 16_000 // short, tensorflow.lstm),
        ]
    if has("torch"):
        import torch_loops

        cells = torch_loops.lstm_cells
        rows.append(Row(network, "torch LSTMCell", silence(1), 4_000 // short, cells))
    for streams in (1, 16):
        seed, frames = silence(streams), 32_000 // short // streams
        rows.append(Row(network, "lofikit engine", seed, frames, engine))
        rows.append(Row(network, "lofikit engine, int8", seed, frames, engine_int8, tolerance=0.02))
    return rows


def block_rows(units: int = 2048) -> list[Row]:
    weights = Weights()
    encoder, decoder = weights.lstm(1000, units), weights.lstm(units, units)
    network = EncoderDecoder(Input(1000), encoder, decoder, weights.dense(units, 1000), 20)
    seed = weights.array(1, 20, 1000, fan=4)
    rows = []
    if has("tensorflow", "tcn"):
        import tensorflow_loops as tensorflow

        rows.append(Row(network, "TensorFlow", seed, 20, tensorflow.encoder_decoder, hop=HOP))
    if has("torch"):
        import torch_loops

        make = torch_loops.encoder_decoder
        rows.append(Row(network, "torch", seed, 20, make, hop=HOP))
        make = torch_loops.encoder_decoder_int8
        rows.append(Row(network, "torch, dynamic int8", seed, 20, make, tolerance=0.1, hop=HOP))
    rows.append(Row(network, "lofikit engine", seed, 20, engine, hop=HOP))
    rows.append(Row(network, "lofikit engine, int8", seed, 20, engine_int8, tolerance=0.1, hop=HOP))
    return rows


def codes_rows(name: str, **options: Any) -> list[Row]:
    """A model of `lofikit-torch` over four books of 256 codes, with its first weights."""
    if not has("torch", "lofikit_torch"):
        return []
    spec = FrameSpec(sample_rate=RATE, hop=CODES_HOP, size=4, levels=256, ordinal=False)
    component = registry().find("model", name)
    config = build(load_class(component.config), {**options, "device": "cpu", "engine": False})
    model = load_class(component.target)(config, spec, 0)
    weights = {k.removeprefix("weights/"): value for k, value in model.state().items()}
    network = layers.network(config, spec, weights)

    def eager(_: Network, seed: np.ndarray) -> Generate:
        stream = model.stream(len(seed), Sampling(temperature=0), 0)
        stream.prime(seed)
        return cast(Generate, stream.next)

    rows = []
    rng = np.random.default_rng(0)
    for streams in (1, 16):
        seed = rng.integers(0, 256, (streams, WINDOW, 4)).astype(np.int32)
        rows.append(Row(network, "torch eager, carried state", seed, 50, eager, hop=CODES_HOP))
        rows.append(Row(network, "lofikit engine", seed, 400, engine, hop=CODES_HOP))
    return rows


def samples_rows(config: Any) -> list[Row]:
    """A network of one of core's families on 256 classes, which are drawn; its first weights."""
    spec = FrameSpec(sample_rate=RATE, hop=1, size=1, levels=256)
    network = layers.network(config, spec, layers.initial_weights(config, spec, 0))
    assert isinstance(network, Network)
    rows = []

    def add(way: str, frames: int, make: Callable[..., Generate], streams: int = 1) -> None:
        # Torch draws by another generator: classes differ, the network is the same.
        seed = np.full((streams, WINDOW, 1), 128, np.int32)
        rows.append(Row(network, way, seed, frames, make, way == "lofikit engine"))

    if has("torch", "lofikit_torch"):
        for streams in (1, 16):
            add("torch eager, carried state", 300, partial(torch_stream, config, spec), streams)
    for streams in (1, 4, 16):
        add("lofikit engine", 32_000 // streams, engine, streams)
    return rows


def torch_stream(config: Any, spec: FrameSpec, _: Network, seed: np.ndarray) -> Generate:
    """The stream of lofikit-torch itself, of the same first weights."""
    from lofikit_torch import config as torch_configs
    from lofikit_torch.models import TorchModel

    kind = getattr(torch_configs, f"Torch{type(config).__name__}")
    model = TorchModel(kind(**config.model_dump(), device="cpu", engine=False), spec, 0)
    stream = model.stream(len(seed), Sampling(), 0)
    stream.prime(seed)
    return stream.next


def has(*modules: str) -> bool:
    return all(importlib.util.find_spec(module) for module in modules)


def timed(row: Row, repeats: int, clock: Callable[[], float]) -> float:
    """Median seconds a call."""
    generate = row.prepared()
    generate(row.frames)
    seconds = []
    for _ in range(repeats):
        start = clock()
        generate(row.frames)
        seconds.append(clock() - start)
    return statistics.median(seconds)


def difference(row: Row) -> float:
    """Largest difference of the first frames from the engine's in float32."""
    wanted = engine(row.network, row.seed)(CHECKED)
    # XLA compiles for a count: the timed one serves here too.
    got = row.prepared()(row.frames if "XLA" in row.way else CHECKED)[:, :CHECKED]
    return float(np.abs(got - wanted).max())


NETWORKS: dict[str, Callable[[], list[Row]]] = {
    "TCN k=2": lambda: tcn_rows(2),
    "TCN k=8": lambda: tcn_rows(8),
    "LSTM 128": lambda: lstm_rows(128),
    "LSTM 512": lambda: lstm_rows(512),
    "seq2seq 2048": block_rows,
    "codes, GRU 256 x 2": lambda: codes_rows("torch/gru", units=256, layers=2),
    "codes, GRU 512 x 2": lambda: codes_rows("torch/gru", units=512, layers=2),
    "codes, transformer 256 x 4": lambda: codes_rows("torch/transformer", width=256, layers=4),
    "LRU 4 x 64": lambda: samples_rows(LRUConfig()),
    "WaveNet 64": lambda: samples_rows(WaveNetConfig()),
    "SampleRNN 256": lambda: samples_rows(SampleRNNConfig()),
}


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--only", default="", help="networks whose name has this in it")
    parser.add_argument("--repeats", type=int, default=5, help="timed calls a row")
    parser.add_argument(
        "--clock",
        choices=("wall", "cpu"),
        default="wall",
        help="cpu: the process's CPU seconds, for a machine that others use too",
    )
    options = parser.parse_args()
    clock = time.perf_counter if options.clock == "wall" else time.process_time
    console = Console(width=100)
    most = peak(clock)
    console.print(
        f"One core, {32 * this_processor().lanes}-bit vectors, {most / 1e9:.0f} GFLOP/s of fused "
        f"multiply-adds; medians of {options.repeats}, {options.clock} time."
    )
    for name, make in NETWORKS.items():
        if options.only not in name:
            continue
        table = Table(title=name)
        for heading in ("", "streams", "samples/s", "real time", "of peak", "difference"):
            table.add_column(heading, justify="right" if heading else "left")
        for row in make():
            off = difference(row)
            if row.exact and off > row.tolerance:
                raise SystemExit(f"{row.way} is not the same network: off by {off:.2g}")
            streams = len(row.seed)
            frames = streams * row.frames / timed(row, options.repeats, clock)
            samples = frames * row.hop
            table.add_row(
                row.way,
                str(streams),
                f"{samples:,.0f}",
                f"{samples / RATE:,.3g}",
                f"{frames * operations(row.network) / most:.1%}",
                f"{off:.0e}",
            )
        console.print(table)


if __name__ == "__main__":
    main()
