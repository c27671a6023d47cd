"""Bands: runs that were trained on stems play together, as a TOML file says.

All parts are generated in step, sample by sample at one rate, mixed, and limited; each can be kept
as a file of its own. A band::

    seconds = 60
    prompt_seconds = 5

    [[part]]
    run = "runs/drums"
    gain = -3.0

    [[part]]
    run = "runs/melody"
    prompt = "clip.wav"
    temperature = 0.9

Paths are relative to the file.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import OptionError
from lofikit.generation import part_blocks, write_notes
from lofikit.limiter import CEILING, Limiter
from lofikit.models.base import Sampling
from lofikit.options import Options, OptionsT, build, option
from lofikit.performers import TakeOptions, Voice, open_performers
from lofikit.prompts import HELD_OUT, open_voice
from lofikit.run import Run, read_toml
from lofikit.writers import Writer


class PartConfig(Options):
    """One part of a band."""

    run: str = option(description="The run that plays it.")
    name: str = option("", "What the part is called; without it, the name of the run's folder.")
    prompt: str = option(HELD_OUT, "What it goes on from: a clip, noise, or held-out.")
    gain: float = option(0.0, "Gain in the mix.", unit="dB")
    temperature: float = option(1.0, "Below 1 is tamer, above 1 wilder.", gt=0.0)
    top_p: float = option(
        1.0, "Draw from the likeliest classes that have this probability together.", gt=0.0, le=1.0
    )
    fine: float = option(
        1.0,
        "Factor on the temperature of the values of a frame after its first, such as the fine "
        "books of codes.",
        gt=0.0,
        le=10.0,
    )


class BandConfig(Options):
    """A band, without its parts."""

    seconds: float = option(10.0, "Length of the new music.", unit="s", gt=0.0)
    seed: int = option(0, "The same seed gives the same samples.", ge=0)
    prompt_start: float = option(0.0, "Where in the clips the prompts begin.", unit="s", ge=0.0)
    prompt_seconds: float = option(5.0, "Length of the prompts.", unit="s", gt=0.0)
    with_prompt: bool = option(True, "Begin with the prompts.")
    bpm: float | None = option(
        None, "Tempo of the parts that keep time; none for the first prompt's.", unit="beats/min"
    )
    ceiling: float = option(
        CEILING, "Level that no sample of the mix is above.", unit="dBFS", le=0.0
    )


@dataclass(frozen=True)
class Band:
    """A band that is ready to play.

    Attributes:
        names: The parts' names; each is different.
        voices: The parts.
        options: How the take is made.
        ceiling: Level in dBFS that no sample of the mix is above.
    """

    names: tuple[str, ...]
    voices: tuple[Voice, ...]
    options: TakeOptions
    ceiling: float = CEILING


def read_band(file: Path) -> Band:
    """Reads a band, opens its runs and finds its prompts.

    Raises:
        RunError: If the file cannot be read, or a run cannot be opened.
        OptionError: If something in the file is unknown, missing or out of range.
        PromptError: If a prompt is not there.
    """
    record = read_toml(file)
    tables = record.pop("part", None)
    if not (isinstance(tables, list) and tables and all(isinstance(t, dict) for t in tables)):
        raise OptionError(
            f"{file} names no part", 'add one: a line [[part]], and below it run = "runs/drums"'
        )
    settings = _built(BandConfig, record, f"{file}")
    parts = [_built(PartConfig, t, f"{file}, part {i}") for i, t in enumerate(tables, 1)]
    voices = tuple(_voice(part, settings, file.parent) for part in parts)
    options = TakeOptions(
        settings.seconds, settings.seed, with_prompt=settings.with_prompt, bpm=settings.bpm
    )
    return Band(_names(parts, voices), voices, options, settings.ceiling)


def play_band(
    band: Band,
    path: Path,
    parts_folder: Path | None = None,
    show: Callable[[float], None] = lambda seconds: None,
) -> float:
    """Generates a band's take and writes the mix as it is made.

    Args:
        band: The band.
        path: The file of the mix; beside it lie the notes of every take.
        parts_folder: Where each part is written too, as ``NAME.wav`` with its gain and before the
            limiter, in 32-bit float: the parts add up to what was limited.
        show: Called with the seconds of new music made so far.

    Returns:
        The seconds of the prompts that the file begins with.
    """
    performers = open_performers(band.voices, band.options)
    rate = max(performer.rate for performer in performers)
    limiter = Limiter(rate, ceiling=band.ceiling)
    prompt_seconds = done = 0.0
    try:
        with ExitStack() as stack:
            mix = stack.enter_context(Writer(path, rate))
            writers = []
            if parts_folder is not None:
                parts_folder.mkdir(parents=True, exist_ok=True)
                writers = [
                    stack.enter_context(Writer(parts_folder / f"{n}.wav", rate, subtype="FLOAT"))
                    for n in band.names
                ]
            # Also where it is stopped early: what the limiter holds belongs to the mix.
            stack.callback(lambda: mix.write(limiter.flush()))
            for parts, is_prompt in part_blocks(band.voices, performers, band.options):
                for writer, part in zip(writers, parts, strict=False):
                    writer.write(part[None])
                mix.write(limiter.push(_sum(parts)[None]))
                seconds = len(parts[0]) / rate
                if is_prompt:
                    prompt_seconds = seconds
                else:
                    done += seconds
                    show(done)
    finally:
        write_notes(path, band.voices, band.options, prompt_seconds, done)
    return prompt_seconds


def _sum(parts: Sequence[NDArray[np.float32]]) -> NDArray[np.float32]:
    return np.asarray(np.sum(parts, axis=0), dtype=np.float32)


def _built(config: type[OptionsT], record: dict[str, object], where: str) -> OptionsT:
    try:
        return build(config, record)
    except OptionError as error:
        raise OptionError(
            f"{where}: {error.message.replace('--', '')}", error.hint.replace("--", "")
        ) from error


def _voice(part: PartConfig, settings: BandConfig, folder: Path) -> Voice:
    run = Run.open(folder / part.run)
    word = part.prompt
    if word not in ("noise", HELD_OUT):
        word = str(folder / word)
    sampling = Sampling(part.temperature, part.top_p, part.fine)
    start, seconds = settings.prompt_start, settings.prompt_seconds
    return open_voice(run, word, start, seconds, part.gain, sampling)


def _names(parts: Sequence[PartConfig], voices: Sequence[Voice]) -> tuple[str, ...]:
    """Names the parts; runs that play twice are numbered."""
    names: list[str] = []
    for part, voice in zip(parts, voices, strict=True):
        name = Path(part.name or voice.run.path.resolve().name).name
        count = sum(n == name or n.startswith(f"{name}-") for n in names)
        names.append(f"{name}-{count + 1}" if count else name)
    return tuple(names)
