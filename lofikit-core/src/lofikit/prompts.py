"""Prompts: the music that a run goes on from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from lofikit.audio import Audio, read
from lofikit.beats import NO_BEATS, Beats, tracked
from lofikit.errors import AudioError, LibraryError, PromptError
from lofikit.library import Clip, Library
from lofikit.models.base import Sampling
from lofikit.performers import FindBeats, Voice
from lofikit.run import Run, provenance

HELD_OUT = "held-out"


def file_prompt(path: Path, start: float = 0.0, seconds: float | None = None) -> Audio:
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
        return read(path, start, seconds)
    except AudioError as error:
        raise PromptError(f"the prompt cannot be read: {error.message}", error.hint) from error


def held_out_prompt(
    run: Run, library: Library, start: float = 0.0, seconds: float | None = None
) -> Audio | None:
    """Reads the first clip that a run was not trained on, in the stem that it was trained on.

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
    rate = parts[0][0].rate
    return Audio(
        sum(
            (a.samples * gain for a, gain in parts[1:]),
            start=parts[0][0].samples * parts[0][1],
        ),
        rate,
    )


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
    beats = clip_beats(word, run, start, prompt)
    return Voice(run, prompt, gain, prompt_provenance(word, run), sampling, beats)


def _held_out_clip(run: Run, library: Library) -> Clip | None:
    """Returns the first clip that a run was not trained on and the library still holds."""
    clips = {clip.id: clip for clip in library.clips}
    held = (clip["id"] for clip in run.manifest().get("held_out_clips", []))
    return next((clips[name] for name in held if name in clips), None)


def prompt_provenance(word: str, run: Run) -> dict[str, Any] | None:
    """Returns title, artist, licence and origin of the music that a prompt is of.

    Args:
        word: What :func:`find_prompt` took.
        run: The run that goes on from it.

    Returns:
        The provenance, or ``None`` for noise.
    """
    if word == "noise":
        return None
    if word != HELD_OUT:
        name = Path(word).name
        return {"id": name, "title": name, "artist": "", "licence": "", "origin": ""}
    clip = _held_out_clip(run, Library(Path(run.config.library)))
    return None if clip is None else provenance(clip)


def clip_beats(word: str, run: Run, start: float, prompt: Audio | None) -> FindBeats | None:
    """Returns what finds the beats of the music that a prompt is the end of.

    Those of a held-back clip are like those that runs are trained with: of the whole clip's mix, or
    what its source knows.

    Args:
        word: What :func:`find_prompt` took.
        run: The run that goes on from it.
        start: Where in the clip the prompt begins, in seconds.
        prompt: The prompt.

    Returns:
        A function that gives beats, time 0 being the end of the prompt, or none where they are not
        to be had; ``None`` where they must be heard in the prompt.
    """
    if word != HELD_OUT or prompt is None:
        return None
    library = Library(Path(run.config.library))
    clip, end = _held_out_clip(run, library), start + prompt.seconds
    if clip is None:
        return None

    def find() -> Beats:
        try:
            return tracked(library, [clip])[clip.id].until(end)
        except (OSError, AudioError):  # they help, and a take can be made without
            return NO_BEATS

    return find


def find_prompt(
    word: str, run: Run, start: float = 0.0, seconds: float | None = None
) -> Audio | None:
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
