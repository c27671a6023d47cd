"""Options: from pydantic fields to flags, files and messages."""

from typing import Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofikit.errors import OptionError
from lofikit.options import Options, build, describe, option, parse_value, show_value


class Config(Options):
    size: int = option(4, "How large.", unit="samples", ge=1, le=100)
    factor: float | None = option(None, "A factor.")
    steps: tuple[int, ...] = option((1, 2), "Some steps.")
    kind: Literal["a", "b"] = option("a", "Which kind.")
    fast: bool = option(True, "Whether fast.")


class Required(Options):
    path: str = option(description="Where.")


def test_description_of_each_field() -> None:
    size, factor, steps, kind, fast = describe(Config)
    assert (size.flag, size.default, size.unit, size.type) == ("size", "4", "samples", "value")
    assert (factor.default, factor.type) == ("none", "value")
    assert (steps.default, steps.type) == ("1,2", "list")
    assert (kind.choices, kind.type) == (("a", "b"), "choice")
    assert fast.type == "flag"
    assert describe(Required)[0].required


def test_later_layers_win() -> None:
    assert build(Config, {"size": 5, "kind": "b"}, {"size": "6"}).size == 6
    assert build(Config, {"size": 5, "kind": "b"}, {"size": "6"}).kind == "b"


def test_dashes_and_none() -> None:
    assert build(Config, {"factor": 2.0}, {"factor": "none"}).factor is None
    assert build(Config, {"size": "none"} | {"size": 3}).size == 3


@pytest.mark.parametrize(
    ("values", "said", "hint"),
    [
        ({"sise": 3}, "no option --model.sise", "did you mean --model.size?"),
        ({"zzz": 3}, "no option --model.zzz", "have: --model.size"),
        ({"size": 0}, "--model.size 0: input should be greater than or equal to 1", "How large"),
        ({"size": "many"}, "--model.size many", "[samples]"),
        ({"kind": "c"}, "--model.kind c", "Which kind"),
    ],
)
def test_what_is_wrong_is_said_with_the_next_step(
    values: dict[str, object], said: str, hint: str
) -> None:
    with pytest.raises(OptionError) as caught:
        build(Config, values, prefix="model")
    assert said in caught.value.message
    assert hint in caught.value.hint
    assert "\n" not in caught.value.message


def test_a_required_option_is_asked_for() -> None:
    with pytest.raises(OptionError, match=r"--source\.path is required"):
        build(Required, prefix="source")


@given(
    st.builds(
        Config,
        size=st.integers(1, 100),
        factor=st.none() | st.floats(allow_nan=False, allow_infinity=False),
        steps=st.lists(st.integers(), max_size=5).map(tuple),
        kind=st.sampled_from(["a", "b"]),
        fast=st.booleans(),
    )
)
def test_what_is_shown_can_be_typed(config: Config) -> None:
    typed = {
        name: parse_value(Config, name, show_value(getattr(config, name)))
        for name in Config.model_fields
    }
    assert build(Config, typed) == config
