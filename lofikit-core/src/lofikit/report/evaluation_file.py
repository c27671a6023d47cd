"""What ``lofikit evaluate --json`` wrote, as far as a report shows it."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import BaseModel, ValidationError

from lofikit.errors import OptionError


class HeldOut(BaseModel):
    """A run's score on the clips that it was not trained on."""

    mean: float
    spread: float
    clips: int


class Measured(BaseModel):
    """A figure over the takes of a row: its median, and the share of takes like real music."""

    median: float | None
    within: float | None = None


class Row(BaseModel):
    """A run, an anchor, or real music against real music."""

    name: str
    kind: Literal["run", "anchor", "real"]
    unit: str | None = None
    held_out: HeldOut | None = None
    figures: dict[str, Measured]
    all_within: float | None = None
    memorisation: float | None = None
    frechet: float | None = None
    kad: float | None = None


class RealFigure(BaseModel):
    """A figure, and the 5th to 95th percentile of it in real clips of the library."""

    name: str
    title: str
    unit: str = ""
    explanation: str = ""
    bad: Literal["low", "high", "both"] = "both"
    low: float | None
    high: float | None


class Group(BaseModel):
    """Rows that were measured alike, best first."""

    rate: int
    seconds: float
    prompts: list[object]
    seeds: list[int]
    figures: list[RealFigure]
    rows: list[Row]


class Evaluation(Group):
    """An evaluation of runs beside anchors; runs of other rates or stems are other groups."""

    format: Literal[1]
    others: list[Group] = []


def read_evaluation(path: Path) -> Evaluation:
    """Reads the file of an evaluation.

    Raises:
        OptionError: If it cannot be read or is none.
    """
    hint = f"make it: lofikit evaluate RUN... --json {path}"
    try:
        return Evaluation.model_validate_json(path.read_bytes())
    except OSError as error:
        raise OptionError(f"cannot read {path}: {error.strerror}", hint) from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        place = ".".join(str(part) for part in first["loc"])
        why = f"{place}: {first['msg']}" if place else first["msg"]
        raise OptionError(f"{path} is not an evaluation: {why}", hint) from error
