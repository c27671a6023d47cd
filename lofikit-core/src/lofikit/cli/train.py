"""``lofikit train``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import click

from lofikit import recipes
from lofikit.chunks import DataConfig
from lofikit.cli.components import (
    Chosen,
    ComponentCommand,
    ComponentType,
    build_chosen,
    chosen,
    config_flags,
    given,
    value_of,
)
from lofikit.conversion import shared_options
from lofikit.errors import OptionError
from lofikit.hookspecs import Kind
from lofikit.options import build
from lofikit.plan import Phase, TrainingConfig
from lofikit.plugins import registry
from lofikit.run import ComponentConfig, Run, RunConfig, provenance, read_toml
from lofikit.session import Session, prepare
from lofikit.training import Status, train

DEFAULT_REPRESENTATION = "core/mulaw"
KINDS: tuple[Kind, ...] = ("model", "representation")


def _base(recipe: str | None, file: str | None) -> dict[str, Any]:
    """Returns what a recipe or a run file says."""
    if recipe and file:
        raise OptionError("--recipe and --config are both given", "give one of them")
    if recipe:
        return recipes.load(recipe)
    return read_toml(Path(file)) if file else {}


def _choose(args: list[str]) -> Chosen:
    base = _base(value_of(args, "--recipe"), value_of(args, "--config"))
    found: Chosen = {}
    for kind in KINDS:
        default = DEFAULT_REPRESENTATION if kind == "representation" else None
        in_base = base.get(kind, {}).get("name")
        name = value_of(args, f"--{kind}") or in_base or default
        if name:
            found[kind] = registry().find(kind, name)
            if in_base and found[kind].name.split("/")[1] != in_base.split("/")[-1]:
                if kind == "model" and value_of(args, "--recipe"):
                    raise OptionError(
                        f"the recipe is for a {in_base}, and --model says {name}",
                        "leave out --model, or name the same model of another package",
                    )
                base[kind]["options"] = {}
    return found


@click.command(
    "train",
    cls=ComponentCommand,
    choose=_choose,
    epilog="The options of a model and a representation: lofikit train --model torch/tcn --help",
)
@click.argument("library", type=click.Path(path_type=Path), required=False)
@click.option("--model", type=ComponentType("model"), help="The model, for example torch/tcn.")
@click.option(
    "--representation",
    type=ComponentType("representation"),
    help=f"How samples become frames.  [default: {DEFAULT_REPRESENTATION.split('/')[1]}]",
)
@click.option("--recipe", help="A training that comes with lofikit, for example paper/tcn.")
@click.option("--config", type=click.Path(), help="A run file: repeats the run that it is of.")
@click.option(
    "-o",
    "--output",
    type=click.Path(path_type=Path),
    required=True,
    metavar="RUN",
    help="The run's folder.",
)
@click.option("--resume", is_flag=True, help="Go on with a run where it stopped.")
@click.pass_context
def command(
    ctx: click.Context,
    library: Path | None,
    model: str | None,
    representation: str | None,
    recipe: str | None,
    config: str | None,
    output: Path,
    resume: bool,
) -> int:
    """Train a model on a library, or go on with a run.

    Flags win over a recipe or a run file; those of a phase (--epochs, --batch-size, ...) hold
    for all phases. Ctrl-C stops after a step and keeps everything; --resume goes on.
    """
    from lofikit.library import Library

    if resume:
        run = _resumed(ctx, output)
        library = library or Path(run.config.library)
        found = Library(library)
    else:
        settings = _run_config(ctx, library, _base(recipe, config))
        found = Library(Path(settings.library))
        found.with_stem(settings.data.stem)
        run = Run.create(output, settings)
    return _train(run, found, fresh=not resume)


def _resumed(ctx: click.Context, output: Path) -> Run:
    for name in ("model", "representation", "recipe", "config"):
        ctx.params.pop(name, None)
    changed = [d for c in (DataConfig, Phase, TrainingConfig) for d in given(ctx, c)]
    run = Run.open(output)
    if changed:
        raise OptionError(
            f"--resume goes on with the run's own options, and --{changed[0].replace('_', '-')} "
            "would change one",
            f"leave it out, or train a new run: lofikit train --config {output}/run.toml -o NEW",
        )
    return run


def _run_config(ctx: click.Context, library: Path | None, base: dict[str, Any]) -> RunConfig:
    from lofikit.cli.display import note

    where = str(library or base.get("library", ""))
    if not where:
        raise OptionError("no library is given", "lofikit train LIBRARY --model torch/tcn -o RUN")
    if "model" not in chosen(ctx):
        models = ", ".join(c.name for c in registry().of_kind("model"))
        raise OptionError(
            f"no model is chosen (have: {models})",
            "add --model NAME, or --recipe NAME (list them: lofikit show recipe)",
        )
    parts = {}
    for kind in KINDS:
        component = chosen(ctx)[kind]
        said = base.get(kind, {})
        package, _, short = said.get("name", "").rpartition("/")
        options = said.get("options", {}) if short == component.name.split("/")[1] else {}
        if package and said["name"] != component.name:  # a run's file, for another backend
            shared = shared_options(kind, said["name"], component)
            if left := sorted(options.keys() - shared):
                note(f"left out, as each backend has its own: {', '.join(left)}")
            options = {name: value for name, value in options.items() if name in shared}
        _, config = build_chosen(ctx, kind, options)
        parts[kind] = ComponentConfig(name=component.name, options=config.model_dump(mode="json"))
    phase_flags = given(ctx, Phase)
    if "steps" in phase_flags and "minutes" in given(ctx, TrainingConfig):
        raise OptionError(
            "--minutes chooses the steps itself, and --steps does too",
            "leave one of them out; --epochs says how often held-back clips are looked at",
        )
    said = dict(base.get("training", {}))
    phases = said.pop("phases", None) or [{}]
    training = build(
        TrainingConfig,
        said,
        given(ctx, TrainingConfig),
        {"phases": [build(Phase, phase, phase_flags) for phase in phases]},
    )
    return RunConfig(
        summary=base.get("summary", ""),
        library=where,
        data=build(DataConfig, base.get("data", {}), given(ctx, DataConfig)),
        training=training,
        **parts,
    )


def _train(run: Run, library: Any, fresh: bool) -> int:
    from rich.markup import escape

    from lofikit.cli.display import FieldColumn, note, out, progress
    from lofikit.credits import licence_note

    try:
        with progress() as bar:
            task = bar.add_task("reading samples", total=None, visible=False)
            session = prepare(
                run,
                library,
                lambda done, total: bar.update(task, completed=done, total=total, visible=True),
            )
    except Exception:
        if fresh:
            _remove_unused(run)
        raise
    for line in session.notes:
        note(line)
    if fresh and (line := licence_note([provenance(c.clip) for c in session.split.training])):
        note(line)
    if session.progress.finished:
        out.print(f"nothing left to do: {session.progress.finished}")
        return 0
    bits = session.representation.spec.levels is not None
    with progress(FieldColumn("said")) as bar:
        task = bar.add_task(
            run.config.model.name,
            total=session.total_steps,
            completed=session.progress.step,
        )
        done = train(
            session,
            lambda s: bar.update(task, completed=s.step, said=_words(s)),
            _audition,
        )
    best = "" if done.best is None else f", held-out loss {_loss(done.best, bits)}"
    where = escape(str(run.path))
    if not done.finished:
        out.print(f"stopped at step {done.step}{best}. Go on: lofikit train --resume -o {where}")
        return 130
    out.print(f"{done.finished} at step {done.step}{best}: {where}")
    out.print(f"Hear it: lofikit generate {where} --prompt held-out --seconds 10 -o take.wav")
    return 0


def _audition(session: Session) -> None:
    """Generates a short take with the weights of a checkpoint, from a held-back clip if any."""
    from lofikit.audio import Audio
    from lofikit.cli.display import note
    from lofikit.errors import LofikitError
    from lofikit.library import Library
    from lofikit.performers import TakeOptions, Voice, perform
    from lofikit.prompts import held_out_prompt
    from lofikit.writers import write

    seconds = session.run.config.training.audition
    if seconds <= 0:
        return
    folder = session.run.path / "auditions"
    folder.mkdir(exist_ok=True)
    try:
        library = Library(Path(session.run.config.library))
        prompt = held_out_prompt(session.run, library, seconds=5.0)
        voice = Voice(session.run)
        if prompt is not None:
            voice = Voice(session.run, prompt.audio, find_beats=prompt.find_beats)
        player = perform(session.model, session.representation, voice, TakeOptions(seconds))
        samples = player.next(round(seconds * player.rate))
        name = f"step-{session.progress.step:07d}.wav"
        write(folder / name, Audio(samples[None].clip(-1, 1), player.rate))
    except LofikitError as error:  # an audition is no reason to lose a training
        note(f"no audition: {error.message}")


def _remove_unused(run: Run) -> None:
    """Removes the folder of a run that was refused before it began."""
    kept = [
        f for f in run.path.iterdir() if f.name not in ("run.toml", "representation.safetensors")
    ]
    if not kept:
        for file in run.path.iterdir():
            file.unlink()
        run.path.rmdir()


def _words(status: Status) -> str:
    phase = f"phase {status.phase}/{status.phases} " if status.phases > 1 else ""
    unit = " bits" if status.bits else ""
    held = ""
    if status.held_out is not None:
        held = f", held out {_loss(status.held_out, status.bits).removesuffix(unit)}"
    return f"{phase}{_loss(status.loss, status.bits)}{held}"


def _loss(loss: float, bits: bool) -> str:
    return f"{loss / math.log(2):.3f} bits" if bits else f"{loss:.4g}"


for _config, _leave in ((DataConfig, ()), (Phase, ()), (TrainingConfig, ("phases",))):
    config_flags(_config, _leave)(command)
