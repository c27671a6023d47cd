"""Whether runs of stems keep time together: the first gives the pulse, as in a band.

    python benchmarks/band_time.py DRUMS KEYS BASS [--prompts 20] [--seeds 3] [--seconds 60]

Each prompt is the same stretch of a held-back clip in every run's stem. Beside the takes and their
sum stand the stems of the clips themselves. See keeping_time.py for the figures.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np
from keeping_time import SHOWN, Samples, add
from rich.console import Console
from rich.table import Table

from lofikit.beats import Beats, Pulse
from lofikit.chunks import LevelledClips
from lofikit.evaluation.excerpts import spread_prompts
from lofikit.library import Library
from lofikit.models.base import Sampling
from lofikit.performers import BatchPerformer
from lofikit.run import Run
from lofikit.samples import open_samples


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", type=Path, nargs="+")
    parser.add_argument("--prompts", type=int, default=20)
    parser.add_argument("--prompt-seconds", type=float, default=8.0)
    parser.add_argument("--seeds", type=int, default=3)
    parser.add_argument("--seconds", type=float, default=60.0)
    parser.add_argument("--sampling", default="0.9,0.95,1", help="temperature,top-p,fine")
    args = parser.parse_args()
    players = [Player(Run.open(path)) for path in args.runs]
    rate, held = players[0].rate, players[0].held
    for player in players[1:]:
        assert player.rate == rate, "the runs have several sample rates"
        held &= player.held
    names = [player.run.config.data.stem for player in players]
    table = Table(title=" and ".join(names))
    for column in ("music", *SHOWN, "on the bar"):
        table.add_column(column, justify="left" if column == "music" else "right")
    ids = sorted(held)
    beats: list[Beats | Pulse | None] = list(players[0].beats(ids))
    songs = [[player.clip(one) for one in ids] for player in players]
    show(table, "songs", names, songs, [[None] * len(ids)] * len(players), beats, rate)
    length, sampling = round(args.prompt_seconds * rate), Sampling(*numbers(args.sampling))
    stretches = players[0].stretches(ids, args.prompts, length)
    known = dict(zip(ids, players[0].beats(ids), strict=True))
    takes: list[list[Samples]] = [[] for _ in players]
    given: list[list[Samples | None]] = [[] for _ in players]
    pulses: list[Beats | Pulse | None] = []
    for clip, start in stretches:
        pulse: Pulse | None = None
        for number, player in enumerate(players):
            prompt = player.clip(clip)[start : start + length]
            performer = BatchPerformer(
                player.model,
                player.codes,
                np.tile(prompt, (args.seeds, 1)),
                sampling,
                1000 * number + start,
                pulse=pulse,
                beats=[known[clip].until((start + length) / rate)] * args.seeds,
            )
            takes[number] += list(performer.next(round(args.seconds * rate)))
            given[number] += [prompt] * args.seeds
            if number == 0:
                pulse = performer.pulses[0]
                pulses += performer.pulses
    show(table, "takes", names, takes, given, pulses, rate)
    Console(width=140).print(table)


def numbers(words: str) -> list[float]:
    return [float(word) for word in words.split(",")]


class Player:
    """A run with its samples."""

    def __init__(self, run: Run) -> None:
        self.run, self.codes = run, run.representation()
        self.model, self.rate = run.trained_model(self.codes), self.codes.sample_rate
        library = Library(Path(run.config.library))
        self.store = open_samples(library, self.rate, run.config.data.stem)
        self.held = {clip["id"] for clip in run.manifest()["held_out_clips"]}
        self._parts = {part.clip.id: part for part in self.store.clips}

    def clip(self, name: str) -> Samples:
        part = self._parts[name]
        return LevelledClips(self.store, [part], self.run.config.data.level)[0]

    def beats(self, names: list[str]) -> list[Beats]:
        return list(self.store.beats([self._parts[name] for name in names]))

    def stretches(self, names: list[str], count: int, length: int) -> list[tuple[str, int]]:
        parts, level = [self._parts[name] for name in names], self.run.config.data.level
        found = spread_prompts(self.store, parts, level, count, length)
        return [(one.clip.id, round(one.start * self.rate)) for one in found]


def show(
    table: Table,
    kind: str,
    names: list[str],
    parts: list[list[Samples]],
    prompts: list[list[Samples | None]],
    pulses: list[Beats | Pulse | None],
    rate: int,
) -> None:
    """Adds a row for each stem and one for all together."""
    for name, music, given in zip(names, parts, prompts, strict=True):
        add(table, f"{name}: {kind}", music, given, pulses, rate)
    together = [np.sum(music, axis=0) for music in zip(*parts, strict=True)]
    add(table, f"all: {kind}", together, [None] * len(together), pulses, rate)


if __name__ == "__main__":
    main()
