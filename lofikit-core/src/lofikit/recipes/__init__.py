"""Recipes: trainings as data files, found by name (``paper/tcn``)."""

from __future__ import annotations

import difflib
import tomllib
from importlib import resources
from typing import Any

from lofikit.errors import OptionError


def names() -> list[str]:
    """Returns the names of all recipes."""
    root = resources.files(__name__)
    return sorted(
        f"{folder.name}/{file.name.removesuffix('.toml')}"
        for folder in root.iterdir()
        if folder.is_dir()
        for file in folder.iterdir()
        if file.name.endswith(".toml")
    )


def text(name: str) -> str:
    """Returns a recipe as it is written.

    Raises:
        OptionError: If there is none of this name.
    """
    known = names()
    if name not in known:
        close = difflib.get_close_matches(name, known, n=1, cutoff=0.4)
        guess = f"did you mean {close[0]}?" if close else f"have: {', '.join(known)}"
        raise OptionError(f"there is no recipe {name!r}", guess)
    return (resources.files(__name__) / f"{name}.toml").read_text(encoding="utf-8")


def load(name: str) -> dict[str, Any]:
    """Returns a recipe: a run's configuration, in part.

    Raises:
        OptionError: If there is none of this name.
    """
    return tomllib.loads(text(name))
