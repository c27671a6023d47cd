"""Runs whose music has HTML for titles, and what they play."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lofikit.audio import Audio
from lofikit.cli.main import run as lofikit
from lofikit.collection import collect
from lofikit.library import Library
from lofikit.report.takes import Continuations, ReportOptions, make_takes
from lofikit.run import Run
from lofikit.sources.base import ClipData, Source
from lofikit.sources.beatmaker import compose

HOSTILE = '</script><script>alert("1")</script><img src=x onerror=alert(2)>\'"&amp;'


class Hostile(Source):
    """Songs whose titles, artists and origins are HTML."""

    def clips(self, known: frozenset[str]) -> Iterator[ClipData]:
        for seed in range(4):
            audio = Audio(compose(seed, 8.0, 8820).mix, 8820)
            yield ClipData(
                str(seed),
                audio,
                f"{seed} {HOSTILE}",
                HOSTILE,
                HOSTILE,
                origin=f"https://x/{HOSTILE}",
            )


@pytest.fixture(scope="session")
def options() -> ReportOptions:
    return ReportOptions(prompts=3, seeds=2, seconds=4.0, prompt_seconds=1.0)


@pytest.fixture(scope="session")
def library(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("hostile") / "library"
    collect(Hostile(None), "test/hostile", Library(path, create=True))
    return path


@pytest.fixture(scope="session")
def runs(library: Path, tmp_path_factory: pytest.TempPathFactory) -> list[Run]:
    folder = tmp_path_factory.mktemp("runs")
    made = []
    for name, words in {
        "plain": ["--model.order", "8", "--representation", "raw"],
        "<b>bold": ["--model.order", "4", "--representation", "mdct"],
    }.items():
        path = folder / name
        words = [*words, "--epochs", "1", "--steps", "3", "--audition", "0", "--held-out", "0.5"]
        words = ["train", str(library), "--model", "linear", *words, "-o", str(path)]
        assert lofikit(words) == 0
        made.append(Run.open(path))
    return made


@pytest.fixture(scope="session")
def comparisons(runs: list[Run], library: Path, options: ReportOptions) -> list[Continuations]:
    return make_takes(runs, Library(library), options)
