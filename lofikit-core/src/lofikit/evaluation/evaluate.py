"""An evaluation: runs and anchors go on from the same prompts, and are measured alike.

Prompts are of clips that no run was trained on. What is called real is excerpts of all clips of the
runs, those trained on and those held back, as long as what is measured of takes. The row of real
music has the same excerpts, each clip compared with the others; its memorisation and its distances
are those of held-back clips. Memorisation and distances are against the clips that a run was
trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np

from lofikit.errors import LibraryError, OptionError
from lofikit.evaluation.anchors import ANCHORS, Anchor
from lofikit.evaluation.code_chain import NAME as CHAIN
from lofikit.evaluation.code_chain import CodeChain
from lofikit.evaluation.comparison import (
    Comparison,
    HeldOut,
    Kind,
    Measured,
    Row,
    Spread,
    judge,
    ranked,
    real_ranges,
)
from lofikit.evaluation.distances import frechet_distance, kernel_distance, thinned
from lofikit.evaluation.embedding import Embedding, LogMelModulation, Vectors
from lofikit.evaluation.excerpts import (
    PROMPT_SECONDS,
    Excerpt,
    levelled,
    real_excerpts,
    spread_prompts,
)
from lofikit.evaluation.listening import collapse, level, measure
from lofikit.evaluation.memorisation import Memory
from lofikit.evaluation.spectrum import Samples
from lofikit.evaluation.takes import generate_takes
from lofikit.library import Library
from lofikit.models.base import Model, Sampling
from lofikit.representations.base import Representation
from lofikit.run import Run
from lofikit.samples import ClipSamples, open_samples

SHORTEST = 1.0
"""Shortest takes that are measured, in seconds."""
GRID_SECONDS = 0.1
"""Frames that jumps are looked for in, of what has none: they show what comes by chance."""

Show = Callable[[str, float, float], None]
"""Called with what is being done, how much of it is done, and how much there is."""

_Alike = tuple[int, str, float | None, Path]  # what runs have in common that are compared


@dataclass(frozen=True)
class EvaluationOptions:
    """How runs are evaluated.

    Attributes:
        prompts: Prompts that every run goes on from.
        seeds: Takes of each prompt.
        seconds: Length of a take, the prompt not counted.
        sampling: Temperature and top-p.
        embedding: What distances are measured on.
    """

    prompts: int = 20
    seeds: int = 3
    seconds: float = 60.0
    sampling: Sampling = field(default_factory=Sampling)
    embedding: Embedding = field(default_factory=LogMelModulation)

    def __post_init__(self) -> None:
        if not self.seconds >= SHORTEST:
            raise OptionError(
                f"--seconds {self.seconds:g}: must be {SHORTEST:g} or more",
                "for example --seconds 20; with --bits-only nothing is generated",
            )
        for name, count in (("prompts", self.prompts), ("seeds", self.seeds)):
            if count < 1:
                raise OptionError(f"--{name} {count}: must be 1 or more", f"for example --{name} 3")


def evaluate(
    runs: Sequence[tuple[Run, Library]],
    options: EvaluationOptions,
    held_out: dict[str, HeldOut] | None = None,
    show: Show = lambda what, done, total: None,
) -> list[Comparison]:
    """Lets runs play from held-back prompts, and measures what they play beside anchors.

    The same runs, library and options give the same figures.

    Args:
        runs: Runs, each with its library.
        options: How they are evaluated.
        held_out: Bits or gain of runs, by path, to go into their rows.
        show: Called as the work goes on.

    Returns:
        A comparison for each rate, stem, level and library that runs were trained at.

    Raises:
        LibraryError: If no clip is held back by all runs of a comparison, or clips are too short.
        PromptError: If a model cannot be primed with a prompt.
    """
    groups: dict[_Alike, list[Run]] = {}
    libraries: dict[_Alike, Library] = {}
    for run, library in runs:
        data = run.config.data
        key = (data.sample_rate, data.stem, data.level, library.path.resolve())
        groups.setdefault(key, []).append(run)
        libraries[key] = library
    return [
        _compare(alike, libraries[key], options, held_out or {}, show)
        for key, alike in groups.items()
    ]


def _compare(
    runs: Sequence[Run],
    library: Library,
    options: EvaluationOptions,
    held_out: dict[str, HeldOut],
    show: Show,
) -> Comparison:
    players = [_Player(run) for run in runs]
    hall = _Hall(players, library, options, show)
    rows = [hall.real_row()]
    for anchor in (*ANCHORS, hall.code_chain()):
        rows.append(hall.row(anchor.name, "anchor", hall.takes(anchor)))
    for player in players:
        takes = player.takes(hall, options, show)
        rows.append(
            hall.row(
                str(player.run.path),
                "run",
                takes,
                player.representation.spec.hop,
                player.run,
                held_out.get(str(player.run.path)),
            )
        )
    return Comparison(
        hall.rate,
        options.seconds,
        hall.excerpt / hall.rate,
        tuple(hall.prompts),
        hall.seeds,
        hall.ranges,
        ranked(rows),
    )


class _Player:
    """A run with its model in memory."""

    def __init__(self, run: Run) -> None:
        self.run = run
        self.representation: Representation = run.representation()
        self.model: Model = run.trained_model(self.representation)

    @property
    def needed(self) -> int:
        """Samples of a prompt that the model can be primed with."""
        return self.model.context * self.representation.spec.hop

    def takes(self, hall: _Hall, options: EvaluationOptions, show: Show) -> list[Samples]:
        prompts = np.stack([excerpt.prompt for excerpt in hall.prompts])
        total = len(prompts) * len(hall.seeds) * options.seconds
        generated = generate_takes(
            self.model,
            self.representation,
            prompts,
            hall.seeds,
            hall.length,
            options.sampling,
            lambda samples: show(f"{self.run.path}: playing", samples / hall.rate, total),
        )
        return [take for group in generated for take in group]


class _Hall:
    """What takes are measured against: the prompts, and the real music of some runs' clips."""

    def __init__(
        self, players: Sequence[_Player], library: Library, options: EvaluationOptions, show: Show
    ) -> None:
        data = players[0].run.config.data
        self.rate, self._target = data.sample_rate, data.level
        self.seeds = tuple(range(options.seeds))
        self.length = round(options.seconds * self.rate)
        self._show = show
        self._embedding = options.embedding
        self._store = open_samples(library, self.rate, data.stem)
        self._trained = [self._parts("training_clips", player.run) for player in players]
        held = [self._parts("held_out_clips", player.run) for player in players]
        trained_ids = {part.clip.id for parts in self._trained for part in parts}
        self._held = [
            part
            for part in held[0]
            if part.clip.id not in trained_ids and all(part in others for others in held)
        ]
        if not self._held:
            names = ", ".join(str(player.run.path) for player in players)
            raise LibraryError(
                f"{library.path} holds no clip that was held back by {names}",
                "evaluate runs that hold different clips back one by one, train with "
                "--held-out 0.15, or name the runs' own library with --library",
            )
        every = list({p.clip.id: p for ps in (*held, *self._trained) for p in ps}.values())
        self._prompt, self.excerpt = self._lengths(every, max(p.needed for p in players))
        self.prompts = spread_prompts(
            self._store, self._held, self._target, options.prompts, self._prompt
        )
        self._real = self._measured_excerpts(every)
        self.ranges = real_ranges([found for _, found in self._real])
        self._memories: dict[frozenset[str], Memory] = {}
        self._references: dict[frozenset[str], Vectors] = {}

    def _parts(self, kind: str, run: Run) -> list[ClipSamples]:
        ids = {clip["id"] for clip in run.manifest().get(kind, [])}
        return [part for part in self._store.clips if part.clip.id in ids]

    def _lengths(self, parts: Sequence[ClipSamples], needed: int) -> tuple[int, int]:
        """Returns the samples of a prompt and of an excerpt, which most clips have together."""
        usual = int(np.quantile([part.length for part in parts], 0.25, method="lower"))
        prompt = max(needed, min(round(PROMPT_SECONDS * self.rate), usual // 4))
        excerpt = min(self.length, usual - prompt)
        if excerpt < SHORTEST * self.rate:
            raise LibraryError(
                f"the clips are too short to compare with: most have {usual / self.rate:.1f} s, "
                f"and a prompt takes {prompt / self.rate:.1f} s",
                "measure with --bits-only, or collect longer clips and train again",
            )
        return prompt, excerpt

    def _excerpts(self, parts: Sequence[ClipSamples]) -> list[Excerpt]:
        return real_excerpts(self._store, parts, self._target, self._prompt, self.excerpt)

    def takes(self, anchor: Anchor) -> list[Samples]:
        """Lets an anchor go on from all prompts, with every seed if it draws."""
        seeds = self.seeds if anchor.random else self.seeds[:1]
        made = []
        for seed in seeds:
            for index, prompt in enumerate(self.prompts):
                generator = np.random.default_rng([seed, index])
                made.append(anchor.go_on(prompt.prompt, self.rate, self.length, generator))
                total = len(seeds) * len(self.prompts)
                self._show(f"{anchor.name}: playing", len(made), total)
        return made

    def _measured_excerpts(self, parts: Sequence[ClipSamples]) -> list[tuple[Excerpt, Measured]]:
        hop = round(GRID_SECONDS * self.rate)
        found = []
        excerpts = self._excerpts(parts)
        for done, excerpt in enumerate(excerpts, 1):
            measured = measure(excerpt.music, self.rate, excerpt.prompt, hop)
            if measured["collapse"] * self.rate >= self.excerpt:  # it never does: as of takes
                measured["collapse"] = self.length / self.rate
            found.append((excerpt, measured))
            self._show("real music: measuring", done, len(excerpts))
        return found

    def code_chain(self) -> Anchor:
        """Learns a chain from the clips that the first run was trained on."""
        self._show(f"{CHAIN}: learning", 0, 1)
        chain = CodeChain(
            [levelled(self._store, p, self._target) for p in self._trained[0]], self.rate
        )
        self._show(f"{CHAIN}: learning", 1, 1)
        return chain.anchor()

    def real_row(self) -> Row:
        """Returns the row of the clips themselves, each compared with the others."""
        ids = {excerpt.clip.id for excerpt, _ in self._real}
        others = {
            one: real_ranges([found for excerpt, found in self._real if excerpt.clip.id != one])
            for one in ids
        }
        ranges = [
            others[excerpt.clip.id] if len(ids) > 2 else self.ranges for excerpt, _ in self._real
        ]
        held = [excerpt.music for excerpt in self._excerpts(self._held)]
        return self._row("real music", "real", [found for _, found in self._real], held, ranges)

    def row(
        self,
        name: str,
        kind: Kind,
        takes: Sequence[Samples],
        hop: int | None = None,
        run: Run | None = None,
        held_out: HeldOut | None = None,
    ) -> Row:
        """Measures takes, all prompts in their order and, perhaps, again for each further seed."""
        hop = hop or round(GRID_SECONDS * self.rate)
        measured = []
        for index, take in enumerate(takes):
            measured.append(self._measure(take, self.prompts[index % len(self.prompts)], hop))
            self._show(f"{name}: measuring", index + 1, len(takes))
        ranges = [self.ranges] * len(measured)
        return self._row(name, kind, measured, takes, ranges, run, held_out)

    def _measure(self, take: Samples, prompt: Excerpt, hop: int) -> Measured:
        """Measures the end of a take that is as long as real excerpts, and the whole's collapse."""
        end = len(take) - self.excerpt
        found = measure(take[end + -end % hop :], self.rate, prompt.prompt, hop)
        found["collapse"] = collapse(take, self.rate, level(prompt.prompt))
        return found

    def _row(
        self,
        name: str,
        kind: Kind,
        measured: Sequence[Measured],
        takes: Sequence[Samples],
        ranges: Sequence[Mapping[str, Spread]],
        run: Run | None = None,
        held_out: HeldOut | None = None,
    ) -> Row:
        judged, every = judge(measured, ranges)
        trained = self._parts("training_clips", run) if run else self._trained[0]
        memory, reference = self._training(trained)
        vectors = thinned(self._vectors(takes))
        return Row(
            name,
            kind,
            run.config.model.name if run else "",
            judged,
            every,
            memory.share(takes),
            frechet_distance(reference, vectors),
            kernel_distance(reference, vectors),
            held_out,
        )

    def _training(self, parts: Sequence[ClipSamples]) -> tuple[Memory, Vectors]:
        """Returns fingerprints and vectors of clips; runs that have them in common share them."""
        key = frozenset(part.clip.id for part in parts)
        if key not in self._memories:
            clips = [levelled(self._store, part, self._target) for part in parts]
            self._memories[key] = Memory(clips, self.rate)
            self._references[key] = thinned(self._vectors(clips))
        return self._memories[key], self._references[key]

    def _vectors(self, takes: Iterable[Samples]) -> Vectors:
        found = [np.asarray(self._embedding.embed(take, self.rate), np.float64) for take in takes]
        return np.concatenate(found)
