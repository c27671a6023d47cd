"""Options of components as flags: the command line follows from the pydantic configs."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import click
from click.shell_completion import CompletionItem
from pydantic import BaseModel

from lofikit.hookspecs import Component, Kind
from lofikit.options import OptionInfo, build, describe, parse_value
from lofikit.plugins import load_class, registry

_GIVEN = "lofikit.given"


class ComponentType(click.ParamType):  # type: ignore[type-arg]
    """The name of a component, with completion."""

    name = "component"

    def __init__(self, kind: Kind) -> None:
        self.kind: Kind = kind

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(c.name, help=c.summary)
            for c in registry().of_kind(self.kind)
            if c.name.startswith(incomplete) or c.name.split("/")[1].startswith(incomplete)
        ]


Chosen = dict[Kind, Component]
Choose = Callable[[list[str]], Chosen]


class ComponentCommand(click.Command):
    """A command that takes the options of the components which its arguments choose.

    ``--model torch/tcn`` brings ``--model.kernel-size`` and the rest with it: the arguments are
    looked through for the choice first, and parsed with the component's options then.

    Args:
        choose: Returns the components that the arguments choose.
    """

    def __init__(self, *args: Any, choose: Choose, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self._choose = choose

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        chosen = self._choose(args)
        ctx.meta["lofikit.params"] = [
            option
            for kind, component in chosen.items()
            for option in flags(load_class(component.config), kind)
        ]
        ctx.meta["lofikit.chosen"] = chosen
        return super().parse_args(ctx, args)

    def get_params(self, ctx: click.Context) -> list[click.Parameter]:
        return [*super().get_params(ctx), *ctx.meta.get("lofikit.params", [])]


def value_of(args: Sequence[str], *names: str) -> str | None:
    """Returns the value of a flag among raw arguments, before they are parsed."""
    found = None
    for i, word in enumerate(args):
        if word in names and i + 1 < len(args):
            found = args[i + 1]
        for name in names:
            if word.startswith(f"{name}="):
                found = word.partition("=")[2]
    return found


def chosen(ctx: click.Context) -> Chosen:
    """Returns the components that the arguments chose."""
    found: Chosen = ctx.meta.get("lofikit.chosen", {})
    return found


def given(ctx: click.Context, config: type[BaseModel], prefix: str = "") -> dict[str, Any]:
    """Returns the values of a config that were given as flags."""
    texts: dict[str, str] = ctx.meta.get(_GIVEN, {}).get((prefix, config), {})
    return {name: parse_value(config, name, text) for name, text in texts.items()}


def build_chosen(
    ctx: click.Context, kind: Kind, *layers: dict[str, Any]
) -> tuple[Component, BaseModel]:
    """Returns a chosen component and its options, from layers and, on top, the flags."""
    component = chosen(ctx)[kind]
    config = load_class(component.config)
    return component, build(config, *layers, given(ctx, config, kind), prefix=kind)


def flags(
    config: type[BaseModel], prefix: str = "", leave: Sequence[str] = ()
) -> list[click.Option]:
    """Returns a flag for each option of a config.

    Args:
        config: The config class.
        prefix: What stands before the option's name and a dot.
        leave: Fields that are no flags.
    """
    return [_flag(config, info, prefix) for info in describe(config) if info.name not in leave]


def config_flags(
    config: type[BaseModel], leave: Sequence[str] = ()
) -> Callable[[click.Command], click.Command]:
    """Adds the flags of a config to a command."""

    def add(command: click.Command) -> click.Command:
        command.params.extend(flags(config, leave=leave))
        return command

    return add


def _flag(config: type[BaseModel], info: OptionInfo, prefix: str) -> click.Option:
    stem = f"{prefix}." if prefix else ""
    name = f"--{stem}{info.flag}"
    default = f"  [default: {info.default}]" if info.default else ""
    required = "  [required]" if info.required else ""
    unit = f" [{info.unit}]" if info.unit else ""
    text = f"{info.description}{unit}{default}{required}"
    destination = f"{prefix}_{info.name}".replace("-", "_")

    def keep(ctx: click.Context, param: click.Parameter, value: Any) -> None:
        if value is None or value == ():
            return
        if isinstance(value, tuple):  # a list may be given at once, or flag by flag
            value = ",".join(value)
        text = str(value).lower() if isinstance(value, bool) else str(value)
        ctx.meta.setdefault(_GIVEN, {}).setdefault((prefix, config), {})[info.name] = text

    common: dict[str, Any] = {
        "help": text,
        "expose_value": False,
        "callback": keep,
        "default": None,
    }
    if info.type == "flag":
        return click.Option([f"{name}/--{stem}no-{info.flag}", destination], **common)
    if info.type == "choice":
        kind: Any = _Choices(info.choices)
    else:
        kind = click.STRING
    common["multiple"] = info.type == "list"
    return click.Option([name, destination], type=kind, metavar=info.type_name.upper(), **common)


class _Choices(click.ParamType):  # type: ignore[type-arg]
    """Completes the values of a choice; pydantic refuses the others."""

    name = "choice"

    def __init__(self, choices: tuple[str, ...]) -> None:
        self.choices = choices

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [CompletionItem(c) for c in self.choices if c.startswith(incomplete)]


def check_output(path: Path, overwrite: bool) -> None:
    """Refuses an output that exists, or that has no folder to lie in.

    Raises:
        OutputError: With what to type instead.
    """
    from lofikit.errors import OutputError

    if path.exists() and not overwrite:
        raise OutputError(
            f"{path} exists already", "add --overwrite, or choose another name with -o"
        )
    if path.is_dir():
        raise OutputError(f"{path} is a folder", "choose another name with -o")
    if not path.parent.is_dir():
        raise OutputError(
            f"the folder {path.parent} does not exist", f"make it: mkdir -p {path.parent}"
        )


def width() -> int:
    """Returns the width of the terminal."""
    return shutil.get_terminal_size((100, 20)).columns
