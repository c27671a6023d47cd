"""Finding plugins, and the components that they offer.

Each plugin is loaded in a ``try`` of its own, so a broken one is reported and never stops the
tool. Nothing here imports more than pluggy: what a component needs is imported when it is built.
"""

from __future__ import annotations

import difflib
import importlib
import importlib.metadata
import importlib.util
import os
import re
import time
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import pluggy

from lofikit import hookspecs
from lofikit.errors import LofikitError, PluginError
from lofikit.hookspecs import KINDS, Component, Kind

GROUP = "lofikit"
SLOW_SECONDS = 0.5
"""A plugin that takes longer to load is pointed out: most commands wait for it."""

# Packages of this project that a user may ask for before installing them.
KNOWN_PACKAGES = {
    "torch": "lofikit-torch",
    "keras": "lofikit-keras",
    "spotify": "lofikit-spotify",
    "archive": "lofikit-archive",
    "spleeter": "lofikit-spleeter",
}
# Short names that only a package of this project offers.
KNOWN_COMPONENTS: dict[Kind, dict[str, str]] = {
    "source": {"spotify": "lofikit-spotify", "archive": "lofikit-archive"},
    "separator": {"spleeter": "lofikit-spleeter"},
    "representation": {},
    "model": dict.fromkeys(("tcn", "lstm", "seq2seq"), "lofikit-torch"),
}

_NAME = re.compile(r"[a-z0-9][a-z0-9_-]*/[a-z0-9][a-z0-9_.-]*")
_TARGET = re.compile(r"[A-Za-z_][\w.]*:[A-Za-z_]\w*")


@dataclass(frozen=True)
class Plugin:
    """A distribution that registered itself, whether it could be loaded or not.

    Attributes:
        name: The entry point's name.
        distribution: The installed distribution that it belongs to, with its version.
        components: What it offers; empty if it failed.
        failure: Why it could not be loaded, in one line; empty if it was.
        seconds: Time that it took to import it and ask it what it offers.
    """

    name: str
    distribution: str
    version: str
    components: tuple[Component, ...] = ()
    failure: str = ""
    seconds: float = 0.0


@dataclass(frozen=True)
class Registry:
    """All plugins of this environment, and their components by full name."""

    plugins: tuple[Plugin, ...]
    components: dict[tuple[Kind, str], Component] = field(default_factory=dict)
    owners: dict[tuple[Kind, str], Plugin] = field(default_factory=dict)
    clashes: dict[tuple[Kind, str], tuple[str, str]] = field(default_factory=dict)

    def of_kind(self, kind: Kind) -> list[Component]:
        """Returns the components of one kind, sorted by name."""
        return [self.components[key] for key in sorted(self.components) if key[0] == kind]

    def find(self, kind: Kind, name: str) -> Component:
        """Returns the component that ``name`` means.

        Args:
            kind: The kind asked for.
            name: A full name (``torch/tcn``), or a short one (``tcn``) if it is unique.

        Raises:
            PluginError: If no plugin offers it, several do, or the plugin that should failed.
        """
        if (kind, name) in self.clashes:
            first, second = self.clashes[kind, name]
            raise PluginError(
                f"the {kind} {name!r} is offered by two packages, {first} and {second}",
                f"uninstall one of them: pip uninstall {second.split()[0]}",
            )
        if (kind, name) in self.components:
            return self.components[kind, name]
        matches = [c for c in self.of_kind(kind) if c.name.split("/")[1] == name]
        if len(matches) == 1:
            return matches[0]
        if matches:
            names = ", ".join(c.name for c in matches)
            raise PluginError(
                f"the {kind} {name!r} is offered more than once: {names}",
                f"give the full name, for example --{kind} {matches[0].name}",
            )
        raise self._not_found(kind, name)

    def distribution_of(self, component: Component) -> tuple[str, str]:
        """Returns the name and version of the distribution that offers a component."""
        plugin = self.owners[component.kind, component.name]
        return plugin.distribution, plugin.version

    def _not_found(self, kind: Kind, name: str) -> PluginError:
        package, _, short = name.rpartition("/")
        known = KNOWN_PACKAGES.get(package) or (
            "" if package else KNOWN_COMPONENTS[kind].get(short, "")
        )
        for plugin in self.plugins:
            if plugin.failure and (
                package == plugin.name or plugin.distribution in (known, package)
            ):
                return PluginError(
                    f"the {kind} {name!r} is not available, because its plugin "
                    f"{plugin.distribution} {plugin.version} failed to load: {plugin.failure}",
                    "see all plugins: lofikit plugins",
                )
        installed = {plugin.distribution for plugin in self.plugins}
        if known and known not in installed:
            return PluginError(
                f"the {kind} {name!r} needs {known}, which is not installed",
                f"install it: pip install {known}",
            )
        names = [c.name for c in self.of_kind(kind)]
        words = {**{n.split("/")[1]: n for n in names}, **{n: n for n in names}}
        close = difflib.get_close_matches(name, words, n=1, cutoff=0.6)
        guess = f" Did you mean {words[close[0]]!r}?" if close else ""
        listed = f"have: {', '.join(names)}" if names else f"no {kind} is installed"
        return PluginError(
            f"there is no {kind} {name!r} ({listed}).{guess}", "see all: lofikit plugins"
        )


def load_class(target: str) -> Any:
    """Imports ``module:Class`` and returns the class.

    Raises:
        PluginError: If the module cannot be imported, whatever it raises, or has no such class.
    """
    module, _, name = target.partition(":")
    try:
        loaded = importlib.import_module(module)
    except LofikitError:
        raise  # a plugin that explains itself
    except ImportError as error:
        package = (getattr(error, "name", None) or "").split(".")[0]
        absent = package and importlib.util.find_spec(package) is None
        hint = f"install it: pip install {package}" if absent else "see: lofikit plugins"
        raise PluginError(f"cannot import {target}: {error}", hint) from error
    except (Exception, SystemExit) as error:
        raise PluginError(
            f"cannot import {target}: {_named(error)}", f'see where: python -c "import {module}"'
        ) from error
    try:
        return getattr(loaded, name)
    except AttributeError as error:
        raise PluginError(f"the module {module} has no class {name}") from error


@cache
def registry() -> Registry:
    """Returns the plugins of this environment; found once a process.

    ``LOFIKIT_PLUGINS`` limits them to a comma-separated list of distributions or entry points
    (core's own are always there); with ``LOFIKIT_STRICT=1`` a plugin that fails raises instead
    of being reported.
    """
    manager = pluggy.PluginManager("lofikit")
    manager.add_hookspecs(hookspecs)
    allowed = os.environ.get("LOFIKIT_PLUGINS")
    names = None if allowed is None else {n.strip() for n in allowed.split(",") if n.strip()}
    plugins = [_load_builtins(manager)]
    points = sorted(importlib.metadata.entry_points(group=GROUP), key=lambda p: (p.name, p.value))
    for point in points:
        distribution = point.dist.name if point.dist else point.value
        if names is None or distribution in names or point.name in names:
            plugins.append(_load(manager, point))
    return _register(plugins)


def _load_builtins(manager: pluggy.PluginManager) -> Plugin:
    from lofikit import __version__, builtins

    components = _call(manager, builtins, "core")
    return Plugin("core", "lofikit-core", __version__, components)


def _load(manager: pluggy.PluginManager, point: importlib.metadata.EntryPoint) -> Plugin:
    distribution = point.dist.name if point.dist else point.value
    version = point.dist.version if point.dist else "?"
    components: tuple[Component, ...] = ()
    failure, start = "", time.perf_counter()
    try:
        _check_core_version(point)
        components = _call(manager, point.load(), f"{distribution}:{point.name}")
    except (Exception, SystemExit) as error:
        if _strict():
            raise
        # A plugin may fail in any way at all: its failure is a line in `lofikit plugins`.
        failure = _named(error)
    seconds = time.perf_counter() - start
    return Plugin(point.name, distribution, version, components, failure, seconds)


def _strict() -> bool:
    return os.environ.get("LOFIKIT_STRICT") == "1"


def _named(error: BaseException) -> str:
    """Returns an error's type and first line."""
    said = str(error).strip().splitlines()
    return f"{type(error).__name__}: {said[0]}" if said else type(error).__name__


def _check_core_version(point: importlib.metadata.EntryPoint) -> None:
    from packaging.requirements import InvalidRequirement, Requirement

    from lofikit import __version__

    for text in (point.dist.requires if point.dist else None) or ():
        try:
            requirement = Requirement(text)
        except InvalidRequirement:
            continue
        if requirement.name == "lofikit-core" and not requirement.specifier.contains(
            __version__, prereleases=True
        ):
            raise PluginError(
                f"built for lofikit-core {requirement.specifier}, and this is {__version__}"
            )


def _call(manager: pluggy.PluginManager, module: Any, name: str) -> tuple[Component, ...]:
    try:
        manager.register(module, name)
    except pluggy.PluginValidationError as error:
        raise PluginError(str(error).strip().splitlines()[-1]) from error
    if not any(
        implementation.plugin is module
        for implementation in manager.hook.lofikit_components.get_hookimpls()
    ):
        raise PluginError(f"the module {module.__name__} has no hook lofikit_components")
    others = [plugin for plugin in manager.get_plugins() if plugin is not module]
    results = manager.subset_hook_caller("lofikit_components", others)()
    offered = results[0] if results else None  # pluggy leaves out what is None
    if not isinstance(offered, (list, tuple)):
        raise PluginError(f"lofikit_components returned {offered!r}, which is no list")
    components = tuple(_checked(component) for component in offered)
    names = [(component.kind, component.name) for component in components]
    for kind, twice in names:
        if names.count((kind, twice)) > 1:
            raise PluginError(f"the {kind} {twice!r} is offered twice")
    return components


def _checked(component: Any) -> Component:
    if not isinstance(component, Component):
        raise PluginError(f"lofikit_components returned {component!r}, which is not a Component")
    for field_name in ("kind", "name", "summary", "target", "config"):
        value = getattr(component, field_name)
        if not isinstance(value, str):
            raise PluginError(f"the {field_name} of a component is {value!r}, which is no text")
    if component.kind not in KINDS:
        raise PluginError(f"{component.name!r} has the unknown kind {component.kind!r}")
    if not _NAME.fullmatch(component.name):
        raise PluginError(f"{component.name!r} is not a name of the form package/name")
    for path in (component.target, component.config):
        if not _TARGET.fullmatch(path):
            raise PluginError(f"{component.name}: {path!r} is not of the form module:Class")
    return component


def _register(plugins: list[Plugin]) -> Registry:
    found = Registry(tuple(plugins))
    for plugin in plugins:
        for component in plugin.components:
            key = (component.kind, component.name)
            here = f"{plugin.distribution} {plugin.version}"
            if key in found.owners:
                other = found.owners[key]
                found.clashes[key] = (f"{other.distribution} {other.version}", here)
                if _strict():
                    found.find(*key)  # raises
                found.components.pop(key, None)
            else:
                found.components[key] = component
                found.owners[key] = plugin
    return found
