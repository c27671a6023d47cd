"""What every plugin must do as a whole, whatever it offers.

A plugin's test file::

    from lofikit.testing.plugins import PluginSuite

    class TestPlugin(PluginSuite):
        distribution = "lofikit-mine"

Each ``check_...`` can also be called by itself, on the name of an installed distribution; it
raises an AssertionError that says what is wrong.
"""

from __future__ import annotations

import importlib.metadata
import inspect
import json
import os
import subprocess
import sys
from collections.abc import Sequence
from typing import Any, ClassVar

from packaging.requirements import Requirement
from pydantic import ValidationError

from lofikit.errors import OptionError, PluginError
from lofikit.hookspecs import Component, Kind
from lofikit.options import Options, build
from lofikit.plugins import GROUP, Plugin, load_class, registry
from lofikit.testing.components import SuiteBase, check_descriptions, check_json

INTERFACES: dict[Kind, str] = {
    "source": "lofikit.sources.base:Source",
    "separator": "lofikit.separators.base:Separator",
    "representation": "lofikit.representations.base:Representation",
    "model": "lofikit.models.base:Model",
}
LONGEST_SUMMARY = 100

# Lists a plugin and imports its configs, and prints what each step imported that lofikit itself
# does not. What has no spec is no module of a package (compiled ones leave such names).
_LOOK = """
import json, packaging.requirements, sys
from lofikit import hookspecs, options, plugins
from lofikit.models import configs

known, steps = set(sys.modules), {}

def note(step):
    new = {name for name in sys.modules if name not in known}
    steps[step] = sorted({n.split(".")[0] for n in new if getattr(sys.modules[n], "__spec__", 0)})
    known.update(new)

found = [p for p in plugins.registry().plugins if p.distribution == sys.argv[1]]
note("listing the plugin")
for component in (c for plugin in found for c in plugin.components):
    plugins.load_class(component.config)
    note(f"the config of {component.name}")
print(json.dumps(steps))
"""


class PluginSuite(SuiteBase):
    """The tests; derive from it and name the distribution.

    Attributes:
        distribution: Name under which the plugin is installed, for example ``lofikit-torch``.
        light: Packages that listing it and its options may import, besides lofikit's own needs.
    """

    distribution: ClassVar[str]
    light: ClassVar[Sequence[str]] = ("numpy",)

    def test_loads(self) -> None:
        """It is found, and offers something."""
        check_loads(self.distribution)

    def test_requires_core(self) -> None:
        """It says which versions of core it was built for."""
        check_requires_core(self.distribution)

    def test_names(self) -> None:
        """Its components have names and summaries that can be listed."""
        check_names(self.distribution)

    def test_components_import(self) -> None:
        """Every component and its options can be imported, and are what they should be."""
        check_components_import(self.distribution)

    def test_options(self) -> None:
        """Every option of every component is described, and survives JSON."""
        check_options(self.distribution)

    def test_listing_is_light(self) -> None:
        """Listing it and its options imports nothing heavy."""
        check_listing_is_light(self.distribution, self.light)


def check_loads(distribution: str) -> None:
    """Checks that the plugin was loaded, and offers at least one component."""
    assert _plugin(distribution).components, f"{distribution} offers no component"


def check_requires_core(distribution: str) -> None:
    """Checks that the distribution requires core, below a version that may be incompatible."""
    if distribution == "lofikit-core":
        return
    requirements = map(Requirement, importlib.metadata.requires(distribution) or ())
    core = [r.specifier for r in requirements if r.name == "lofikit-core"]
    assert core, f"{distribution} does not require lofikit-core"
    assert not core[0].contains("9999"), (
        f"{distribution} claims to work with every lofikit-core to come ({core[0] or 'any'}); set "
        "a limit, for example lofikit-core>=0.1,<0.2"
    )


def check_names(distribution: str) -> None:
    """Checks names, which share their first part and clash with nobody's, and summaries."""
    components = _plugin(distribution).components
    packages = sorted({component.name.split("/")[0] for component in components})
    assert len(packages) == 1, f"names begin with different packages: {', '.join(packages)}"
    for component in components:
        try:
            registry().find(component.kind, component.name)
        except PluginError as error:
            raise AssertionError(error.message) from error
        said = component.summary
        assert said.strip(), f"{component.name} has no summary"
        assert "\n" not in said, f"the summary of {component.name} has more than one line"
        assert len(said) <= LONGEST_SUMMARY, (
            f"the summary of {component.name} has {len(said)} characters, more than "
            f"{LONGEST_SUMMARY}"
        )


def check_components_import(distribution: str) -> None:
    """Checks that targets implement their interfaces in full, and configs derive from Options."""
    for component in _plugin(distribution).components:
        found = _imported(component, component.target)
        interface = load_class(INTERFACES[component.kind])
        assert inspect.isclass(found) and issubclass(found, interface), (
            f"{component.target} is no class derived from {INTERFACES[component.kind]}"
        )
        missing = sorted(getattr(found, "__abstractmethods__", ()))
        assert not missing, f"{component.target} lacks {', '.join(missing)}"
        config = _imported(component, component.config)
        assert inspect.isclass(config) and issubclass(config, Options), (
            f"{component.config} is no class derived from lofikit.options:Options"
        )


def check_options(distribution: str) -> None:
    """Checks that options are described, and that the defaults survive JSON."""
    for component in _plugin(distribution).components:
        config = _imported(component, component.config)
        check_descriptions(config)
        try:
            values = build(config)
        except OptionError as error:
            if _wrong_defaults(error):
                raise AssertionError(f"{component.name}: {error.message}") from error
        else:
            check_json(values)


def _wrong_defaults(error: OptionError) -> bool:
    """Returns whether defaults are refused by themselves, and not for what must be given too."""
    cause = error.__cause__
    assert isinstance(cause, ValidationError)
    return any(fault["loc"] and fault["type"] != "missing" for fault in cause.errors())


def check_listing_is_light(distribution: str, light: Sequence[str] = ("numpy",)) -> None:
    """Checks, in a new process, what listing the plugin and its options imports."""
    plugin = _plugin(distribution)
    allowed = {*sys.stdlib_module_names, *light, "lofikit"}
    for point in importlib.metadata.distribution(distribution).entry_points.select(group=GROUP):
        allowed.add(_top(point.value))
    for component in plugin.components:
        allowed |= {_top(component.target), _top(component.config)}
    done = subprocess.run(
        [sys.executable, "-c", _LOOK, distribution],
        env={**os.environ, "LOFIKIT_PLUGINS": distribution},
        capture_output=True,
        text=True,
        check=False,
    )
    assert not done.returncode, f"a new process cannot list the plugin: {done.stderr}"
    steps = json.loads(done.stdout.splitlines()[-1])
    for step, packages in steps.items():
        heavy = [p for p in packages if p not in allowed and not p.startswith("_")]
        assert not heavy, (
            f"{step} imports {', '.join(heavy)}; import that in the module of the component, "
            "which is loaded only when it is built"
        )


def _plugin(distribution: str) -> Plugin:
    found = [p for p in registry().plugins if p.distribution == distribution]
    assert found, (
        f"{distribution} is not installed, or has no entry point in the group {GROUP!r} "
        f"(have: {', '.join(p.distribution for p in registry().plugins)})"
    )
    assert not found[0].failure, f"{distribution} failed to load: {found[0].failure}"
    return found[0]


def _imported(component: Component, path: str) -> Any:
    try:
        return load_class(path)
    except PluginError as error:
        raise AssertionError(f"{component.name}: {error.message}") from error


def _top(path: str) -> str:
    return path.partition(":")[0].partition(".")[0]
