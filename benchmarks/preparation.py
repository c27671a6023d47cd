"""Reading music: decoding and resampling against librosa, and drawing windows.

    python benchmarks/preparation.py --repeats 5

Both read the same files to 4,410 Hz mono, one after the other, again and again, on this machine's
cores; start-up times are of new processes.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

from lofikit.audio import SUFFIXES, Audio
from lofikit.chunks import Chunks
from lofikit.library import Library
from lofikit.representations.raw import Raw, RawConfig
from lofikit.samples import open_samples
from lofikit.sources.base import ClipData

RATE, WINDOW, BATCH = 4410, 513, 256
DATA = Path(__file__).parents[2] / "shared" / "data" / "lofi"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, default=DATA)
    parser.add_argument("--repeats", type=int, default=5)
    args = parser.parse_args()
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}")
    files = sorted(p for p in args.music.glob("*") if p.suffix in SUFFIXES)
    reading(files, args.repeats)
    drawing(args.repeats)
    starting(args.repeats)


def reading(files: list[Path], repeats: int) -> None:
    """The clips of a library at 4,410 Hz, by lofikit and by librosa."""
    import librosa

    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder) / "library", create=True)
        for file in files:
            library.add("bench/files", ClipData(file.name, file))
        spent: dict[str, list[float]] = {"lofikit": [], "librosa.load": []}
        found: dict[str, list[np.ndarray]] = {}
        for _ in range(repeats):
            for data in (library.path / "samples").glob("*"):
                data.unlink()
            start = time.perf_counter()
            store = open_samples(library, RATE)
            spent["lofikit"].append(time.perf_counter() - start)
            found["lofikit"] = [np.array(store.of(part)) for part in store.clips]
            start = time.perf_counter()
            paths = [library.path / part.clip.file for part in store.clips]
            loaded = [librosa.load(path, sr=RATE)[0] for path in paths]
            spent["librosa.load"].append(time.perf_counter() - start)
            # A clip that peaks above full scale is scaled down to it by lofikit.
            gains = [np.float32(part.clip.gain) for part in store.clips]
            found["librosa.load"] = [a * g for a, g in zip(loaded, gains, strict=True)]
        seconds = sum(clip.seconds for clip in library.clips)
    table = Table(title=f"{len(files)} clips, {seconds / 60:.1f} min, to {RATE} Hz mono")
    for column in ("reader", "median [s]", "times real time", "ratio"):
        table.add_column(column, justify="left" if column == "reader" else "right")
    base = statistics.median(spent["librosa.load"])
    for name, times in spent.items():
        median = statistics.median(times)
        table.add_row(name, f"{median:.2f}", f"{seconds / median:.0f}", f"{base / median:.2f}")
    Console().print(table)
    worst = max(
        float(np.abs(a[: len(b)] - b[: len(a)]).max())
        for a, b in zip(found["lofikit"], found["librosa.load"], strict=True)
    )
    print(f"largest difference of a sample: {worst:.1e}")


def drawing(repeats: int) -> None:
    """Windows of 512 inputs and a target from the memory map of an hour."""
    with tempfile.TemporaryDirectory() as folder:
        library = Library(Path(folder) / "library", create=True)
        rng = np.random.default_rng(0)
        for number in range(12):
            noise = rng.uniform(-0.5, 0.5, (1, 300 * RATE)).astype(np.float32)
            library.add("bench/noise", ClipData(str(number), Audio(noise, RATE)))
        store = open_samples(library, RATE)
        chunks = Chunks(store, store.clips, Raw(RawConfig(), RATE), WINDOW)
        table = Table(title=f"windows of {WINDOW} samples out of {len(store.data):,}")
        table.add_column("how")
        table.add_column("windows a second", justify="right")
        at_once = rate_of(lambda step: chunks.draw(BATCH, 0, step).shape[0], repeats)
        table.add_row(f"drawn, {BATCH} a step, copied and levelled", f"{at_once:,.0f}")
        # What a step of the paper's training takes: a chunk holds 512 windows of one target each.
        inside = rate_of(lambda step: 2 * (WINDOW - 1) * len(chunks.draw(1, 0, step)), repeats)
        table.add_row("of every position of a chunk", f"{inside:,.0f}")
        listed = rate_of(lambda step: len(list_windows(store.data, step)), repeats)
        table.add_row("Python lists", f"{listed:,.0f}")
        Console().print(table)


def list_windows(data: np.ndarray, step: int) -> list[list[float]]:
    """The usual way: slices of a list, one a window."""
    samples = data[step * 100 : step * 100 + WINDOW + 64].tolist()
    return [samples[start : start + WINDOW] for start in range(64)]


def rate_of(draw: Callable[[int], int], repeats: int) -> float:
    """Returns the median count a second over some stretches of half a second."""
    rates = []
    step = 0
    for _ in range(repeats):
        count, start = 0, time.perf_counter()
        while (spent := time.perf_counter() - start) < 0.5:
            count += draw(step)
            step += 1
        rates.append(count / spent)
    return statistics.median(rates)


def starting(repeats: int) -> None:
    """New processes: what a command costs before it does anything."""
    table = Table(title="start of a process, warm")
    table.add_column("command")
    table.add_column("median [s]", justify="right")
    for words in (
        ["-c", "pass"],
        ["-m", "lofikit", "--help"],
        ["-m", "lofikit", "plugins"],
        ["-c", "import lofikit.streaming.frames"],
        ["-c", "import librosa; librosa.load"],
        ["-c", "import torch"],
        ["-c", "import tensorflow"],
    ):
        times = []
        for _ in range(repeats + 1):
            start = time.perf_counter()
            done = subprocess.run([sys.executable, *words], capture_output=True, check=False)
            times.append(time.perf_counter() - start)
        if done.returncode == 0:
            table.add_row(" ".join(["python", *words]), f"{statistics.median(times[1:]):.2f}")
    Console().print(table)


if __name__ == "__main__":
    main()
