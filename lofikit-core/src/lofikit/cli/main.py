"""The ``lofikit`` command: finds the verb, and turns errors into two lines."""

from __future__ import annotations

import errno
import importlib
import os
import signal
import sys
from typing import NoReturn

import click

from lofikit import __version__
from lofikit.errors import LofikitError

# Verb: module and what `lofikit --help` says of it, so that help imports no verb.
VERBS = {
    "collect": ("collect", "Put music into a library."),
    "library": ("library", "Show what is in a library."),
    "separate": ("separate", "Take the clips of a library apart into stems."),
    "train": ("train", "Train a model on a library, or go on with a run."),
    "generate": ("generate", "Generate music with one or more runs."),
    "band": ("band", "Let runs that were trained on stems play together."),
    "evaluate": ("evaluate", "Measure runs on the clips that they were not trained on."),
    "report": ("report", "Make a page to listen in: runs side by side, and blind."),
    "convert": ("convert", "Take a run to the same model of another backend."),
    "plot": ("plot", "Draw waveforms, spectrograms, the effect of the rate, and losses."),
    "plugins": ("plugins", "List plugins and what they offer, and what failed to load."),
    "show": ("show", "Show the options of a component, or a recipe."),
    "new": ("new", "Write a plugin of your own: a package that works, to change."),
    "check": ("check", "Check a component against what lofikit asks of it."),
    "demo": ("demo", "Do it all once on synthetic music: collect, train, generate, draw."),
    "completion": ("completion", "Print what turns on completion in your shell."),
}


class VerbGroup(click.Group):
    """Imports a verb's module when the verb is used."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        return list(VERBS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        if cmd_name not in VERBS:
            return None
        module = importlib.import_module(f"lofikit.cli.{VERBS[cmd_name][0]}")
        command: click.Command = module.command
        return command

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        with formatter.section("Commands"):
            formatter.write_dl([(verb, text) for verb, (_, text) in VERBS.items()])

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        if args and args[0] not in VERBS and not args[0].startswith("-"):
            import difflib

            close = difflib.get_close_matches(args[0], VERBS, n=1)
            guess = f"did you mean 'lofikit {close[0]}'?" if close else "see: lofikit --help"
            raise LofikitError(f"there is no command {args[0]!r}", guess)
        return super().resolve_command(ctx, args)


@click.group(
    cls=VerbGroup,
    context_settings={"help_option_names": ["-h", "--help"]},
    epilog="Start with: lofikit demo",
)
@click.version_option(__version__, message="lofikit %(version)s")
@click.option("--debug", is_flag=True, help="Show the traceback of an error.")
def cli(debug: bool) -> None:
    """Train sequence models on lo-fi music, and generate more of it."""


def main(arguments: list[str] | None = None) -> NoReturn:
    """Runs the command line and exits: 0 well, 1 failed, 2 wrong use, 130 interrupted."""
    signal.signal(signal.SIGTERM, _interrupt)
    sys.exit(run(arguments))


def _interrupt(number: int, frame: object) -> NoReturn:
    """Lets what asks a process to end (kill, a job queue) do what Ctrl-C does."""
    raise KeyboardInterrupt


def run(arguments: list[str] | None = None) -> int:
    """Runs the command line and returns its exit code; errors are told in two lines."""
    # OpenBLAS's threads wait by spinning: beside another busy process the small products of this
    # tool then take many times as long. Read by NumPy when it is imported, which is later.
    os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
    words = list(sys.argv[1:] if arguments is None else arguments)
    debug = "--debug" in words
    # Wherever it stands, --debug is for the whole command.
    words = (["--debug"] if debug else []) + [word for word in words if word != "--debug"]
    try:
        code = cli.main(args=words, prog_name="lofikit", standalone_mode=False)
        return code if isinstance(code, int) else 0
    except click.exceptions.Exit as leaving:
        return leaving.exit_code
    except click.UsageError as error:
        where = error.ctx.command_path if error.ctx else "lofikit"
        if isinstance(error, click.exceptions.NoArgsIsHelpError):
            click.echo(error.ctx.get_help() if error.ctx else error.format_message())
            return 0
        return _say(error.format_message(), f"see: {where} --help", debug, 2)
    except click.ClickException as error:
        return _say(error.format_message(), "", debug, 1)
    except LofikitError as error:
        return _say(error.message, error.hint, debug, 1)
    except (KeyboardInterrupt, click.Abort):
        return _say("interrupted", "", False, 130)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return _say("the disk is full", "free some space, and give the command again", debug, 1)
        name = f": {error.filename}" if error.filename else ""
        return _say(f"{error.strerror or error}{name}", "", debug, 1)
    except Exception as error:
        words_of = str(error).strip().splitlines()
        said = f"{type(error).__name__}: {words_of[0]}" if words_of else type(error).__name__
        return _say(
            f"something went wrong that lofikit did not expect: {said}",
            "add --debug to see where; if it is lofikit's fault, please report it",
            debug,
            1,
        )


def _say(message: str, hint: str, debug: bool, code: int) -> int:
    if debug:
        import traceback

        traceback.print_exc()
    click.echo(f"{click.style('error:', fg='red', bold=True)} {message}", err=True)
    if hint:
        click.echo(f"  {hint}", err=True)
    return code
