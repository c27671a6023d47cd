"""Running the suites without pytest: what ``lofikit check`` prints."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from lofikit.errors import UnsupportedSpecError
from lofikit.hookspecs import Component
from lofikit.plugins import registry
from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE, ModelCase
from lofikit.testing.components import NamedCheck, SuiteBase
from lofikit.testing.models import ModelSuite
from lofikit.testing.plugins import PluginSuite
from lofikit.testing.representations import RepresentationSuite
from lofikit.testing.separators import SeparatorSuite
from lofikit.testing.sources import SourceSuite

SUITES: dict[str, type[SuiteBase]] = {
    "source": SourceSuite,
    "separator": SeparatorSuite,
    "representation": RepresentationSuite,
    "model": ModelSuite,
}


@dataclass(frozen=True)
class Outcome:
    """What came of a check.

    Attributes:
        check: Its name.
        on: What it was run on, if not the component alone.
        fault: What is wrong, or an empty text.
        seconds: How long it took.
    """

    check: str
    on: str
    fault: str
    seconds: float


def checks_of(component: Component, options: Mapping[str, Any]) -> list[NamedCheck]:
    """Returns the checks of a component's suite, and those of the plugin that it belongs to.

    Args:
        component: What is checked.
        options: Options that it is built with, as JSON takes them.
    """
    members: dict[str, Any] = {"component": component.name, "options": dict(options)}
    if component.kind == "model":
        members |= _specs(component, options)
    suite = type("Suite", (SUITES[component.kind],), members)()
    distribution, _ = registry().distribution_of(component)
    plugin = type("Suite", (PluginSuite,), {"distribution": distribution})()
    return [
        *suite.checks(),
        *(NamedCheck(c.name, distribution, c.run) for c in plugin.checks()),
    ]


def run_check(check: NamedCheck) -> Outcome:
    """Runs a check; whatever it raises is its fault."""
    fault, start = "", time.perf_counter()
    try:
        check.run()
    except AssertionError as error:
        fault = str(error) or "an assertion failed"
    except Exception as error:
        fault = f"{type(error).__name__}: {error}"
    return Outcome(check.name, check.on, fault, time.perf_counter() - start)


def _specs(component: Component, options: Mapping[str, Any]) -> dict[str, Any]:
    """Sorts kinds of frames by whether the model takes them."""
    taken, refused = [], []
    for spec in (REAL, CLASSES, WIDE, CODES):
        try:
            ModelCase(component.name, options, spec).build()
        except UnsupportedSpecError:
            refused.append(spec)
        except Exception:  # what else is wrong, the checks will say
            taken.append(spec)
        else:
            taken.append(spec)
    return {"specs": tuple(taken), "unsupported": tuple(refused)}
