"""Whether a run of codes keeps time: beats, steady tempo, and chords that change on the bar.

    python benchmarks/keeping_time.py RUN [--prompts 20] [--seeds 3] [--seconds 60]

Beside takes stand the held-back clips themselves, and the same through the run's codes. A chord
changes where the chroma of neighbouring beats differs: `on the bar` is how much they differ across
the first beat of a bar, as a multiple of how much they do elsewhere; 1 is as likely anywhere.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lofikit.beats import Beats, Pulse
from lofikit.chunks import LevelledClips
from lofikit.evaluation.excerpts import excerpt_beats, spread_prompts
from lofikit.evaluation.listening import measure
from lofikit.library import Library
from lofikit.models.base import Sampling
from lofikit.performers import BatchPerformer
from lofikit.run import Run
from lofikit.samples import open_samples

Samples = NDArray[np.float32]
SHOWN = ("beat", "tempo_steadiness", "flux", "flatness", "modulation", "end_level", "repetition")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("run", type=Path)
    parser.add_argument("--library", type=Path)
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--prompt-seconds", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sampling", nargs="+", default=["1,1,1"], help="temperature,top-p,fine")
    parser.add_argument("--bpm", type=float)
    args = parser.parse_args()
    run = Run.open(args.run)
    codes = run.representation()
    model, rate = run.trained_model(codes), codes.sample_rate
    store = open_samples(
        Library(args.library or Path(run.config.library)), rate, run.config.data.stem
    )
    held = {clip["id"] for clip in run.manifest()["held_out_clips"]}
    parts = [part for part in store.clips if part.clip.id in held]
    level = run.config.data.level
    table = Table(title=f"{run.path.name}: medians")
    for column in ("music", *SHOWN, "on the bar"):
        table.add_column(column, justify="left" if column == "music" else "right")
    real = list(LevelledClips(store, parts, level))
    beats: list[Beats | Pulse | None] = list(store.beats(parts))
    add(table, "held-back clips", real, [None] * len(real), beats, rate)
    coded = [codes.decode_clip(codes.encode_clip(clip[None]), len(clip))[0] for clip in real]
    add(table, "the same through codes", coded, [None] * len(real), beats, rate)
    length = round(args.prompt_seconds * rate)
    excerpts = spread_prompts(store, parts, level, args.prompts, length)
    prompts = np.stack([excerpt.prompt for excerpt in excerpts])
    known = excerpt_beats(store, excerpts)
    for words in args.sampling:
        takes: list[Samples] = []
        pulses: list[Beats | Pulse | None] = []
        sampling = Sampling(*map(float, words.split(",")))
        for seed in range(args.seeds):
            performer = BatchPerformer(model, codes, prompts, sampling, seed, args.bpm, beats=known)
            takes += list(performer.next(round(args.seconds * rate)))
            pulses += performer.pulses
        given = list(np.tile(prompts, (args.seeds, 1)))
        add(table, f"takes at {words}", takes, given, pulses, rate)
    Console(width=140).print(table)


def add(
    table: Table,
    name: str,
    music: list[Samples],
    prompts: list[Samples | None] | list[Samples],
    beats: list[Beats | Pulse | None],
    rate: int,
) -> None:
    """Adds a row of medians, the beat with its quartiles."""
    found = [measure(one, rate, prompt) for one, prompt in zip(music, prompts, strict=True)]
    cells = []
    for figure in SHOWN:
        values = [row[figure] for row in found if np.isfinite(row[figure])]
        low, middle, high = np.quantile(values, [0.25, 0.5, 0.75]) if values else [np.nan] * 3
        spread = f" ({low:.2f} to {high:.2f})" if figure == "beat" else ""
        cells.append(f"{middle:.2f}{spread}")
    table.add_row(name, *cells, f"{on_the_bar(music, beats, rate):.2f}")


def on_the_bar(music: list[Samples], beats: list[Beats | Pulse | None], rate: int) -> float:
    """Returns how much more the chroma changes on the first beat of a bar than on the others."""
    from librosa.feature import chroma_stft

    hop = 256
    changes: list[list[float]] = [[], [], [], []]
    for samples, pulse in zip(music, beats, strict=True):
        if pulse is None:
            continue
        chroma = chroma_stft(y=samples, sr=rate, n_fft=2048, hop_length=hop, tuning=0.0)
        counts = pulse.count(np.arange(chroma.shape[1]) * hop / rate)
        whole = np.floor(counts).astype(int)
        numbers = np.unique(whole)[1:-1]
        means = np.stack([chroma[:, whole == number].mean(axis=1) for number in numbers])
        means /= np.maximum(np.linalg.norm(means, axis=1, keepdims=True), 1e-9)
        for number, change in zip(numbers[1:], 1 - (means[1:] * means[:-1]).sum(1), strict=True):
            changes[number % 4].append(float(change))
    elsewhere = np.mean([np.mean(one) for one in changes[1:]])
    return float(np.mean(changes[0]) / elsewhere) if all(changes) else float("nan")


if __name__ == "__main__":
    main()
