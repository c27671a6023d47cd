"""What the suites of all kinds share: finding the component, and checking its options."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray
from pydantic import BaseModel

from lofikit.hookspecs import Component, Kind
from lofikit.options import build, describe
from lofikit.plugins import load_class, registry


@dataclass(frozen=True)
class NamedCheck:
    """One check of a suite.

    Attributes:
        name: What is checked, in a word or a few.
        on: What it is checked on, if not the component alone.
        run: Runs it; raises an AssertionError that says what is wrong.
    """

    name: str
    on: str
    run: Callable[[], None]


class SuiteBase:
    """Base of all suites: its tests can also be run without pytest."""

    def checks(self) -> Iterator[NamedCheck]:
        """Yields the tests in the order in which they are written."""
        names = dict.fromkeys(n for cls in reversed(type(self).__mro__) for n in vars(cls))
        for name in (name for name in names if name.startswith("test_")):
            test = getattr(self, name)
            if callable(test):
                yield NamedCheck(name.removeprefix("test_").replace("_", " "), "", test)


class ComponentSuite(SuiteBase):
    """Base of the suites; an author derives from one of a kind and says what is tested.

    Attributes:
        kind: The kind of component, set by each suite.
        component: Full name under which the component is registered, for example ``core/mdct``.
        options: Options that it is built with; those left out have their defaults.
    """

    kind: ClassVar[Kind]
    component: ClassVar[str]
    options: ClassVar[Mapping[str, Any]] = {}

    def found(self) -> Component:
        """Returns the component as it is registered."""
        return registry().find(self.kind, self.component)

    def config(self) -> BaseModel:
        """Returns its config, with the suite's options."""
        config_class: type[BaseModel] = load_class(self.found().config)
        return build(config_class, self.options)

    def test_options_are_described(self) -> None:
        """Every option says what it does."""
        check_descriptions(load_class(self.found().config))

    def test_options_survive_json(self) -> None:
        """A run file can hold the options."""
        check_json(self.config())


def check_descriptions(config: type[BaseModel]) -> None:
    """Checks that every option of a config class has a description."""
    for info in describe(config):
        assert info.description, f"the option {info.name!r} of {config.__name__} has no description"


def check_json(config: BaseModel) -> None:
    """Checks that a config is the same after a trip through JSON."""
    again = type(config).model_validate_json(config.model_dump_json())
    assert again == config, f"the options change on their way through JSON: {config} to {again}"


def music(samples: int, rate: int, channels: int = 1, seed: int = 0) -> NDArray[np.float32]:
    """Returns something like music: a chord that swells, strokes, and a little noise.

    Args:
        samples: How many.
        rate: Sample rate in Hz.
        channels: Number of channels; they differ.
        seed: Seeds phases and noise.

    Returns:
        float32 within [-1, 1], shape (channels, samples).
    """
    rng = np.random.default_rng(seed)
    seconds = np.arange(samples) / rate
    out = 0.02 * rng.standard_normal((channels, samples))
    for pitch in (110.0, 138.6, 164.8, 415.3):
        phases = rng.uniform(0, 2 * np.pi, (channels, 1))
        out += 0.12 * np.sin(2 * np.pi * pitch * seconds + phases)
    out *= 0.6 + 0.4 * np.sin(2 * np.pi * 0.7 * seconds)
    since_stroke = seconds % 0.35
    out += 0.4 * np.exp(-60 * since_stroke) * rng.uniform(-1, 1, (channels, samples))
    return np.clip(out, -1, 1).astype(np.float32)
