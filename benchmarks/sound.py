"""How well every model knows music that it never heard, for the same time of training.

    python benchmarks/sound.py --music LOFI --minutes 2.2 --seeds 0 1

Three clips are held back. Each row is trained on one thread for as long as the others, and scored
in bits a sample on the clips held back; `lofikit evaluate` on the runs that are left in the folder
says how they sound. Two rows at a time keep two cores busy.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from rich.console import Console
from rich.table import Table

from lofikit.evaluation.evaluate import score
from lofikit.library import Library
from lofikit.run import Run

DATA = Path(__file__).parents[2] / "shared" / "data" / "lofi"
HELD_OUT = ("winter-fire-place", "roof-tops", "ocean-memory")
# The plan of small/lru, of many small steps, for models that have no recipe of their own.
SMALL = (
    *("--representation", "mulaw", "--batch-size", "1", "--learning-rate", "0.004"),
    *("--decay", "cosine", "--epochs", "8"),
)
WAVES = {
    "linear prediction, 32 back": ["--model", "core/linear"],
    "adaptive: RLS, 32 back": ["--model", "core/linear", "--model.adaptive", "rls"],
    "adaptive: Levinson, 64 back": [
        *("--model", "core/linear", "--model.adaptive", "levinson", "--model.order", "64"),
    ],
    "adaptive: mix": ["--model", "core/linear", "--model.adaptive", "mix"],
    "LSTM": [*SMALL, "--model", "torch/lstm"],
    "GRU": [*SMALL, "--model", "torch/gru"],
    "TCN": ["--recipe", "small/tcn", "--model", "torch/tcn"],
    "WaveNet": [*SMALL, "--model", "torch/wavenet"],
    "SampleRNN": [*SMALL, "--model", "torch/samplernn"],
    "SampleRNN, carried": [*SMALL, "--model", "torch/samplernn", "--model.carry", "8"],
    "LRU": ["--recipe", "small/lru", "--model", "torch/lru"],
    "LRU, logistics": [
        *("--recipe", "small/lru", "--model", "torch/lru", "--model.head", "logistics"),
    ],
    "LRU on the mix": ["--recipe", "small/hybrid", "--model", "torch/lru"],
}
TRAINED_BY_ITSELF = "adaptive"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--music", type=Path, default=DATA)
    parser.add_argument("--folder", type=Path, default=Path("sound"), help="where runs are left")
    parser.add_argument("--minutes", type=float, default=2.2)
    parser.add_argument("--seeds", type=int, nargs="+", default=[0, 1])
    parser.add_argument("--rows", nargs="+", choices=list(WAVES), default=list(WAVES))
    args = parser.parse_args()
    args.folder.mkdir(parents=True, exist_ok=True)
    library = args.folder / "library"
    lofikit("collect", str(args.music), "-o", str(library))
    held = [word for clip in HELD_OUT for word in ("--hold-out", clip)]
    jobs = [(row, seed) for row in args.rows for seed in args.seeds]

    def train(job: tuple[str, int]) -> None:
        row, seed = job
        run = place(args.folder, row, seed)
        if run.exists():
            lofikit("train", "--resume", "-o", str(run))
            return
        plan = ["--steps", "1", "--epochs", "1"]
        if not row.startswith(TRAINED_BY_ITSELF):
            plan = ["--minutes", str(args.minutes)]
        words = [*WAVES[row], *held, *plan, "--seed", str(seed), "--audition", "0"]
        lofikit("train", str(library), *words, "-o", str(run))

    with ThreadPoolExecutor(2) as pool:
        list(pool.map(train, jobs))
    show(args.folder, args.rows, args.seeds, args.minutes)


def place(folder: Path, row: str, seed: int) -> Path:
    name = "".join(c if c.isalnum() else "-" for c in row.lower())
    return folder / f"{name}-{seed}"


def show(folder: Path, rows: list[str], seeds: list[int], minutes: float) -> None:
    """Prints bits a sample: the mean over clips and seeds, and the spread over both."""
    table = Table(title=f"bits a sample after {minutes:g} minutes of training on one thread")
    for column in ("model", "bits", "spread over clips", "spread over seeds", "steps"):
        table.add_column(column, justify="left" if column == "model" else "right")
    places = {row: [place(folder, row, seed) for seed in seeds] for row in rows}
    library = Library(folder / "library")
    opened = [(Run.open(run), library) for runs in places.values() for run in runs]
    scored = {one.name: one.held_out for one in score(opened)}
    found = []
    for row, runs in places.items():
        scores = [scored[str(run)] for run in runs]
        means = [held.mean for held in scores]
        lines = (runs[0] / "metrics.jsonl").read_text().splitlines()
        between = statistics.stdev(means) if len(means) > 1 else 0.0
        spread = statistics.fmean(held.spread for held in scores)
        steps = json.loads(lines[-1])["step"]
        found.append((statistics.fmean(means), row, spread, between, steps))
    for mean, row, spread, between, steps in sorted(found):
        table.add_row(row, f"{mean:.3f}", f"{spread:.3f}", f"{between:.3f}", str(steps))
    Console(width=100).print(table)


def lofikit(*words: str) -> None:
    """Runs a command on one thread, as a user would."""
    threads = {"OMP_NUM_THREADS": "1", "OPENBLAS_NUM_THREADS": "1"}
    done = subprocess.run(
        [sys.executable, "-m", "lofikit", *words],
        env={**os.environ, **threads},
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        sys.exit(f"lofikit {' '.join(words)}\n{done.stderr}")


if __name__ == "__main__":
    main()
