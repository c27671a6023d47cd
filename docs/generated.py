"""The parts of the pages that follow from the code: a function for each ``generated`` mark.

Each returns Markdown. Nothing of Sphinx is needed here, so that the tests can look at the text.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Any

import click

from lofikit import recipes as recipe_files
from lofikit.cli.main import cli
from lofikit.credits import licence
from lofikit.hookspecs import KINDS
from lofikit.models.configs import TCNConfig
from lofikit.options import describe, show_value
from lofikit.plan import Phase
from lofikit.plugins import load_class, registry

USAGE_WIDTH = 96


def commands() -> str:
    """Every command with its help, as click has it."""
    root = click.Context(
        cli, info_name="lofikit", terminal_width=USAGE_WIDTH, **cli.context_settings
    )
    parts = [_command(cli, root, 2)]
    parts += [text for name in cli.list_commands(root) for text in _tree(cli, name, root, 2)]
    return "\n\n".join(parts)


def _tree(group: click.Group, name: str, parent: click.Context, level: int) -> Iterator[str]:
    command = group.get_command(parent, name)
    assert command is not None
    context = click.Context(command, parent, info_name=name, terminal_width=USAGE_WIDTH)
    yield _command(command, context, level)
    if isinstance(command, click.Group):
        for below in command.list_commands(context):
            yield from _tree(command, below, context, level + 1)


def _command(command: click.Command, context: click.Context, level: int) -> str:
    usage = command.get_usage(context).removeprefix("Usage: ")
    said = [_prose(" ".join(p.split())) for p in (command.help or "").split("\n\n")]
    records = filter(None, (p.get_help_record(context) for p in command.get_params(context)))
    rows = [(_code(names), _prose(text)) for names, text in records if text]
    parts = [f"{'#' * level} `{context.command_path}`", f"```text\n{usage}\n```", *said]
    parts.append(_table(("option", "what it does"), rows))
    if command.epilog:
        parts.append(_prose(command.epilog))
    return "\n\n".join(parts)


def components() -> str:
    """The options of every component of this project's packages, kind by kind."""
    parts = []
    for kind in KINDS:
        parts.append(f"### {kind.capitalize()}s")
        for component in registry().of_kind(kind):
            distribution, _ = registry().distribution_of(component)
            parts += [f"#### `{component.name}`", f"{_prose(component.summary)} ({distribution})"]
            rows = [
                (
                    _code(f"--{kind}.{info.flag}"),
                    _code(info.type_name),
                    "required" if info.required else _code(info.default),
                    _prose(info.unit),
                    _prose(info.description),
                )
                for info in describe(load_class(component.config))
            ]
            columns = ("option", "type", "default", "unit", "what it does")
            parts.append(_table(columns, rows) if rows else "It has no options.")
    return "\n\n".join(parts)


def recipes() -> str:
    """The recipes side by side, and each as it is written."""
    loaded = {name: recipe_files.load(name) for name in recipe_files.names()}
    rows = [
        (
            _code(name),
            _code(recipe["representation"]["name"]),
            _code(recipe["model"]["name"]),
            _settings(recipe["model"].get("options", {})),
        )
        for name, recipe in loaded.items()
    ]
    parts = [_table(("recipe", "representation", "model", "options of the model"), rows)]
    parts += [_table(("recipe", "phase", *_PHASE.values()), list(_phases(loaded)))]
    for name, recipe in loaded.items():
        parts += [f"### `{name}`", _prose(recipe["summary"])]
        parts.append(f"```toml\n{recipe_files.text(name).rstrip()}\n```")
    return "\n\n".join(parts)


_PHASE = {
    "epochs": "epochs",
    "steps": "steps an epoch",
    "batch_size": "batch",
    "learning_rate": "rate",
    "decay": "decay",
    "optimiser": "optimiser",
    "loss": "loss",
}


def _phases(loaded: dict[str, dict[str, Any]]) -> Iterator[tuple[str, ...]]:
    for name, recipe in loaded.items():
        for number, said in enumerate(recipe["training"]["phases"], 1):
            phase = Phase.model_validate(said)
            values = [getattr(phase, field) for field in _PHASE]
            shown = ["by default" if value is None else show_value(value) for value in values]
            yield (_code(name), str(number), *shown)


def receptive_fields() -> str:
    """The receptive field of the paper's TCN, over kernel size and stacks."""
    rate = 4410
    rows = []
    for kernel_size in range(2, 9):
        row = [str(kernel_size)]
        for stacks in (1, 2, 3):
            field = TCNConfig(kernel_size=kernel_size, stacks=stacks).receptive_field
            row.append(f"{field} ({field / rate:.2f} s)")
        rows.append(tuple(row))
    return _table(("kernel size", "1 stack", "2 stacks", "3 stacks"), rows)


def licences() -> str:
    """What lofikit reads off the licences that it knows."""
    names = ["CC0-1.0", "CC-PDM-1.0"]
    names += [f"CC-{terms}-4.0" for terms in ("BY", "BY-SA", "BY-NC", "BY-NC-SA", "BY-ND")]
    names += ["CC-BY-NC-ND-4.0", "LAL-1.3"]
    rows = []
    for name in names:
        one = licence(name)
        flags = (one.attribution, one.share_alike, one.non_commercial, one.no_derivatives)
        rows.append((f"[{one.id}]({one.url})", *("yes" if flag else "" for flag in flags)))
    columns = ("licence", "credit the artist", "share alike", "non-commercial", "no derivatives")
    return _table(columns, rows)


def path_figure() -> str:
    """The figure of the path, drawn from the sources."""
    from path_figure import draw

    return draw()


def _settings(options: dict[str, Any]) -> str:
    return ", ".join(f"{name} {show_value(value)}" for name, value in options.items())


def _table(columns: Sequence[str], rows: Sequence[tuple[str, ...]]) -> str:
    """Returns a table in Markdown; cells are Markdown already."""
    lines = [" | ".join(columns), " | ".join("---" for _ in columns)]
    lines += [" | ".join(cell.replace("|", r"\|") for cell in row) for row in rows]
    return "\n".join(f"| {line} |" for line in lines)


def _code(text: str) -> str:
    return f"`{text}`" if text else ""


_FLAG = re.compile(r"(?<![\w`-])--?[a-z][\w.-]*")
_MARKUP = re.compile(r"([\\`*_\[\]<>#])")


def _prose(text: str) -> str:
    """Returns plain text as Markdown, with flags set as code."""
    parts, last = [], 0
    for match in _FLAG.finditer(text):
        parts += [_MARKUP.sub(r"\\\1", text[last : match.start()]), _code(match[0].rstrip("."))]
        last = match.start() + len(match[0].rstrip("."))
    return "".join(parts) + _MARKUP.sub(r"\\\1", text[last:])
