"""``lofikit generate``."""

from __future__ import annotations

import os
import sys
import time
from collections.abc import Sequence
from pathlib import Path
from typing import TYPE_CHECKING, TypeVar

import click

from lofikit.cli.components import check_output
from lofikit.cli.sampling import sampled
from lofikit.errors import OptionError

if TYPE_CHECKING:
    from lofikit.models.base import Sampling
    from lofikit.performers import TakeOptions, Voice

T = TypeVar("T")


@click.command("generate")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@click.option(
    "--prompt",
    "prompts",
    multiple=True,
    default=("held-out",),
    metavar="FILE|noise|held-out",
    help="What to go on from: a clip, noise, or a clip that the run was not trained on. Give it "
    "once for all runs, or once for each.  [default: held-out]",
)
@click.option(
    "--prompt-start",
    type=click.FloatRange(min=0),
    default=0.0,
    help="Where in the clip the prompt begins [s].",
)
@click.option("--prompt-seconds", default=5.0, show_default=True, help="Length of the prompt [s].")
@click.option(
    "--without-prompt", is_flag=True, help="Leave the prompt out of the file; keep the new music."
)
@click.option("--seconds", default=10.0, show_default=True, help="Length of the new music [s].")
@click.option("--seed", default=0, show_default=True, help="The same seed gives the same samples.")
@sampled
@click.option(
    "--bpm",
    type=float,
    help="Beats a minute, of runs that keep time.  [default: the prompt's]",
)
@click.option(
    "--gain",
    "gains",
    multiple=True,
    type=float,
    help="Gain of a run in the mix [dB]; once for each run.  [default: 0]",
)
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE|-",
    help="The take: .wav, .flac, .ogg, .opus or .mp3; - writes a WAV to standard output as it is "
    "made, to be piped into a player.",
)
@click.option(
    "--raw", is_flag=True, help="With -o -: no WAV header, signed 16-bit little-endian samples."
)
@click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
def command(
    runs: tuple[Path, ...],
    prompts: tuple[str, ...],
    prompt_start: float,
    prompt_seconds: float,
    without_prompt: bool,
    seconds: float,
    seed: int,
    sampling: Sampling,
    bpm: float | None,
    gains: tuple[float, ...],
    output: Path,
    raw: bool,
    overwrite: bool,
) -> int:
    """Generate music with one or more runs, and mix them.

    The file is written as the music is made: Ctrl-C leaves what there is, playable. Beside
    take.wav lie take.wav.json, which says how it was made, and take.wav.credits.md, which credits
    the clips that the runs were trained on: publish it with the music.
    """
    from rich.markup import escape

    from lofikit.cli.display import note, out, progress
    from lofikit.credits import licence_note
    from lofikit.generation import generate
    from lofikit.performers import TakeOptions
    from lofikit.prompts import open_voice
    from lofikit.run import Run
    from lofikit.writers import check_format

    piped = str(output) == "-"
    if not piped:
        check_format(output)
        check_output(output, overwrite)
        if raw:
            raise OptionError("--raw goes with standard output alone", "write -o - --raw")
    if seed < 0:
        raise OptionError(f"--seed {seed}: must be 0 or more", "for example --seed 1")
    options = TakeOptions(seconds, seed, sampling, not without_prompt, bpm)
    voices = []
    for path, word, gain in zip(
        runs,
        _for_each(runs, prompts, "--prompt"),
        _for_each(runs, gains or (0.0,), "--gain"),
        strict=True,
    ):
        run = Run.open(path)
        for line in run.version_warnings():
            note(line)
        voices.append(open_voice(run, word, prompt_start, prompt_seconds, gain))
    if line := licence_note([clip for voice in voices for clip in voice.credited()]):
        note(line)
    if piped:
        return _pipe(voices, options, raw)
    done, began, interrupted = 0.0, time.monotonic(), False
    with progress() as bar:
        task = bar.add_task("generating seconds", total=round(seconds))

        def show(made: float) -> None:
            nonlocal done
            done = made
            bar.update(task, completed=round(made))

        try:
            prompt = generate(voices, options, output, show)
        except KeyboardInterrupt:
            interrupted, prompt = True, 0.0
    took = time.monotonic() - began
    after = f" after {prompt:.1f} s of prompt" if prompt else ""
    out.print(
        f"{done:.1f} s of new music{after}: {escape(str(output))} "
        f"({done / took:.1f} times real time, loading included)"
    )
    return 130 if interrupted else 0


def _pipe(voices: list[Voice], options: TakeOptions, raw: bool) -> int:
    """Writes to standard output until the take ends or nobody reads on."""
    from lofikit.cli.display import err
    from lofikit.generation import Samples, play
    from lofikit.writers import PipeWriter

    began = time.monotonic()
    writer: PipeWriter | None = None

    def write(block: Samples, rate: int, is_prompt: bool) -> None:
        nonlocal writer
        if writer is None:
            writer = PipeWriter(sys.stdout.buffer, rate, raw)
            kind = "raw 16-bit samples" if raw else "WAV"
            err.print(
                f"{kind}, mono, {rate} Hz; first block after {time.monotonic() - began:.2f} s"
            )
        writer.write(block)

    try:
        play(voices, options, write)
    except BrokenPipeError:  # the player was closed: that is how one stops it
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return 0


def _for_each(runs: Sequence[Path], values: Sequence[T], flag: str) -> Sequence[T]:
    if len(values) == 1:
        return list(values) * len(runs)
    if len(values) != len(runs):
        raise OptionError(
            f"{flag} is given {len(values)} times for {len(runs)} runs",
            "give it once for all, or once for each run",
        )
    return values
