"""A Sphinx extension: a public name that the reference leaves out is a warning.

The reference shows what has a docstring. So each public class, function and method of a module
that the reference names must be among what it shows, and each module that plugin authors build
upon must be named.
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from types import ModuleType
from typing import Any

from sphinx.application import Sphinx
from sphinx.environment import BuildEnvironment
from sphinx.util import logging

import lofikit
import lofikit.testing

logger = logging.getLogger(__name__)

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


def check(app: Sphinx, env: BuildEnvironment) -> None:
    """Warns of each name that the reference does not show."""
    domain = env.domains.python_domain
    for name in for_authors():
        if name not in domain.modules:
            logger.warning("the reference does not name the module %s", name)
    for name in domain.modules:
        for full in public(importlib.import_module(name)):
            if full not in domain.objects:
                logger.warning("the reference does not show %s: has it a docstring?", full)


def setup(app: Sphinx) -> dict[str, Any]:
    """Registers the check."""
    app.connect("env-check-consistency", check)
    return {"parallel_read_safe": True}
