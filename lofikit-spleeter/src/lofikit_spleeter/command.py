"""``lofikit-spleeter``: fetches the weights, or takes them from where they were downloaded."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import click

from lofikit.errors import LofikitError
from lofikit_spleeter.weights import WEIGHTS, Weights, cache, check, install


@click.group(context_settings={"help_option_names": ["-h", "--help"]})
def cli() -> None:
    """Spleeter's weights for lofikit: fetch them, place them by hand, and check them."""


@cli.command("fetch")
@click.argument("stems", type=click.Choice([str(n) for n in WEIGHTS]))
@click.option("--mirror", default="", help="Address in place of https://github.com.")
def fetch_command(stems: str, mirror: str) -> None:
    """Download the weights for 2, 4 or 5 stems; replaces damaged ones."""
    from lofikit_spleeter.fetching import refetch

    weights = WEIGHTS[int(stems)]
    with download_progress(weights) as progress:
        click.echo(f"{weights.name} are in {refetch(weights, mirror, progress)}")


@cli.command("install")
@click.argument("path", type=click.Path(path_type=Path))
def install_command(path: Path) -> None:
    """Place weights that were downloaded by hand: an archive, or the folder of its files."""
    weights, folder = install(path)
    click.echo(f"{weights.name} are in {folder}")


@cli.command("check")
def check_command() -> int:
    """Check the weights that are there."""
    wrong = 0
    for weights in WEIGHTS.values():
        folder = cache() / weights.name
        try:
            if folder.exists():
                check(weights, folder)
                click.echo(f"{weights.name}: whole, in {folder}")
            else:
                click.echo(f"{weights.name}: not there")
        except LofikitError as error:
            wrong += 1
            click.echo(f"{weights.name}: {error.message}")
    return 1 if wrong else 0


@contextmanager
def download_progress(weights: Weights) -> Iterator[Callable[[int, int | None], None]]:
    """Shows a download on standard error, if there is one."""
    from rich.console import Console
    from rich.progress import DownloadColumn, Progress, TimeRemainingColumn

    with Progress(
        *Progress.get_default_columns()[:2],
        DownloadColumn(),
        TimeRemainingColumn(),
        console=Console(stderr=True, highlight=False),
    ) as bar:
        task = bar.add_task(f"fetching spleeter's {weights.name}", visible=False)
        yield lambda done, total: bar.update(task, completed=done, total=total, visible=True)


def main() -> None:
    """Runs the command; errors are told in two lines."""
    try:
        code = cli.main(prog_name="lofikit-spleeter", standalone_mode=False)
    except click.ClickException as error:
        error.show()
        sys.exit(error.exit_code)
    except click.Abort:
        sys.exit(130)
    except LofikitError as error:
        click.echo(f"{click.style('error:', fg='red', bold=True)} {error.message}", err=True)
        if error.hint:
            click.echo(f"  {error.hint}", err=True)
        sys.exit(1)
    except OSError as error:
        click.echo(f"error: {error.strerror or error}: {error.filename or ''}", err=True)
        sys.exit(1)
    sys.exit(code if isinstance(code, int) else 0)
