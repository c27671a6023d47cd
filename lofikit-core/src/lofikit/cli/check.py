"""``lofikit check``."""

from __future__ import annotations

import difflib

import click
from click.shell_completion import CompletionItem

from lofikit.cli.components import Chosen, ComponentCommand, build_chosen, chosen, value_of
from lofikit.errors import PluginError
from lofikit.hookspecs import KINDS, Component, Kind
from lofikit.plugins import registry


class _AnyComponent(click.ParamType):  # type: ignore[type-arg]
    name = "component"

    def shell_complete(
        self, ctx: click.Context, param: click.Parameter, incomplete: str
    ) -> list[CompletionItem]:
        return [
            CompletionItem(c.name, help=f"{c.kind}: {c.summary}")
            for kind in KINDS
            for c in registry().of_kind(kind)
            if c.name.startswith(incomplete)
        ]


def _choose(args: list[str]) -> Chosen:
    if not args or args[0].startswith("-"):
        return {}
    kind = value_of(args, "--kind")
    component = _find(args[0], kind if kind in KINDS else None)
    return {component.kind: component}


def _find(name: str, kind: Kind | None) -> Component:
    """Returns the component of a name, whose kind need not be told while there is only one."""
    if kind is not None:
        return registry().find(kind, name)
    found, errors = [], []
    for each in KINDS:
        try:
            found.append(registry().find(each, name))
        except PluginError as error:
            errors.append(error)
    if len(found) == 1:
        return found[0]
    if found:
        raise PluginError(
            f"there is more than one {name!r}: {', '.join(c.kind for c in found)}",
            f"say which: lofikit check {name} --kind {found[0].kind}",
        )
    for refusal in errors:  # a plugin that failed, a clash, or one that is not installed
        if refusal.hint != "see all: lofikit plugins":
            raise refusal
    names = {c.name for c in registry().components.values()}
    words = {**{n.split("/")[1]: n for n in names}, **{n: n for n in names}}
    close = difflib.get_close_matches(name, words, n=1)
    guess = f". Did you mean {words[close[0]]!r}?" if close else ""
    raise PluginError(f"there is no component {name!r}{guess}", "see all: lofikit plugins")


@click.command(
    "check",
    cls=ComponentCommand,
    choose=_choose,
    epilog="Its options make a model small, and a check short: "
    "lofikit check torch/tcn --model.filters 8 --model.window 24",
)
@click.argument("name", type=_AnyComponent())
@click.option("--kind", type=click.Choice(KINDS), help="Its kind, where two have one name.")
@click.pass_context
def command(ctx: click.Context, name: str, kind: str | None) -> int:
    """Check a component, and the plugin that it is of, as its author's tests would.

    Runs the suites of lofikit.testing and prints what came of each check.
    """
    from rich.markup import escape

    from lofikit.cli.display import FieldColumn, out, progress, table
    from lofikit.testing.running import checks_of, run_check

    (found,) = chosen(ctx)
    component, config = build_chosen(ctx, found)
    checks = checks_of(component, config.model_dump(mode="json"))
    rows = table("check", "on", "seconds", "result")
    failed = 0
    with progress(FieldColumn("said")) as bar:
        task = bar.add_task(component.name, total=len(checks), said="")
        for check in checks:
            bar.update(task, said=f"{check.name} {check.on}")
            outcome = run_check(check)
            failed += bool(outcome.fault)
            said = f"[red]failed:[/] {escape(outcome.fault)}" if outcome.fault else "[green]ok[/]"
            rows.add_row(outcome.check, outcome.on, f"{outcome.seconds:.2f}", said)
            bar.advance(task)
        bar.update(task, said="")
    out.print(rows)
    out.print(f"{len(checks) - failed} of {len(checks)} checks passed")
    return 1 if failed else 0
