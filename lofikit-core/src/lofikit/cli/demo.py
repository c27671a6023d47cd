"""``lofikit demo``: the main job, on synthetic music."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from lofikit.errors import OutputError, PluginError
from lofikit.plugins import registry

CLIPS, SECONDS = 12, 30


@click.command("demo")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    default=Path("demo"),
    show_default=True,
    metavar="FOLDER",
    help="Where everything goes.",
)
@click.option("--recipe", default="small/tcn", show_default=True, help="The training.")
def command(output: Path, recipe: str) -> int:
    """Do it all once on synthetic music: collect, train, generate, draw.

    Takes a few minutes on two cores, and prints each command, so that you can give it again with
    your own music.
    """
    from lofikit.cli.main import run

    if output.exists() and any(output.iterdir()):
        raise OutputError(
            f"{output} is there already", "choose another folder with -o, or remove it"
        )
    output.mkdir(parents=True, exist_ok=True)
    for words in _commands(output, recipe, _model(recipe)):
        click.secho(f"\n$ {shlex.join(['lofikit', *words])}", bold=True)
        code = run(words)
        if code:
            return code
    click.echo(f"\nListen to {output}/from-clip.wav and {output}/from-noise.wav.")
    click.echo("With your own music:")
    click.echo("  lofikit collect FOLDER -o library")
    click.echo(f"  lofikit train library --recipe {recipe} --model {_model(recipe)} -o run")
    click.echo("  lofikit generate run --prompt CLIP --seconds 60 -o take.wav")
    return 0


def _model(recipe: str) -> str:
    """Returns the first installed model that the recipe is for."""
    from lofikit import recipes

    wanted = recipes.load(recipe)["model"]["name"]
    for component in registry().of_kind("model"):
        if component.name.split("/")[1] == wanted.split("/")[-1]:
            return component.name
    raise PluginError(
        f"the recipe {recipe} needs a {wanted}, which no installed plugin offers",
        "install one: pip install lofikit-torch",
    )


def _commands(output: Path, recipe: str, model: str) -> Iterator[list[str]]:
    library, run = str(output / "library"), str(output / "run")
    clip, noise = str(output / "from-clip.wav"), str(output / "from-noise.wav")
    music = ["--source.clips", str(CLIPS), "--source.seconds", str(SECONDS)]
    yield ["collect", "synthetic", *music, "-o", library]
    yield ["train", library, "--recipe", recipe, "--model", model, "-o", run]
    yield ["evaluate", run, "--quick"]
    tame = ["--seconds", "10", "--temperature", "0.9"]
    yield ["generate", run, "--prompt", "held-out", *tame, "-o", clip]
    yield ["generate", run, "--prompt", "noise", *tame, "-o", noise]
    yield ["plot", "waveform", clip, noise, "-o", str(output / "waveform.png")]
    yield ["plot", "spectrogram", clip, noise, "-o", str(output / "spectrogram.png")]
    yield ["plot", "rates", clip, "-o", str(output / "rates.png")]
    yield ["plot", "loss", run, "-o", str(output / "loss.png")]
