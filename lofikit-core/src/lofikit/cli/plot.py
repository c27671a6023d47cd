"""``lofikit plot``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

import click

from lofikit.cli.components import check_output
from lofikit.errors import AudioError, LofikitError

if TYPE_CHECKING:
    from lofikit.figures import Take


@click.group("plot")
def command() -> None:
    """Draw figures, as PNG or SVG."""


def _options(function: Callable[..., None]) -> Callable[..., None]:
    output = click.option(
        "-o",
        "--output",
        type=click.Path(path_type=Path),
        required=True,
        metavar="FILE",
        help="The figure: .png or .svg.",
    )
    overwrite = click.option("--overwrite", is_flag=True, help="Replace a file that exists.")
    return output(overwrite(function))


_files = click.argument("files", type=click.Path(path_type=Path), nargs=-1, required=True)


@command.command("waveform")
@_files
@_options
def waveform(files: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Draw takes over time, the prompt's end marked."""
    from lofikit import figures

    check_output(output, overwrite)
    figures.save(figures.waveform([_take(file) for file in files]), output)
    _done(output)


@command.command("spectrogram")
@_files
@_options
def spectrogram(files: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Draw what frequencies takes hold over time, the prompt's end marked."""
    from lofikit import figures

    check_output(output, overwrite)
    figures.save(figures.spectrogram([_take(file) for file in files]), output)
    _done(output)


@command.command("rates")
@click.argument("file", type=click.Path(path_type=Path))
@click.option(
    "--rate",
    "chosen",
    type=click.IntRange(100, 192_000),
    multiple=True,
    default=(44100, 22050, 11025, 4410),
    show_default=True,
    help="A rate to show [Hz]; give it once for each.",
)
@_options
def rates(file: Path, chosen: tuple[int, ...], output: Path, overwrite: bool) -> None:
    """Draw what is left of a clip at lower sample rates."""
    from lofikit import figures

    check_output(output, overwrite)
    figures.save(figures.rates(_take(file).audio, chosen), output)
    _done(output)


@command.command("loss")
@click.argument("runs", type=click.Path(path_type=Path), nargs=-1, required=True)
@_options
def loss(runs: tuple[Path, ...], output: Path, overwrite: bool) -> None:
    """Draw how the losses of runs fell, phase by phase."""
    from lofikit import figures
    from lofikit.run import Run

    check_output(output, overwrite)
    metrics = {str(path): Run.open(path).metrics() for path in runs}
    figures.save(figures.loss(metrics), output)
    _done(output)


def _take(file: Path) -> Take:
    from lofikit.audio import quiet_decoders, read
    from lofikit.figures import Take
    from lofikit.generation import sidecar

    if not file.is_file():
        raise AudioError(f"{file} is not there", "give an audio file")
    said: dict[str, Any] = {}
    if sidecar(file).is_file():
        try:
            said = json.loads(sidecar(file).read_text())
        except ValueError as error:
            raise LofikitError(f"{sidecar(file)} is damaged: {error}", "remove it") from error
    with quiet_decoders():
        return Take(file.name, read(file), float(said.get("prompt_seconds", 0.0)))


def _done(output: Path) -> None:
    click.echo(f"drawn: {output}")
