"""Prompts: the music that a run goes on from, and what is known of it."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from lofikit.audio import Audio, read
from lofikit.beats import NO_BEATS, Beats, tracked
from lofikit.credits import Credited
from lofikit.errors import AudioError, LibraryError, PromptError
from lofikit.library import Clip, Library
from lofikit.models.base import Sampling
from lofikit.performers import FindBeats, Voice
from lofikit.run import Run, provenance

HELD_OUT = "held-out"


@dataclass(frozen=True)
class Prompt:
    """Music to go on from.

    Attributes:
        audio: The music.
        of: Title, artist, licence and origin of the music that it is of.
        find_beats: Finds the beats of that music, time 0 being the end of the prompt; ``None``
            where they must be heard in the prompt.
    """

    audio: Audio
    of: Credited
    find_beats: FindBeats | None = None


def open_voice(
    run: Run,
    word: str,
    start: float = 0.0,
    seconds: float | None = None,
    gain: float = 0.0,
    sampling: Sampling | None = None,
) -> Voice:
    """Returns a run's part in a take, with the prompt that a word means and what is known of it.

    Args:
        run: The run.
        word: ``noise``, ``held-out``, or an audio file.
        start: Where in the clip the prompt begins, in seconds.
        seconds: How much of the clip to use; ``None`` for all.
        gain: Gain in the mix, in dB.
        sampling: Temperature and top-p of this run, or ``None`` for the take's.

    Raises:
        PromptError: If there is no such prompt.
    """
    prompt = find_prompt(word, run, start, seconds)
    if prompt is None:
        return Voice(run, None, gain, sampling=sampling)
    return Voice(run, prompt.audio, gain, prompt.of, sampling, prompt.find_beats)


def find_prompt(
    word: str, run: Run, start: float = 0.0, seconds: float | None = None
) -> Prompt | None:
    """Returns the prompt that a word means.

    Args:
        word: ``noise``, ``held-out``, or an audio file.
        run: The run that is to go on from it.
        start: Where in the clip it begins, in seconds.
        seconds: How much of the clip to use; ``None`` for all.

    Returns:
        The prompt, or ``None`` for noise.

    Raises:
        PromptError: If there is no such prompt.
    """
    if word == "noise":
        return None
    if word != HELD_OUT:
        return file_prompt(Path(word), start, seconds)
    try:
        prompt = held_out_prompt(run, Library(Path(run.config.library)), start, seconds)
    except LibraryError as error:
        raise PromptError(
            f"the run's held-back clips are not to be had: {error.message}",
            "give an audio file with --prompt, or --prompt noise",
        ) from error
    if prompt is None:
        raise PromptError(
            f"the run {run.path} held no clip back",
            "give an audio file with --prompt, or --prompt noise",
        )
    return prompt


def file_prompt(path: Path, start: float = 0.0, seconds: float | None = None) -> Prompt:
    """Reads a prompt from a file.

    Raises:
        PromptError: If the file cannot be read.
    """
    if not path.is_file():
        raise PromptError(
            f"the prompt {path} is not there",
            "give an audio file, noise, or held-out (a clip that the run was not trained on)",
        )
    try:
        audio = read(path, start, seconds)
    except AudioError as error:
        raise PromptError(f"the prompt cannot be read: {error.message}", error.hint) from error
    name = path.name
    return Prompt(audio, {"id": name, "title": name, "artist": "", "licence": "", "origin": ""})


def held_out_prompt(
    run: Run, library: Library, start: float = 0.0, seconds: float | None = None
) -> Prompt | None:
    """Reads the first clip that a run was not trained on, in the stem that it was trained on.

    Its beats are like those that runs are trained with: of the whole clip's mix, or what its
    source knows.

    Returns:
        The prompt, or ``None`` if no clip was held back.
    """
    clip = _held_out_clip(run, library)
    if clip is None:
        return None
    parts = [
        (read(path, start, seconds), gain)
        for path, gain in library.files(clip, run.config.data.stem)
    ]
    samples = sum(
        (audio.samples * gain for audio, gain in parts[1:]),
        start=parts[0][0].samples * parts[0][1],
    )
    audio = Audio(samples, parts[0][0].rate)

    def find_beats() -> Beats:
        try:
            return tracked(library, [clip])[clip.id].until(start + audio.seconds)
        except (OSError, AudioError):  # they help, and a take can be made without
            return NO_BEATS

    return Prompt(audio, provenance(clip), find_beats)


def _held_out_clip(run: Run, library: Library) -> Clip | None:
    """Returns the first clip that a run was not trained on and the library still holds."""
    clips = {clip.id: clip for clip in library.clips}
    held = (clip["id"] for clip in run.manifest().get("held_out_clips", []))
    return next((clips[name] for name in held if name in clips), None)
