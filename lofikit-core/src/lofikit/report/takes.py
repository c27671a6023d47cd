"""What is listened to: the same prompts for every run, and what each run makes of them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio
from lofikit.chunks import LevelledClips
from lofikit.errors import LibraryError, OptionError, PromptError
from lofikit.evaluation import measure
from lofikit.evaluation.excerpts import Excerpt, excerpt_beats, spread_prompts
from lofikit.library import MIX, Library
from lofikit.models.base import Sampling
from lofikit.performers import BatchPerformer
from lofikit.run import Run
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
class Continuations:
    """All that follows one prompt.

    Attributes:
        prompt: Where in which clip it lies.
        original: The clip itself, at the highest rate of the runs.
        takes: Of the runs, in their order, and of each the seeds in theirs.
    """

    prompt: Excerpt
    original: Take
    takes: tuple[Take, ...]


def run_names(runs: Sequence[Run]) -> list[str]:
    """Returns a name for each run: its folder's, or its whole path where two have one name."""
    folders = [run.path.resolve().name for run in runs]
    return [
        name if folders.count(name) == 1 else str(run.path)
        for name, run in zip(folders, runs, strict=True)
    ]


def choose_prompts(runs: Sequence[Run], library: Library, options: ReportOptions) -> list[Excerpt]:
    """Chooses prompts from the clips that every run held back, spread evenly over them.

    So much of each clip is left after a prompt that the clip itself goes on as long as the takes
    do, or for half a clip.

    Returns:
        The prompts, at the highest rate and its run's level.

    Raises:
        LibraryError: If there is no such clip, or none as long as a prompt.
    """
    store, level = _reference(runs, library)
    held = [{clip["id"] for clip in run.manifest().get("held_out_clips", [])} for run in runs]
    common = set.intersection(*held)
    parts = [part for part in store.clips if part.clip.id in common]
    if not parts:
        whom = str(runs[0].path) if len(runs) == 1 else "every one of the runs"
        raise LibraryError(
            f"{library.path} holds no clip that {whom} held back",
            "train with the same --hold-out CLIP, or name the runs' own library with --library",
        )
    prompt = round(options.prompt_seconds * store.rate)
    longest = max(part.length for part in parts)
    if longest < prompt:
        raise LibraryError(
            f"no held-back clip is as long as a prompt of {options.prompt_seconds:g} s",
            f"shorten it: --prompt-seconds {longest / store.rate / 2:.1f}",
        )
    wanted = round((options.prompt_seconds + options.seconds) * store.rate)
    half = round(statistics.median(part.length for part in parts) / 2)
    room = max(prompt, min(wanted, half))
    return spread_prompts(store, parts, level, options.prompts, room)


def make_takes(
    runs: Sequence[Run],
    library: Library,
    options: ReportOptions,
    progress: Callable[[float], None] = lambda seconds: None,
) -> list[Continuations]:
    """Lets every run go on from the same prompts, all at once for each seed.

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
    prompts = choose_prompts(runs, library, options)
    made: list[list[Take]] = [[] for _ in prompts]
    for run, name in zip(runs, run_names(runs), strict=True):
        played = _play(run, name, library, prompts, options, progress)
        for i, take in enumerate(played):  # all prompts with one seed, then with the next
            made[i % len(prompts)].append(take)
    store, level = _reference(runs, library)
    return [
        Continuations(prompt, _original(store, prompt, options, level), tuple(takes))
        for prompt, takes in zip(prompts, made, strict=True)
    ]


def _reference(runs: Sequence[Run], library: Library) -> tuple[SampleStore, float | None]:
    """Returns the clips at the highest rate of the runs, and the level of the run that has it.

    They are the stem that all runs were trained on, or the clips themselves if there are several.
    """
    data = max((run.config.data for run in runs), key=lambda data: data.sample_rate)
    stems = {run.config.data.stem for run in runs}
    stem = data.stem if len(stems) == 1 else MIX
    return open_samples(library, data.sample_rate, stem), data.level


def _play(
    run: Run,
    name: str,
    library: Library,
    prompts: Sequence[Excerpt],
    options: ReportOptions,
    progress: Callable[[float], None],
) -> Iterator[Take]:
    """Yields a run's takes of all prompts, seed by seed."""
    data, representation = run.config.data, run.representation()
    model = run.trained_model(representation)
    store = open_samples(library, data.sample_rate, data.stem)
    heard = [_stretch(store, prompt, options.prompt_seconds, data.level) for prompt in prompts]
    length = min(map(len, heard))  # a clip may end a sample sooner at another rate
    given = np.stack([samples[:length] for samples in heard])
    beats = None
    if representation.keeps_time:
        beats = excerpt_beats(store, prompts, length / store.rate)
    for seed in range(options.seeds):
        try:
            performer = BatchPerformer(
                model, representation, given, options.sampling, seed, beats=beats
            )
        except PromptError as error:
            needed = math.ceil(10 * model.context / representation.spec.frame_rate) / 10
            raise PromptError(
                f"{run.path}: {error.message}",
                f"give longer prompts: --prompt-seconds {needed:g}",
            ) from error
        left, blocks = round(options.seconds * performer.rate), []
        while left:
            blocks.append(performer.next(min(left, performer.rate)))
            left -= blocks[-1].shape[1]
            progress(blocks[-1].size / performer.rate)
        for prompt, new in zip(performer.prompts, np.concatenate(blocks, axis=1), strict=True):
            yield _take(name, seed, prompt, new, performer.rate, representation.spec.hop)


def _take(name: str, seed: int | None, prompt: Samples, new: Samples, rate: int, hop: int) -> Take:
    """Measures a take; one that grows beyond all bounds is cut there."""
    broken = np.flatnonzero(~np.isfinite(new))
    failure = ""
    if broken.size:
        new = new[: broken[0]]
        failure = "the model's predictions grew beyond all bounds"
    figures = measure(new, rate, prompt, hop) if new.size and not failure else {}
    audio = Audio(np.clip(np.concatenate([prompt, new]), -1.0, 1.0)[None], rate)
    return Take(name, seed, audio, len(prompt) / rate, figures, failure)


def _stretch(store: SampleStore, prompt: Excerpt, seconds: float, level: float | None) -> Samples:
    """Returns a stretch of a clip from the beginning of a prompt on, as models hear it."""
    part = next((part for part in store.clips if part.clip.id == prompt.clip.id), None)
    if part is None:
        raise LibraryError(
            f"{prompt.clip.id} has not the stem that a run was trained on",
            "separate the library again, or leave that run out",
        )
    first = round(prompt.start * store.rate)
    samples = LevelledClips(store, [part], level)[0]
    return samples[first : first + round(seconds * store.rate)]


def _original(
    store: SampleStore, prompt: Excerpt, options: ReportOptions, level: float | None
) -> Take:
    """Returns the clip itself, prompt and what follows it."""
    samples = _stretch(store, prompt, options.prompt_seconds + options.seconds, level)
    end = round(options.prompt_seconds * store.rate)
    return _take(prompt.clip.name, None, samples[:end], samples[end:], store.rate, 1)
