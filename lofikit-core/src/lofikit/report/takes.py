"""What is listened to: the same prompts for every run, and what each run makes of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.chunks import level_gain
from lofikit.errors import LibraryError, OptionError, PromptError
from lofikit.evaluation import measure
from lofikit.generation import TakeOptions, Voice, mixed_blocks, perform
from lofikit.library import MIX, Clip, Library
from lofikit.models.base import Model, Sampling
from lofikit.representations.base import Representation
from lofikit.run import Run, provenance
from lofikit.samples import SampleStore, open_samples

Samples = NDArray[np.float32]

MAX_RUNS = 16
"""Runs that one page compares; so many rows has a figure of losses."""


@dataclass(frozen=True)
class ReportOptions:
    """What is played for a report.

    Attributes:
        prompts: Number of prompts, excerpts of held-back clips.
        seeds: Takes of each run from each prompt; their seeds count from 0.
        seconds: Length of the new music of each take.
        prompt_seconds: Length of each prompt.
        sampling: Temperature and top-p.
    """

    prompts: int = 3
    seeds: int = 1
    seconds: float = 20.0
    prompt_seconds: float = 5.0
    sampling: Sampling = field(default_factory=Sampling)

    def __post_init__(self) -> None:
        for name, value in vars(self).items():
            if name != "sampling" and not value > 0:
                raise OptionError(
                    f"--{name.replace('_', '-')} {value:g}: must be above 0",
                    f"for example --{name.replace('_', '-')} 3",
                )


@dataclass(frozen=True)
class Excerpt:
    """Where a prompt lies in its clip.

    Attributes:
        clip: The clip; no run of the report was trained on it.
        start: Beginning of the prompt in seconds.
    """

    clip: Clip
    start: float


@dataclass(frozen=True)
class Take:
    """A prompt with what follows it.

    Attributes:
        name: Of the run; or of the clip, where the clip itself goes on.
        seed: Of the take; ``None`` for the clip itself.
        audio: Prompt and new music, mono.
        prompt_seconds: Where the prompt ends.
        figures: What :func:`lofikit.evaluation.measure` makes of the new music.
        failure: Why the take broke off before its end, or empty.
    """

    name: str
    seed: int | None
    audio: Audio
    prompt_seconds: float
    figures: dict[str, float]
    failure: str = ""


@dataclass(frozen=True)
class Comparison:
    """All that follows one prompt.

    Attributes:
        excerpt: The prompt.
        original: The clip itself, at the highest rate of the runs.
        takes: Of the runs, in their order, and for each the seeds in theirs.
    """

    excerpt: Excerpt
    original: Take
    takes: tuple[Take, ...]


def run_names(runs: Sequence[Run]) -> list[str]:
    """Returns a name for each run: its folder's, or its whole path where two have one name."""
    folders = [run.path.resolve().name for run in runs]
    return [
        name if folders.count(name) == 1 else str(run.path)
        for name, run in zip(folders, runs, strict=True)
    ]


def choose_excerpts(runs: Sequence[Run], library: Library, options: ReportOptions) -> list[Excerpt]:
    """Chooses prompts from the clips that every run held back, spread evenly over them.

    Where a clip is long enough, what follows a prompt in it is as long as the takes are.

    Raises:
        LibraryError: If there is no such clip, or none as long as a prompt.
    """
    known = {clip.id: clip for clip in library.clips}
    held = [{clip["id"] for clip in run.manifest().get("held_out_clips", [])} for run in runs]
    common = [known[name] for name in sorted(set.intersection(*held)) if name in known]
    if not common:
        whom = str(runs[0].path) if len(runs) == 1 else "every one of the runs"
        raise LibraryError(
            f"{library.path} holds no clip that {whom} held back",
            "train with the same --hold-out CLIP, or name the runs' own library with --library",
        )
    clips = [clip for clip in common if clip.seconds >= options.prompt_seconds + 0.1]
    if not clips:
        raise LibraryError(
            f"no held-back clip is as long as a prompt of {options.prompt_seconds:g} s",
            f"shorten it: --prompt-seconds {options.prompt_seconds / 2:g}",
        )
    excerpts = []
    for number in range(options.prompts):
        clip, place = clips[number % len(clips)], number // len(clips)
        places = -(-(options.prompts - number % len(clips)) // len(clips))
        room = clip.seconds - options.prompt_seconds
        room = max(room - options.seconds, min(room, 0.1))
        excerpts.append(Excerpt(clip, round(room * (place + 0.5) / places, 2)))
    return excerpts


def make_takes(
    runs: Sequence[Run],
    library: Library,
    options: ReportOptions,
    progress: Callable[[float], None] = lambda seconds: None,
) -> list[Comparison]:
    """Lets every run go on from the same prompts.

    The prompts are brought to the level that the runs were trained at, and so is the clip itself.

    Args:
        runs: Trained runs.
        library: Their library.
        options: How much is played.
        progress: Called with the seconds of new music that were made since the last call.

    Raises:
        LibraryError: If the library holds no clip that all runs held back.
        OptionError: If there are too many runs.
        PromptError: If the prompts are too short for a model.
    """
    if len(runs) > MAX_RUNS:
        raise OptionError(
            f"{len(runs)} runs do not fit on one page", f"compare at most {MAX_RUNS} at a time"
        )
    excerpts = choose_excerpts(runs, library, options)
    made: list[list[Take]] = [[] for _ in excerpts]
    for run, name in zip(runs, run_names(runs), strict=True):
        player = _Player(run, name, library, options)
        for takes, excerpt in zip(made, excerpts, strict=True):
            for seed in range(options.seeds):
                takes.append(player.take(excerpt, seed, progress))
    fastest = max(runs, key=lambda run: run.config.data.sample_rate)
    stems = {run.config.data.stem for run in runs}
    stem = stems.pop() if len(stems) == 1 else MIX
    store = open_samples(library, fastest.config.data.sample_rate, stem)
    level = fastest.config.data.level
    return [
        Comparison(excerpt, _original(store, excerpt, options, level), tuple(takes))
        for excerpt, takes in zip(excerpts, made, strict=True)
    ]


class _Player:
    """A run in memory, which makes one take after the other."""

    def __init__(self, run: Run, name: str, library: Library, options: ReportOptions) -> None:
        self.run, self.name, self.options = run, name, options
        self.representation: Representation = run.representation()
        self.model: Model = run.trained_model(self.representation)
        self.store = open_samples(library, run.config.data.sample_rate, run.config.data.stem)

    def take(self, excerpt: Excerpt, seed: int, progress: Callable[[float], None]) -> Take:
        options = TakeOptions(self.options.seconds, seed, self.options.sampling, with_prompt=False)
        prompt = _excerpt(self.store, excerpt, self.options.prompt_seconds)
        voice = Voice(self.run, prompt, prompt_of=provenance(excerpt.clip))
        try:
            performer = perform(self.model, self.representation, voice, options)
        except PromptError as error:
            raise PromptError(
                f"{self.run.path}: {error.message}",
                f"give longer prompts: --prompt-seconds {2 * self.options.prompt_seconds:g}",
            ) from error
        blocks, failure = [np.zeros(0, np.float32)], ""
        try:
            for block, _ in mixed_blocks([voice], [performer], options):
                blocks.append(block)
                progress(len(block) / performer.rate)
        except PromptError as error:  # one take that blows up is a finding, and spoils no other
            failure = error.message
        new, heard = np.concatenate(blocks), performer.prompt
        hop = self.representation.spec.hop
        figures = measure(new, performer.rate, heard, hop) if len(new) and not failure else {}
        audio = Audio(np.concatenate([heard, new])[None], performer.rate)
        return Take(self.name, seed, audio, len(heard) / performer.rate, figures, failure)


def _excerpt(store: SampleStore, excerpt: Excerpt, seconds: float) -> Audio:
    """Returns a stretch of a clip from the beginning of a prompt on."""
    part = next((part for part in store.clips if part.clip.id == excerpt.clip.id), None)
    if part is None:
        raise LibraryError(
            f"{excerpt.clip.id} has not the stem that a run was trained on",
            "separate the library again, or leave that run out",
        )
    first = round(excerpt.start * store.rate)
    samples = np.array(store.of(part)[first : first + round(seconds * store.rate)])
    return Audio(samples[None], store.rate)


def _original(
    store: SampleStore, excerpt: Excerpt, options: ReportOptions, level: float | None
) -> Take:
    """Returns the clip itself, its prompt at the level that prompts are brought to."""
    samples = _excerpt(store, excerpt, options.prompt_seconds + options.seconds).samples
    end = min(round(options.prompt_seconds * store.rate), samples.shape[1])
    rms = float(np.sqrt(np.mean(np.square(samples[:, :end], dtype=np.float64))))
    samples = np.clip(samples * np.float32(level_gain(rms, level)), -1.0, 1.0)
    new = samples[0, end:]
    figures = measure(new, store.rate, samples[0, :end]) if len(new) else {}
    return Take(excerpt.clip.name, None, Audio(samples, store.rate), end / store.rate, figures)
