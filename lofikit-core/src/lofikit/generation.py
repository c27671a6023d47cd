"""Generation: runs go on from a prompt, side by side, and their mix is written as it is made.

Each run streams frames and decodes them block by block, so memory does not grow with the length
of the music, and whatever was written when generation stops is playable.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio, resample
from lofikit.credits import credits_text
from lofikit.performers import Performer, TakeOptions, Voice, open_performers
from lofikit.run import write_atomically
from lofikit.writers import Writer

Samples = NDArray[np.float32]

BLOCK_SECONDS = 0.25
"""Length of the blocks that are generated and written at a time."""


def part_blocks(
    voices: Sequence[Voice], performers: Sequence[Performer], options: TakeOptions
) -> Iterator[tuple[list[Samples], bool]]:
    """Yields every voice's part block by block, with whether the block is still the prompt.

    Runs of different rates are brought to the highest of them; gains are applied.
    """
    rate = max(p.rate for p in performers)
    gains = [np.float32(10 ** (v.gain / 20)) for v in voices]
    players = [_at_rate(p, rate) for p in performers]
    if options.with_prompt and any(v.prompt is not None for v in voices):
        prompts = [
            gain * resample(Audio(p.prompt[None], p.rate), rate).samples[0]
            if v.prompt is not None
            else np.zeros(0, np.float32)
            for gain, v, p in zip(gains, voices, performers, strict=True)
        ]
        longest = max(len(p) for p in prompts)
        yield [np.pad(p, (longest - len(p), 0)) for p in prompts], True  # all end together
    left = round(options.seconds * rate)
    while left > 0:
        count = min(left, max(1, round(BLOCK_SECONDS * rate)))
        yield [gain * player(count) for gain, player in zip(gains, players, strict=True)], False
        left -= count


def mixed_blocks(
    voices: Sequence[Voice], performers: Sequence[Performer], options: TakeOptions
) -> Iterator[tuple[Samples, bool]]:
    """Yields the sum of what :func:`part_blocks` yields."""
    for parts, is_prompt in part_blocks(voices, performers, options):
        yield np.asarray(sum(parts[1:], start=parts[0]), dtype=np.float32), is_prompt


def _at_rate(performer: Performer, rate: int) -> Callable[[int], Samples]:
    """Returns what gives the next samples of a performer at another rate."""
    if performer.rate == rate:
        return performer.next
    import soxr

    resampler = soxr.ResampleStream(performer.rate, rate, 1, dtype="float32")
    held: Samples = np.zeros(0, np.float32)

    def next_block(count: int) -> Samples:
        nonlocal held
        while len(held) < count:
            block = performer.next(max(1, round(BLOCK_SECONDS * performer.rate)))
            held = np.concatenate([held, resampler.resample_chunk(block)])
        block, held = held[:count], held[count:]
        return block

    return next_block


def play(
    voices: Sequence[Voice],
    options: TakeOptions,
    heard: Callable[[Samples, int, bool], bool | None],
) -> None:
    """Generates a take and gives it to a function as it is made: a player, a socket, a plot.

    Args:
        voices: The runs that play together.
        options: How the take is made.
        heard: Called with each block of mono samples (n,), its rate in Hz, and whether it is
            still the prompt. What it is given is as long as :data:`BLOCK_SECONDS` (the prompt
            comes whole), and the next block is made when it returns; ``False`` stops the take.
    """
    performers = open_performers(voices, options)
    rate = max(p.rate for p in performers)
    for block, is_prompt in mixed_blocks(voices, performers, options):
        if heard(block, rate, is_prompt) is False:
            break


def generate(
    voices: Sequence[Voice],
    options: TakeOptions,
    path: Path,
    show: Callable[[float], None] = lambda seconds: None,
) -> float:
    """Generates a take and writes it as it is made.

    Beside ``take.wav`` lie ``take.wav.json``, which says how the take was made, and
    ``take.wav.credits.md``, the credits that the licences of the training clips may ask for.

    Args:
        voices: The runs that play together.
        options: How the take is made.
        path: The audio file.
        show: Called with the seconds of new music made so far.

    Returns:
        The seconds of the prompt that the file begins with.
    """
    prompt_seconds = done = 0.0
    writer: Writer | None = None

    def write(block: Samples, rate: int, is_prompt: bool) -> None:
        nonlocal prompt_seconds, done, writer
        writer = writer or Writer(path, rate)
        writer.write(block[None])
        if is_prompt:
            prompt_seconds = len(block) / rate
        else:
            done += len(block) / rate
            show(done)

    try:
        play(voices, options, write)
    finally:
        if writer is not None:
            writer.close()
        write_notes(path, voices, options, prompt_seconds, done)
    return prompt_seconds


def write_notes(
    path: Path, voices: Sequence[Voice], options: TakeOptions, prompt_seconds: float, done: float
) -> None:
    """Writes beside a take how it was made and its credits, if there is a take at all."""
    if path.exists():
        _write_sidecar(path, voices, options, prompt_seconds, done)
        _write_credits(path, voices)


def sidecar(path: Path) -> Path:
    """Returns the file beside a take that says how it was made."""
    return path.with_name(path.name + ".json")


def credits_file(path: Path) -> Path:
    """Returns the file beside a take that holds its credits; each take has its own."""
    return path.with_name(path.name + ".credits.md")


def _write_credits(path: Path, voices: Sequence[Voice]) -> None:
    runs = list(dict.fromkeys(v.run.path.resolve().name for v in voices))
    prompts = list(dict.fromkeys(str(v.prompt_of["title"]) for v in voices if v.prompt_of))
    opening = (
        f"{path.name} was generated by the {'run' if len(runs) == 1 else 'runs'} "
        f"{' and '.join(runs)}, trained on the clips below"
    )
    if prompts:
        opening += f"; it goes on from {' and '.join(prompts)}, listed with them"
    text = credits_text([clip for v in voices for clip in v.credited()], f"{opening}.")
    write_atomically(credits_file(path), text.encode())


def _write_sidecar(
    path: Path, voices: Sequence[Voice], options: TakeOptions, prompt_seconds: float, done: float
) -> None:
    clips = {c["id"]: c for v in voices for c in v.run.manifest().get("training_clips", [])}
    record = {
        "prompt_seconds": round(prompt_seconds, 6),
        "seconds": round(done, 6),
        "seed": options.seed,
        "bpm": options.bpm,
        "runs": [
            {
                "run": v.run.path.name,
                "model": v.run.config.model.name,
                "prompt": "noise" if v.prompt is None else "clip",
                "gain_db": v.gain,
                "temperature": (v.sampling or options.sampling).temperature,
                "top_p": (v.sampling or options.sampling).top_p,
                "fine": (v.sampling or options.sampling).fine,
            }
            for v in voices
        ],
        "trained_on": list(clips.values()),
    }
    text = json.dumps(record, indent=1, ensure_ascii=False)
    write_atomically(sidecar(path), text.encode())
