"""What the reference must show: a public name that it leaves out fails the build."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

import lofikit
import lofikit.testing

OWN = ("hookspecs", "options", "errors", "plugins", "isolation")


def for_authors() -> list[str]:
    """Returns the modules that plugin authors build upon: interfaces, and suites."""
    names = [f"lofikit.{name}" for name in OWN]
    for module in pkgutil.walk_packages(lofikit.__path__, "lofikit."):
        if module.name.endswith(".base"):
            names.append(module.name)
    for module in pkgutil.iter_modules(lofikit.testing.__path__, "lofikit.testing."):
        if any(name.endswith("Suite") for name, _ in _own(importlib.import_module(module.name))):
            names.append(module.name)
    return names


def public(module: ModuleType) -> Iterator[str]:
    """Yields the full name of each public class, function and method that a module defines."""
    for name, value in _own(module):
        yield f"{module.__name__}.{name}"
        if inspect.isclass(value):
            for below, member in vars(value).items():
                callable_ = inspect.isfunction(member) or isinstance(
                    member, property | classmethod | staticmethod
                )
                if callable_ and not below.startswith("_"):
                    yield f"{module.__name__}.{name}.{below}"


def _own(module: ModuleType) -> Iterator[tuple[str, Any]]:
    for name, value in vars(module).items():
        defined = inspect.isclass(value) or inspect.isfunction(value)
        if defined and not name.startswith("_") and value.__module__ == module.__name__:
            yield name, value
