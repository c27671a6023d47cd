"""New plugin packages, from the files in ``templates/``.

A template is a folder of plain files. In their text and in their paths some words in capitals
stand for what a person chooses; the files are valid Python even so, and are checked as such.
"""

from __future__ import annotations

import keyword
import re
from dataclasses import dataclass
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

from lofikit import __version__
from lofikit.errors import OptionError, OutputError
from lofikit.hookspecs import Kind
from lofikit.plugins import KNOWN_PACKAGES, registry

_WORD = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")
_SUMMARIES: dict[Kind, str] = {
    "source": "Arpeggios of plucked strings.",
    "separator": "What lies below a frequency, and what lies above.",
    "representation": "Frames of a cosine transform.",
    "model": "A Markov chain: which class follows which.",
}


@dataclass(frozen=True)
class PluginName:
    """What a new plugin is called.

    Attributes:
        package: First part of its component's name, for example ``mine``.
        component: Second part, for example ``wavenet``.
    """

    package: str
    component: str

    @classmethod
    def parse(cls, text: str) -> PluginName:
        """Reads ``package/name``, or one word that serves as both.

        Raises:
            OptionError: If it cannot be a name, or is taken.
        """
        package, slash, component = text.partition("/")
        name = cls(package, component if slash else package)
        for word in (name.package, name.component):
            if not _WORD.fullmatch(word):
                raise OptionError(
                    f"{text!r} cannot be a plugin's name: {word!r} must be made of lower-case "
                    "letters, digits and single dashes, and begin with a letter",
                    "for example mine/wavenet, or one word that serves as both: wavenet",
                )
        offered = {found.name.split("/")[0] for found in registry().components.values()}
        if name.package in offered | set(KNOWN_PACKAGES):
            raise OptionError(
                f"{name.package!r} is the name of another plugin",
                f"choose another, for example my-{name.package}/{name.component}",
            )
        if keyword.iskeyword(name.class_name):
            raise OptionError(f"{name.component!r} is a word of Python", f"try my-{name.component}")
        return name

    @property
    def full(self) -> str:
        """The component's full name."""
        return f"{self.package}/{self.component}"

    @property
    def distribution(self) -> str:
        """The name that it is installed under."""
        return f"lofikit-{self.package}"

    @property
    def class_name(self) -> str:
        """The component's class: ``my-wavenet`` is ``MyWavenet``."""
        return "".join(word.capitalize() for word in self.component.split("-"))


def write_plugin(kind: Kind, name: PluginName, path: Path) -> list[Path]:
    """Writes a new package.

    Args:
        kind: Kind of its component.
        name: What it is called.
        path: Its folder; must not exist.

    Returns:
        The files written, relative to the folder.

    Raises:
        OutputError: If the folder exists.
        OptionError: If the component's class would hide one of lofikit's.
    """
    if path.exists():
        raise OutputError(f"{path} exists already", "choose another folder with -o")
    templates = resources.files("lofikit") / "templates"
    own = {**_texts(templates / "package"), **_texts(templates / kind)}
    usage = own.pop("usage.md").strip()
    words = _words(kind, name)
    if any(re.search(rf"\b{name.class_name}\b", text) for text in own.values()):
        raise OptionError(
            f"a class {name.class_name} would hide one that it is made with",
            f"choose another name, for example {name.package}/my-{name.component}",
        )
    written = []
    for template, text in sorted(own.items()):
        file = Path(_substitute(template, words))
        (path / file).parent.mkdir(parents=True, exist_ok=True)
        content = _substitute(text.replace("USAGE", usage), words)
        (path / file).write_text(content, encoding="utf-8")
        written.append(file)
    return written


def _words(kind: Kind, name: PluginName) -> dict[str, str]:
    major, minor = __version__.split(".")[:2]
    return {
        "lofikit_PACKAGE": name.distribution.replace("-", "_"),
        "PACKAGE": name.package,
        "NAME": name.component,
        "CLASS": name.class_name,
        "KIND": kind,
        "INTERFACE": f"{kind}s.base",
        "SUMMARY": _SUMMARIES[kind],
        "CORE": f"{major}.{minor}",
        "LIMIT": f"{major}.{int(minor) + 1}",
    }


def _substitute(text: str, words: dict[str, str]) -> str:
    return re.sub(
        "|".join(rf"(?<![A-Z]){word}(?![A-Z]{{2}})" for word in words),
        lambda match: words[match[0]],
        text,
    )


def _texts(folder: Traversable, prefix: str = "") -> dict[str, str]:
    """Returns the files under a folder, by their paths in it."""
    found: dict[str, str] = {}
    for item in folder.iterdir():
        if item.is_dir():
            if item.name != "__pycache__":
                found |= _texts(item, f"{prefix}{item.name}/")
        else:
            found[prefix + item.name] = item.read_text(encoding="utf-8")
    return found
