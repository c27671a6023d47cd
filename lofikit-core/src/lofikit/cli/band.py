"""``lofikit band``."""

from __future__ import annotations

import time
from pathlib import Path

import click

from lofikit.cli.components import check_output


@click.command("band")
@click.argument("file", type=click.Path(path_type=Path), metavar="FILE.toml")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="FILE",
    help="The mix: .wav, .flac, .ogg, .opus or .mp3.",
)
@click.option(
    "--parts",
    type=click.Path(path_type=Path),
    metavar="FOLDER",
    help="Keep the audio of each part in this folder.",
)
@click.option("--overwrite", is_flag=True, help="Replace files that exist.")
def command(file: Path, output: Path, parts: Path | None, overwrite: bool) -> int:
    """Let runs play together as a band.

    FILE.toml names them: a [[part]] for each, with its run and, as you like, its gain, prompt,
    temperature, top_p and fine; above them seconds, seed, prompt_seconds and ceiling. The mix is
    limited so that it does not clip.
    """
    from rich.markup import escape

    from lofikit.band import play_band, read_band
    from lofikit.cli.display import note, out, progress
    from lofikit.credits import licence_note
    from lofikit.writers import check_format

    check_format(output)
    check_output(output, overwrite)
    band = read_band(file)
    for name in band.names if parts is not None else ():
        assert parts is not None
        if (parts / f"{name}.wav").exists():
            check_output(parts / f"{name}.wav", overwrite)
    for voice in band.voices:
        for line in voice.run.version_warnings():
            note(line)
    if line := licence_note([clip for voice in band.voices for clip in voice.credited()]):
        note(line)
    done, began, interrupted, prompt = 0.0, time.monotonic(), False, 0.0
    with progress() as bar:
        task = bar.add_task("playing seconds", total=round(band.options.seconds))

        def show(made: float) -> None:
            nonlocal done
            done = made
            bar.update(task, completed=round(made))

        try:
            prompt = play_band(band, output, parts, show)
        except KeyboardInterrupt:
            interrupted = True
    took = time.monotonic() - began
    after = f" after {prompt:.1f} s of prompt" if prompt else ""
    kept = "" if parts is None else f", parts in {escape(str(parts))}"
    out.print(
        f"{done:.1f} s of {', '.join(map(escape, band.names))}{after}: {escape(str(output))}{kept} "
        f"({done / took:.1f} times real time, loading included)"
    )
    return 130 if interrupted else 0
