"""Training speed, against the plain keras-tcn way, measured in one run.

1. Steps a second at equal shapes: Keras's own ``fit`` on a keras-tcn network, and our loop.
2. What counts: CPU seconds to a held-out error. ``fit`` on the paper's one-target windows (batch
   32 of 512 samples) sets the error in its time; then each backend trains on every position of
   a few chunks a step until it is as good.

Run it on a quiet machine; everything is pinned to one thread::

    python benchmarks/training.py --seconds 60 --repeats 3
"""

from __future__ import annotations

import argparse
import os
import statistics
import time
from collections.abc import Callable
from concurrent.futures import ProcessPoolExecutor
from multiprocessing import get_context
from pathlib import Path
from typing import Any

import numpy as np
from rich.console import Console
from rich.table import Table

from lofikit.audio import SUFFIXES, read_mono
from lofikit.chunks import DataConfig, level_gain
from lofikit.models.base import StepSettings
from lofikit.plan import Phase
from lofikit.representations.base import FrameSpec

RATE, WINDOW, FIELD = 4410, 512, 127
DATA = Path(__file__).parents[2] / "shared" / "data" / "lofi"
HELD_OUT_CLIPS = 4
PHASE = Phase()  # what is trained with where a user says nothing
Curve = list[tuple[float, float]]


def clips() -> list[np.ndarray]:
    """Clips at 4.41 kHz: the CC0 excerpts beside the repository, or noisy tones."""
    files = sorted(p for p in DATA.glob("*") if p.suffix in SUFFIXES) if DATA.is_dir() else []
    if files:
        found = [np.concatenate(list(read_mono(path, RATE))) for path in files]
        return [clip * level_gain(float(clip.std()), DataConfig().level) for clip in found]
    rng, t = np.random.default_rng(0), np.arange(30 * RATE) / RATE
    tones = [
        0.2 * sum(np.sin(2 * np.pi * f * t) for f in rng.uniform(60, 900, 5))
        + 0.02 * rng.standard_normal(len(t))
        for _ in range(16)
    ]
    return [tone.astype(np.float32) for tone in tones]


def chunks_of(parts: list[np.ndarray], count: int, seed: int) -> np.ndarray:
    """Random chunks (count, WINDOW + 1, 1)."""
    rng = np.random.default_rng(seed)
    found = np.empty((count, WINDOW + 1, 1), np.float32)
    for row in found:
        clip = parts[rng.integers(len(parts))]
        start = rng.integers(len(clip) - WINDOW)
        row[:, 0] = clip[start : start + WINDOW + 1]
    return found


def plain_network(sequences: bool) -> Any:
    """The TCN as a user of keras-tcn writes it."""
    from lofikit_keras.runtime import TCNLayer, keras

    inputs = keras.Input((WINDOW, 1))
    layer = TCNLayer(nb_filters=64, kernel_size=2, activation="tanh", return_sequences=sequences)
    return keras.Model(inputs, keras.layers.Dense(1)(layer(inputs)))


def compile_plain(network: Any) -> None:
    from lofikit_keras.runtime import keras

    optimiser = keras.optimizers.Adam(PHASE.learning_rate, global_clipnorm=PHASE.clip_norm)
    network.compile(optimiser, keras.losses.Huber())


def pin_threads() -> None:
    from lofikit_keras.runtime import set_threads

    set_threads(1)


def model_of(name: str, seed: int) -> Any:
    """A TCN of a backend with its default options."""
    spec = FrameSpec(sample_rate=RATE, hop=1, size=1)
    if name == "keras/tcn":
        from lofikit_keras.config import KerasTCNConfig
        from lofikit_keras.models import KerasTCN

        return KerasTCN(KerasTCNConfig(window=WINDOW, threads=1), spec, seed)
    import torch

    from lofikit_torch.config import TorchTCNConfig
    from lofikit_torch.models import TorchModel

    torch.set_num_threads(1)
    return TorchModel(TorchTCNConfig(window=WINDOW), spec, seed)


def settings(seed: int) -> StepSettings:
    return PHASE.settings("huber", 0, 0.0, seed)


# 1. Steps a second at equal shapes.


def equal_shapes(batch: int, steps: int, rounds: int) -> list[tuple[float, float]]:
    """Milliseconds a step of ``fit`` and of our loop, in alternating rounds."""
    pin_threads()
    pool = chunks_of(clips(), batch * steps, 0)
    network, model = plain_network(sequences=True), model_of("keras/tcn", 0)
    compile_plain(network)

    def fit() -> None:
        network.fit(pool[:, :-1], pool[:, 1:], batch_size=batch, epochs=1, verbose=0)

    def ours() -> None:
        order = np.random.default_rng(0).permutation(len(pool)).reshape(steps, batch)
        losses = [model.train_step(pool[rows], settings(i)) for i, rows in enumerate(order)]
        assert all(np.isfinite(float(loss)) for loss in losses)

    fit(), ours()  # compiled
    return [(timed(fit) / steps * 1e3, timed(ours) / steps * 1e3) for _ in range(rounds)]


def timed(work: Callable[[], None]) -> float:
    began = time.process_time()
    work()
    return time.process_time() - began


# 2. CPU seconds to a held-out error.


def normalised_error(predict: Callable[[np.ndarray], np.ndarray], held: np.ndarray) -> float:
    """Mean squared error over the variance, at positions with a whole receptive field."""
    targets = held[:, FIELD:]
    return float(np.mean((predict(held[:, :-1])[:, FIELD - 1 :] - targets) ** 2) / targets.var())


def held_out() -> tuple[list[np.ndarray], np.ndarray]:
    found = clips()
    return found[:-HELD_OUT_CLIPS], chunks_of(found[-HELD_OUT_CLIPS:], 64, 1)


def paper_way(seconds: float, seed: int) -> tuple[float, Curve]:
    """Start-up seconds, and (CPU seconds, held-out error) of ``fit`` on one-target windows."""
    from lofikit_keras.runtime import keras

    pin_threads()
    keras.utils.set_random_seed(seed)
    training, held = held_out()
    network, twin = plain_network(sequences=False), plain_network(sequences=True)
    compile_plain(network)
    pool = chunks_of(training, 32 * 400, seed)
    start, spent, curve, at = 0.0, 0.0, [], 0
    while spent < seconds:
        rows = slice(at % len(pool), at % len(pool) + 32 * 8)
        at += 32 * 8

        def fit(rows: slice = rows) -> None:
            network.fit(pool[rows, :-1], pool[rows, -1], batch_size=32, verbose=0)

        if not start:
            before = network.get_weights()
            start = timed(fit)  # compiles; its steps are not counted
            network.set_weights(before)
        spent += timed(fit)
        twin.set_weights(network.get_weights())
        curve.append((spent, normalised_error(lambda x: twin.predict(x, verbose=0), held)))
    return start, curve


def our_way(name: str, batch: int, target: float, limit: float, seed: int) -> tuple[float, Curve]:
    """Start-up seconds, and the same curve, until an error is reached or time is out."""
    training, held = held_out()
    model = model_of(name, seed)
    fresh = model.state()
    pool = chunks_of(training, 20_000, seed)
    rng = np.random.default_rng(seed)
    start = timed(lambda: float(model.train_step(pool[:batch], settings(0))))
    model.load_state(fresh)
    float(model.train_step(pool[:batch], settings(0)))
    model.load_state(fresh)
    spent, curve = 0.0, []
    while spent < limit and (not curve or curve[-1][1] > target):

        def steps() -> None:
            losses = [
                model.train_step(pool[rng.integers(len(pool), size=batch)], settings(i))
                for i in range(10)
            ]
            assert all(np.isfinite(float(loss)) for loss in losses)

        spent += timed(steps)
        curve.append((spent, normalised_error(model.forward, held)))
    return start, curve


def alone(work: Callable[..., Any], *arguments: Any) -> Any:
    """Runs a measurement in a process of its own, so that no backend meets another."""
    os.environ["OMP_NUM_THREADS"] = "1"
    with ProcessPoolExecutor(1, mp_context=get_context("spawn")) as pool:
        return pool.submit(work, *arguments).result()


def main() -> None:
    """Measures and prints both tables."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds of the paper's way")
    parser.add_argument("--repeats", type=int, default=3, help="seeds, of which medians are shown")
    parser.add_argument("--backends", nargs="+", default=["keras/tcn", "torch/tcn"])
    options = parser.parse_args()
    console = Console()
    console.print(f"data: {'CC0 lo-fi excerpts' if DATA.is_dir() else 'synthetic tones'}")

    table = Table("batch x window", "fit [ms a step]", "ours [ms a step]", "ours / fit")
    for batch, steps in ((2, 100), (32, 10)):
        rounds = alone(equal_shapes, batch, steps, 7)
        fit, ours = (statistics.median(column) for column in zip(*rounds, strict=True))
        ratio = statistics.median(b / a for a, b in rounds)
        table.add_row(f"{batch} x {WINDOW}", f"{fit:.2f}", f"{ours:.2f}", f"{ratio:.3f}")
    table.title = "Steps at equal shapes (keras-tcn, 64 filters, k=2), CPU time"
    console.print(table)

    table = Table("way", "start [CPU s]", "to the error [CPU s]", "error", "times sooner")
    table.title = "Time to a held-out error (mean squared, over the variance)"
    papers = [alone(paper_way, options.seconds, seed) for seed in range(options.repeats)]
    # The lowest that fit came to, and when it first did.
    goals = [min(curve, key=lambda point: point[1]) for _, curve in papers]
    show(table, "keras-tcn fit, one target, 32 x 512", [p[0] for p in papers], goals, goals)
    for name in options.backends:
        for batch in (1, 2):
            found = [
                alone(our_way, name, batch, goals[seed][1], options.seconds, seed)
                for seed in range(options.repeats)
            ]
            ends = [curve[-1] for _, curve in found]
            show(table, f"{name}, all targets, {batch} x 512", [f[0] for f in found], ends, goals)
    console.print(table)


def show(
    table: Table, way: str, starts: list[float], ends: list[tuple[float, float]],
    goals: list[tuple[float, float]],
) -> None:  # fmt: skip
    """Adds a row of medians; a way that did not reach the error in its time says so."""
    reached = all(end[1] <= goal[1] for end, goal in zip(ends, goals, strict=True))
    sooner = statistics.median(goal[0] / end[0] for end, goal in zip(ends, goals, strict=True))
    table.add_row(
        way,
        f"{statistics.median(starts):.1f}",
        f"{statistics.median(end[0] for end in ends):.2f}",
        f"{statistics.median(end[1] for end in ends):.4f}",
        f"{sooner:.1f}" if reached else "not reached",
    )


if __name__ == "__main__":
    main()
