"""``lofikit plugins``."""

from __future__ import annotations

import click

from lofikit.hookspecs import KINDS
from lofikit.plugins import SLOW_SECONDS, registry


@click.command("plugins")
def command() -> None:
    """List plugins and what they offer, and what failed to load."""
    found = registry()
    for plugin in found.plugins:
        state = click.style("failed", fg="red") if plugin.failure else "loaded"
        slow = f", slowly: in {plugin.seconds:.1f} s, for which most commands wait"
        late = click.style(slow, fg="yellow") if plugin.seconds > SLOW_SECONDS else ""
        click.echo(f"{plugin.distribution} {plugin.version}: {state}{late}")
        if plugin.failure:
            click.echo(f"  {plugin.failure}")
    for kind in KINDS:
        components = found.of_kind(kind)
        if components:
            click.echo(f"\n{kind}s")
            wide = max(len(c.name) for c in components)
            for component in components:
                click.echo(f"  {component.name:<{wide}}  {component.summary}")
    for (kind, name), (first, second) in found.clashes.items():
        click.echo(f"\n{click.style('clash', fg='red')}: {kind} {name} in {first} and {second}")
    click.echo("\nThe options of one: lofikit show model NAME")
