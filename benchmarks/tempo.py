"""How often some seconds of music are enough to find its tempo and its beats.

    python benchmarks/tempo.py LIBRARY... [--seconds 8 5] [--excerpts 60]

What is true is what the source knows, and of other clips what the whole clip says. Beside it stands
librosa's tracker. `on the beat` is within an eighth of a beat, `off the beat` as near to a half.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from librosa.beat import beat_track
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from lofikit.audio import Audio
from lofikit.beats import Beats, track
from lofikit.evaluation.excerpts import spread_prompts
from lofikit.library import Library
from lofikit.samples import open_samples
from lofikit.tracking import FASTEST_BPM, RATE, SLOWEST_BPM, USUAL_BPM

NEAR = 0.015
"""How far a tempo may lie from the true one, as a share of it."""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("libraries", type=Path, nargs="+")
    parser.add_argument("--seconds", type=float, nargs="+", default=[8.0, 5.0])
    parser.add_argument("--excerpts", type=int, default=60)
    args = parser.parse_args()
    table = Table(title="Share of excerpts [%]")
    for column in ("library", "seconds", "tracker", "tempo", "on the beat", "off the beat"):
        table.add_column(column, justify="left" if column == "library" else "right")
    trackers = {"lofikit": ours, "librosa": librosas}
    for path in args.libraries:
        store = open_samples(Library(path), RATE, "mix")
        clips = list(store.clips)
        known = dict(zip([part.clip.id for part in clips], store.beats(clips), strict=True))
        for seconds in args.seconds:
            length = round(seconds * RATE)
            excerpts = spread_prompts(store, clips, None, args.excerpts, length)
            for name, tracker in trackers.items():
                found = [
                    compared(tracker(one.prompt), known[one.clip.id], one.start, seconds)
                    for one in excerpts
                    if known[one.clip.id].tempo is not None
                ]
                shares = [f"{100 * share:.0f}" for share in np.mean(found, axis=0)]
                table.add_row(path.name, f"{seconds:g}", name, *shares)
    Console(width=100).print(table)


def compared(found: Beats, known: Beats, start: float, seconds: float) -> tuple[bool, bool, bool]:
    """Returns whether the tempo is right, and beats fall on beats, or on off-beats."""
    pulse, tempo = found.onwards(seconds), known.tempo
    assert tempo is not None
    if pulse is None:
        return False, False, False
    while tempo > FASTEST_BPM:
        tempo /= 2
    while tempo < SLOWEST_BPM:
        tempo *= 2
    newest = start + seconds - (pulse.begun % 1.0) * pulse.period
    off = abs((float(known.count(np.array(newest))) + 0.5) % 1.0 - 0.5)
    right = abs(60.0 / pulse.period / tempo - 1.0) < NEAR
    return right, off < 0.125, off > 0.375


def ours(samples: NDArray[np.float32]) -> Beats:
    return track(Audio(samples[None], RATE))


def librosas(samples: NDArray[np.float32]) -> Beats:
    _, times = beat_track(y=samples, sr=RATE, start_bpm=USUAL_BPM, units="time", trim=False)
    while len(times) > 3 and 60.0 / np.median(np.diff(times)) > FASTEST_BPM:
        times = times[::2]
    while len(times) > 1 and 60.0 / np.median(np.diff(times)) < SLOWEST_BPM:
        times = np.sort(np.concatenate([times, (times[1:] + times[:-1]) / 2]))
    return Beats(times)


if __name__ == "__main__":
    main()
