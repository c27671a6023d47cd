"""The documentation is true: its blocks run, its flags exist, and nothing public lacks words.

A comment right before a block says what is done with it: ``not run: WHY`` (commands are parsed
only, as are those in indented blocks), ``file: PATH`` (the block is that file),
``files: FOLDER`` (these lie in the folder), ``install: FOLDER`` (``pip install`` stands for
making the package there importable).
"""

from __future__ import annotations

import importlib
import inspect
import os
import re
import shlex
import shutil
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import click
import pytest
from markdown_it import MarkdownIt

from lofikit.cli.components import chosen, flags
from lofikit.cli.main import VERBS, cli
from lofikit.cli.main import run as run_command
from lofikit.hookspecs import KINDS
from lofikit.plugins import load_class, registry

ROOT = Path(__file__).parents[1]
DOCS = ROOT / "docs"
NEEDED = ("torch", "archive", "spotify", "spleeter")
ALL = (*NEEDED, "keras")
PAGES = [
    ROOT / "README.md",
    # The blocks of isolation.md are run by core's tests.
    *sorted(page for page in DOCS.glob("*.md") if page.name != "isolation.md"),
]
MARK = re.compile(r"<!-- (not run|file|files|install): (.+?) -->")
MARKDOWN = MarkdownIt("commonmark")

pytestmark = pytest.mark.skipif(
    any(importlib.util.find_spec(f"lofikit_{name}") is None for name in ALL),
    reason=f"needs lofikit-{', lofikit-'.join(ALL)}",
)


@pytest.fixture(autouse=True)
def plugins(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """The plugins that a reader of the pages is taken to have: one backend."""
    monkeypatch.setenv("LOFIKIT_PLUGINS", ",".join(NEEDED))
    registry.cache_clear()
    yield
    registry.cache_clear()


@pytest.fixture(scope="module")
def clips(music: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of music as a reader has it."""
    from lofikit.audio import read
    from lofikit.writers import write

    folder = tmp_path_factory.mktemp("clips")
    names = ("favourite.mp3", "second.mp3", "third.flac", "fourth.wav")
    for name, file in zip(names, sorted((music / "clips").iterdir()), strict=False):
        write(folder / name, read(file, seconds=4.0))
    return folder


@dataclass(frozen=True)
class Block:
    """A block of code, and the comment before it."""

    language: str
    text: str
    mark: str
    said: str
    line: int


def blocks(page: Path) -> list[Block]:
    found = []
    before: Any = None
    for token in MARKDOWN.parse(page.read_text(encoding="utf-8")):
        line = token.map[0] + 1 if token.map else 0
        readme = page.name == "README.md"  # its fenced blocks are run by core's tests
        if token.type == "code_block":
            mark = ("", "") if readme else ("not run", "indented, as a sketch")
            found.append(Block("sh", token.content, *mark, line))
        elif token.type == "fence" and not token.info.startswith("{") and not readme:
            comment = before.content if before is not None and before.type == "html_block" else ""
            match = MARK.search(comment)
            mark = (match[1], match[2]) if match else ("", "")
            found.append(Block(token.info.strip(), token.content, *mark, line))
        before = token
    return found


def commands(block: Block) -> list[list[str]]:
    """Returns the words of each line; in the README, what follows two spaces is prose."""
    lines = [re.split(r"\s{2,}", line)[0] for line in block.text.splitlines()]
    return [words for words in (shlex.split(line, comments=True) for line in lines) if words]


def parse(words: list[str]) -> click.Context:
    """Parses a command and does not do it; an option that does not exist is a UsageError."""
    context = click.Context(cli, info_name="lofikit")
    command: click.Command = cli
    while isinstance(command, click.Group):
        found = command.get_command(context, words[0])
        assert found is not None, f"there is no command {words[0]}"
        command, words = found, words[1:]
    return command.make_context(command.name, list(words), context)


SMALL = {
    "model": {"filters": "4", "units": "4", "window": "40", "dilations": "1,2", "order": "8"},
    "representation": {"hop": "32"},
}


def made_small(words: list[str]) -> list[str]:
    """Returns a command with flags at its end, which win, that make it quick."""
    if words[0] == "band":  # which has its length in a file
        file = Path(words[1])
        file.write_text(re.sub(r"(?m)^seconds = .+$", "seconds = 0.2", file.read_text()))
    if words[0] == "train" and "--resume" not in words:
        size = ["--epochs", "1", "--batch-size", "2", "--audition", "0.1"]
        if "--minutes" in words:
            words[words.index("--minutes") + 1] = "0.02"
        else:
            size += ["--steps", "2"]
        for kind, component in chosen(parse(words)).items():
            fields = load_class(component.config).model_fields
            for name, value in SMALL[kind].items():
                if name in fields:
                    size += [f"--{kind}.{name}", value]
            if "engine" in fields:  # which is compiled first
                size += [f"--{kind}.no-engine"]
        return [*words, *size]
    if words[:2] == ["collect", "synthetic"]:
        size = ["--source.clips", "2", "--source.seconds", "4", "--source.sample-rate", "8000"]
        return [*words, *size]
    length, prompt = ["--seconds", "0.2"], ["--prompt-seconds", "1"]
    takes = [] if "--bits-only" in words else ["--quick", "--prompts", "1", "--seconds", "1"]
    size = {
        "generate": [*length, *prompt],
        "evaluate": [*takes, "--scored-seconds", "0.2"],
        "report": [*length, *prompt, "--prompts", "1"],
    }
    return words + size.get(words[0], [])


def do(words: list[str]) -> None:
    if words[0] == "pytest":
        command = [sys.executable, "-m", *words, "-q", "-p", "no:cacheprovider"]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stdout
    else:
        assert words[0] == "lofikit", f"{words[0]} is not run here: mark the block as 'not run'"
        assert run_command(made_small(words[1:])) == 0, shlex.join(words)


def install(folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Does what ``pip install -e`` does, but for building the package."""
    project = tomllib.loads((folder / "pyproject.toml").read_text())["project"]
    info = folder.absolute() / "site" / f"{project['name'].replace('-', '_')}-0.dist-info"
    info.mkdir(parents=True)
    lines = [f"Name: {project['name']}", f"Version: {project['version']}"]
    lines += [f"Requires-Dist: {text}" for text in project["dependencies"]]
    (info / "METADATA").write_text("\n".join(["Metadata-Version: 2.1", *lines, ""]))
    points = project["entry-points"]["lofikit"]
    lines = [f"{name} = {module}" for name, module in points.items()]
    (info / "entry_points.txt").write_text("\n".join(["[lofikit]", *lines, ""]))
    for path in (info.parent, folder.absolute() / "src"):
        monkeypatch.syspath_prepend(str(path))
        monkeypatch.setenv("PYTHONPATH", str(path), prepend=os.pathsep)
    monkeypatch.setenv("LOFIKIT_PLUGINS", ",".join([*NEEDED, *points]))
    registry.cache_clear()


def run_block(
    block: Block, names: dict[str, Any], page: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if block.mark == "file":
        file = Path(block.said).absolute()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(block.text)
        for name, module in list(sys.modules.items()):  # another command, another process
            if getattr(module, "__file__", None) == str(file):
                del sys.modules[name]
    elif block.mark == "files":
        folder = Path(block.said)
        listed = {line.split()[0] for line in block.text.splitlines()}
        if any("/" in name for name in listed):
            there = {f.relative_to(folder).as_posix() for f in folder.rglob("*") if f.is_file()}
        else:
            there = {f.name for f in folder.iterdir()}
        assert listed == there
    elif block.language == "sh" and block.mark == "not run":
        for words in commands(block):
            if words[0] == "lofikit":
                parse(words[1:])
    elif block.language == "sh":
        for words in commands(block):
            if block.mark == "install" and words[:2] == ["pip", "install"]:
                install(Path(block.said), monkeypatch)
            else:
                do(words)
    elif block.language == "python":
        code = compile(block.text, f"{page.name}:{block.line}", "exec")
        if block.mark != "not run":
            exec(code, names)
    elif block.language == "toml":
        tomllib.loads(block.text)
    else:
        assert block.language in ("", "text"), f"{block.language}: no test knows how to run this"


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_blocks_run(
    page: Path, tmp_path: Path, clips: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    shutil.copytree(clips, tmp_path / "my-music")
    found = blocks(page)
    if "collect" not in "".join(block.text for block in found):
        shutil.copytree(music, tmp_path / "library")
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "docs"}
    for block in found:
        try:
            run_block(block, names, page, monkeypatch)
        except BaseException as error:
            error.add_note(f"in the block at {page.name}:{block.line}")
            raise


def command_flags() -> set[str]:
    """Returns every flag of every command and component."""
    found = {"--help"}
    context = click.Context(cli)
    queue: list[click.Command] = [cli]
    while queue:
        command = queue.pop()
        if isinstance(command, click.Group):
            below = (command.get_command(context, name) for name in command.list_commands(context))
            queue += [c for c in below if c is not None]
        found |= {name for p in command.params for name in (*p.opts, *p.secondary_opts)}
    for kind in KINDS:
        for component in registry().of_kind(kind):
            for option in flags(load_class(component.config), kind):
                found |= {*option.opts, *option.secondary_opts}
    return found


def script_flags() -> set[str]:
    """Returns every flag of the benchmarks."""
    texts = (script.read_text() for script in (ROOT / "benchmarks").glob("*.py"))
    return {flag for text in texts for flag in re.findall(r'"(--[a-z][\w-]+)"', text)}


def spans(page: Path) -> Iterator[str]:
    """Yields the text of each inline code."""
    for token in MARKDOWN.parse(page.read_text(encoding="utf-8")):
        for child in token.children or ():
            if child.type == "code_inline":
                yield child.content


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)
def test_flags_and_commands_in_the_text_exist(page: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LOFIKIT_PLUGINS", ",".join(ALL))
    registry.cache_clear()
    own = re.findall(r"^    (\w+): .+ = option\(", page.read_text(), re.MULTILINE)
    known = command_flags() | script_flags() | {f"--model.{name}" for name in own}
    for span in spans(page):
        for flag in re.findall(r"(?<![\w-])--[a-z][\w.-]*", span):
            if not re.search(r"\b(pip|nox|uv|python3?|torchrun)\b", span):
                assert flag in known, f"{page.name} has {flag!r}, which no command has"
        if match := re.match(r"lofikit ([a-z]+)", span):
            assert match[1] in VERBS, f"{page.name} has {span!r}"


@pytest.fixture
def pages_code(monkeypatch: pytest.MonkeyPatch) -> None:
    """Makes the modules of the site importable."""
    monkeypatch.syspath_prepend(str(DOCS))


@pytest.mark.usefixtures("pages_code")
def test_every_interface_is_documented_and_in_the_reference() -> None:
    documented = importlib.import_module("documented")
    reference = "".join(page.read_text() for page in (DOCS / "reference").glob("*.md"))
    named = set(re.findall(r"automodule:: (\S+)", reference))
    modules = set(documented.for_authors())
    assert {"lofikit.hookspecs", "lofikit.models.base", "lofikit.testing.models"} <= modules
    assert modules <= named
    for module in named:
        for full in documented.public(importlib.import_module(module)):
            value: Any = sys.modules[module]
            for part in full.removeprefix(f"{module}.").split("."):
                value = inspect.getattr_static(value, part)
            assert inspect.getdoc(value), f"{full} has no docstring"


@pytest.mark.usefixtures("pages_code")
def test_every_command_and_option_is_on_the_page_of_commands() -> None:
    generated = importlib.import_module("generated")
    page = generated.commands() + generated.components()
    for verb in VERBS:
        assert f"\n## `lofikit {verb}`\n" in page
    for flag in command_flags():
        assert flag.replace(".no-", ".") in page or flag in page, flag


@pytest.mark.usefixtures("pages_code")
def test_the_figure_is_the_codes_own(monkeypatch: pytest.MonkeyPatch) -> None:
    figure = importlib.import_module("path_figure")
    drawn = figure.draw()
    assert drawn == figure.draw()
    assert "\n\n" not in drawn  # which would end the block in Markdown
    for kind in KINDS:
        for component in registry().of_kind(kind):
            assert component.name in drawn
    for wrong in (
        ("sources.base:Source.clips", "Audio", "library:Library.add"),
        ("sources.base:Source.clips", "ClipData", "library:Library.add_stem"),
        ("sources.base:Source.clops", "ClipData", "library:Library.add"),
    ):
        monkeypatch.setattr(figure, "FLOWS", (wrong,))
        with pytest.raises(figure.PathError):
            figure.draw()
