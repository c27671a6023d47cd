"""``lofikit demo``: the main job, on synthetic music."""

from __future__ import annotations

import shlex
from collections.abc import Iterator
from pathlib import Path

import click

from lofikit.errors import OutputError, PluginError
from lofikit.plugins import registry

CLIPS, SECONDS = 12, 30
RECIPES = ("small/codes", "small/tcn")
"""What holds notes and keeps time, beside the last of the paper's models."""


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
@click.option(
    "--recipe",
    "recipes",
    multiple=True,
    default=RECIPES,
    show_default=True,
    help="A training; may be repeated.",
)
@click.option(
    "--minutes", default=2.0, show_default=True, help="Time of each training, on two cores [min]."
)
def command(output: Path, recipes: tuple[str, ...], minutes: float) -> int:
    """Do it all once on synthetic music: collect, train, generate, draw.

    Takes some minutes on two cores, and prints each command, so that you can give it again with
    your own music.
    """
    from lofikit.cli.main import run

    if output.exists() and any(output.iterdir()):
        raise OutputError(
            f"{output} is there already", "choose another folder with -o, or remove it"
        )
    models = {recipe: _model(recipe) for recipe in recipes}
    output.mkdir(parents=True, exist_ok=True)
    for words in _commands(output, models, minutes):
        click.secho(f"\n$ {shlex.join(['lofikit', *words])}", bold=True)
        code = run(words)
        if code:
            return code
    first = recipes[0]
    click.echo(f"\nListen to {_place(output, first)}-from-clip.wav, and to what lies beside it.")
    click.echo("With your own music:")
    click.echo("  lofikit collect FOLDER -o library")
    click.echo(f"  lofikit train library --recipe {first} --model {models[first]} -o run")
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


def _place(output: Path, recipe: str) -> str:
    """Returns where the run of a recipe goes, and how the names of its takes begin."""
    return str(output / recipe.replace("/", "-"))


def _commands(output: Path, models: dict[str, str], minutes: float) -> Iterator[list[str]]:
    library = str(output / "library")
    music = ["--source.clips", str(CLIPS), "--source.seconds", str(SECONDS)]
    yield ["collect", "synthetic", *music, "-o", library]
    runs = [_place(output, recipe) for recipe in models]
    for run, (recipe, model) in zip(runs, models.items(), strict=True):
        plan = ["--recipe", recipe, "--model", model, "--minutes", f"{minutes:g}"]
        yield ["train", library, *plan, "-o", run]
    yield ["evaluate", *runs, "--quick"]
    for run in runs:
        clip, noise = f"{run}-from-clip.wav", f"{run}-from-noise.wav"
        tame = ["--seconds", "10", "--temperature", "0.9"]
        yield ["generate", run, "--prompt", "held-out", *tame, "-o", clip]
        yield ["generate", run, "--prompt", "noise", *tame, "-o", noise]
        yield ["plot", "waveform", clip, noise, "-o", f"{run}-waveform.png"]
        yield ["plot", "spectrogram", clip, noise, "-o", f"{run}-spectrogram.png"]
        yield ["plot", "rates", clip, "-o", f"{run}-rates.png"]
        yield ["plot", "loss", run, "-o", f"{run}-loss.png"]
