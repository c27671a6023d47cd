"""``lofikit completion``."""

from __future__ import annotations

import os
from pathlib import Path

import click
from click.shell_completion import get_completion_class


@click.command("completion")
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]), required=False)
def command(shell: str | None) -> None:
    """Print what turns on completion in your shell.

    For example in bash: eval "$(lofikit completion bash)".
    """
    from lofikit.cli.main import cli

    shell = shell or Path(os.environ.get("SHELL", "bash")).name
    found = get_completion_class(shell)
    if found is None:
        raise click.BadParameter(f"no completion for {shell}; name one of bash, zsh, fish")
    click.echo(found(cli, {}, "lofikit", "_LOFIKIT_COMPLETE").source())
