"""Where runs and anchors are compared: the same prompts, and the same real music.

Prompts are of clips that no run was trained on. What is called real is excerpts of all clips of the
runs, those trained on and those held back, as long as what is measured of takes. The row of real
music has the same excerpts, each clip compared with the others; its memorisation and its distances
are those of held-back clips. Memorisation and distances are against the clips that a run was
trained on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from lofikit.beats import Beats
from lofikit.chunks import LevelledClips
from lofikit.errors import LibraryError, OptionError
from lofikit.evaluation.anchors import Anchor
from lofikit.evaluation.code_chain import CodeChain
from lofikit.evaluation.comparison import (
    HeldOut,
    Kind,
    Measured,
    Row,
    Spread,
    judge,
    real_ranges,
)
from lofikit.evaluation.distances import frechet_distance, kernel_distance, thinned
from lofikit.evaluation.embedding import Embedding, LogMelModulation, Vectors
from lofikit.evaluation.excerpts import (
    KEEPING_TIME_SECONDS,
    PROMPT_SECONDS,
    Excerpt,
    excerpt_beats,
    real_excerpts,
    spread_prompts,
)
from lofikit.evaluation.listening import collapse, level, measure
from lofikit.evaluation.memorisation import Memory
from lofikit.library import Library
from lofikit.models.base import Sampling
from lofikit.run import Run
from lofikit.samples import ClipSamples, open_samples
from lofikit.spectrum import Samples

SHORTEST = 1.0
"""Shortest takes that are measured, in seconds."""
GRID_SECONDS = 0.1
"""Frames that jumps are looked for in, of what has none: they show what comes by chance."""

Show = Callable[[str, float, float], None]
"""Called with what is being done, how much of it is done, and how much there is."""


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


class Stage:
    """What takes are measured against: prompts, and the real music of some runs' clips.

    Args:
        runs: Runs that were trained at one rate and level and on one stem.
        library: Their library.
        options: How they are evaluated.
        needed: Samples that a prompt must have at least, for all models.
        keeping_time: Whether a model keeps time, which longer prompts serve.
        show: Called as the work goes on.

    Attributes:
        rate: Sample rate in Hz.
        prompts: What all go on from.
        seeds: A take a prompt each.
        length: Samples of a take.
        excerpt: Samples of a real excerpt, and of what is measured of a take.
        ranges: Of real music, by figure.

    Raises:
        LibraryError: If no clip is held back by all runs, or the clips are too short.
    """

    def __init__(
        self,
        runs: Sequence[Run],
        library: Library,
        options: EvaluationOptions,
        needed: int,
        keeping_time: bool,
        show: Show = lambda what, done, total: None,
    ) -> None:
        data = runs[0].config.data
        self.rate, self._target = data.sample_rate, data.level
        self.seeds = tuple(range(options.seeds))
        self.length = round(options.seconds * self.rate)
        self._show = show
        self._embedding = options.embedding
        self._store = open_samples(library, self.rate, data.stem)
        self._trained = [self._parts("training_clips", run) for run in runs]
        held = [self._parts("held_out_clips", run) for run in runs]
        trained_ids = {part.clip.id for parts in self._trained for part in parts}
        self._held = [
            part
            for part in held[0]
            if part.clip.id not in trained_ids and all(part in others for others in held)
        ]
        if not self._held:
            names = ", ".join(str(run.path) for run in runs)
            raise LibraryError(
                f"{library.path} holds no clip that was held back by {names}",
                "evaluate runs that hold different clips back one by one, train with "
                "--held-out 0.15, or name the runs' own library with --library",
            )
        every = list({p.clip.id: p for ps in (*held, *self._trained) for p in ps}.values())
        seconds = KEEPING_TIME_SECONDS if keeping_time else PROMPT_SECONDS
        self._prompt, self.excerpt = self._lengths(every, needed, round(seconds * self.rate))
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

    def _lengths(self, parts: Sequence[ClipSamples], needed: int, wished: int) -> tuple[int, int]:
        """Returns the samples of a prompt and of an excerpt, which most clips have together."""
        usual = int(np.quantile([part.length for part in parts], 0.25, method="lower"))
        prompt = max(needed, min(wished, usual // 4))
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

    def beats(self, prompts: Sequence[Excerpt]) -> list[Beats]:
        """Returns the beats of the prompts' clips, up to the prompts' ends."""
        return excerpt_beats(self._store, prompts)

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
        clips = LevelledClips(self._store, self._trained[0], self._target)
        return CodeChain(clips, self.rate).anchor()

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
        prompts: Sequence[Excerpt] = (),
    ) -> Row:
        """Measures takes.

        Args:
            name: The row's name.
            kind: What it is a row of.
            takes: One of each prompt, in their order, and again for each further seed.
            hop: Samples from one frame to the next; ``None`` if there are no frames.
            run: The run that played them.
            held_out: Its bits or gain.
            prompts: What they go on from, if it is not all prompts.
        """
        hop = hop or round(GRID_SECONDS * self.rate)
        prompts = prompts or self.prompts
        measured = []
        for index, take in enumerate(takes):
            measured.append(self._measure(take, prompts[index % len(prompts)], hop))
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
            clips = LevelledClips(self._store, parts, self._target)
            self._memories[key] = Memory(clips, self.rate)
            self._references[key] = thinned(self._vectors(clips))
        return self._memories[key], self._references[key]

    def _vectors(self, takes: Iterable[Samples]) -> Vectors:
        found = [np.asarray(self._embedding.embed(take, self.rate), np.float64) for take in takes]
        return np.concatenate(found)
