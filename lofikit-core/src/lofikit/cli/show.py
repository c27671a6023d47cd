"""``lofikit show``."""

from __future__ import annotations

from typing import Any, cast

import click
from click.shell_completion import CompletionItem

from lofikit.hookspecs import KINDS, Kind
from lofikit.plugins import load_class, registry

_WHAT = (*KINDS, "recipe")


class _Name(click.ParamType):  # type: ignore[type-arg]
    name = "name"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        from lofikit.recipes import names

        what = ctx.params.get("what")
        if what == "recipe":
            known = names()
        elif what in KINDS:
            known = [c.name for c in registry().of_kind(cast(Kind, what))]
        else:
            known = []
        return [CompletionItem(name) for name in known if name.startswith(incomplete)]


@click.command("show")
@click.argument("what", type=click.Choice(_WHAT))
@click.argument("name", type=_Name(), required=False)
def command(what: str, name: str | None) -> None:
    """Show the options of a component, or a recipe.

    For example: lofikit show model torch/tcn. Without NAME, all of the kind are listed.
    """
    if what == "recipe":
        _show_recipe(name)
        return
    kind = cast(Kind, what)
    if name is None:
        for component in registry().of_kind(kind):
            click.echo(f"{component.name}  {component.summary}")
        return
    from rich.markup import escape

    from lofikit.cli.display import out, table
    from lofikit.options import describe

    component = registry().find(kind, name)
    distribution, version = registry().distribution_of(component)
    config: Any = load_class(component.config)
    out.print(
        f"[bold]{component.name}[/] ({distribution} {version}): {escape(component.summary)}\n"
    )
    rows = table("option", "type", "default", "unit", "what it does")
    for info in describe(config):
        rows.add_row(
            f"--{kind}.{info.flag}",
            escape(info.type_name),
            "(required)" if info.required else escape(info.default),
            escape(info.unit),
            escape(info.description),
        )
    out.print(rows)


def _show_recipe(name: str | None) -> None:
    from lofikit import recipes

    if name is None:
        for recipe in recipes.names():
            click.echo(f"{recipe}  {recipes.load(recipe).get('summary', '')}")
        return
    click.echo(recipes.text(name).rstrip())
