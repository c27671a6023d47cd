"""An evaluation: runs and anchors go on from the same prompts, and are measured alike."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lofikit.evaluation import baseline
from lofikit.evaluation.anchors import ANCHORS
from lofikit.evaluation.comparison import Comparison, HeldOut, Row, ranked
from lofikit.evaluation.excerpts import Excerpt
from lofikit.evaluation.held_out import held_out_clips, held_out_scores, model_scores
from lofikit.evaluation.stage import EvaluationOptions, Show, Stage
from lofikit.evaluation.takes import generate_takes
from lofikit.library import Library
from lofikit.models.base import Model
from lofikit.representations.base import Representation
from lofikit.run import Run
from lofikit.spectrum import Samples

_Alike = tuple[int, str, float | None, Path]  # what runs have in common that are compared
_Runs = Sequence[tuple[Run, Library]]


@dataclass(frozen=True)
class Scored:
    """The predictions of a run, or of the baseline, on held-back clips.

    Attributes:
        name: The run's path, or the baseline's name.
        model: The model's full name.
        unit: What is counted: ``bits a sample``, ``bits a code``, or ``dB`` of prediction gain.
        rate: Sample rate in Hz.
        stem: Stem of the clips.
        held_out: Its summary over clips.
    """

    name: str
    model: str
    unit: str
    rate: int
    stem: str
    held_out: HeldOut


def score(
    runs: _Runs, seconds: float = 20.0, progress: Callable[[str], None] = lambda clip: None
) -> list[Scored]:
    """Scores the predictions of runs on their held-back clips, best first.

    Where classes of single samples are predicted, adaptive linear prediction that nobody trained
    is scored too, on the clips that the first such run held back.

    Args:
        runs: Runs, each with its library.
        seconds: How much of each clip is scored at most.
        progress: Called with each clip that is done with.

    Raises:
        LibraryError: If a library holds none of the clips that a run held back.
    """
    found: list[Scored] = []
    beside: set[tuple[int, str]] = set()  # rates and stems that the baseline is scored at
    for run, library in runs:
        data = run.config.data
        scores, unit = held_out_scores(run, library, seconds, progress)
        summary = HeldOut.of(scores, unit)
        if unit == "bits":
            unit = "bits a sample" if run.representation().spec.hop == 1 else "bits a code"
        where = (data.sample_rate, data.stem)
        found.append(Scored(str(run.path), run.config.model.name, unit, *where, summary))
        if unit == "bits a sample" and where not in beside:
            beside.add(where)
            store, parts = held_out_clips(run, library)
            untrained = baseline.adaptive_prediction(data.sample_rate)
            scores, _ = model_scores(*untrained, store, parts, data.level, seconds, progress)
            summary = HeldOut.of(scores, "bits")
            found.append(Scored(baseline.NAME, "core/linear", unit, *where, summary))
    return sorted(found, key=_merit)


def _merit(one: Scored) -> tuple[str, float]:
    return one.unit, one.held_out.mean * (-1 if one.unit == "dB" else 1)


def evaluate(
    runs: _Runs,
    options: EvaluationOptions,
    scored: Sequence[Scored] = (),
    show: Show = lambda what, done, total: None,
) -> list[Comparison]:
    """Lets runs play from held-back prompts, and measures what they play beside anchors.

    The same runs, library and options give the same figures.

    Args:
        runs: Runs, each with its library.
        options: How they are evaluated.
        scored: What :func:`score` gave, to go into the rows.
        show: Called as the work goes on.

    Returns:
        A comparison for each rate, stem, level and library that runs were trained at.

    Raises:
        LibraryError: If no clip is held back by all runs of a comparison, or clips are too short.
        PromptError: If a model cannot be primed with a prompt.
    """
    groups: dict[_Alike, list[Run]] = {}
    libraries: dict[_Alike, Library] = {}
    for run, library in runs:
        data = run.config.data
        key = (data.sample_rate, data.stem, data.level, library.path.resolve())
        groups.setdefault(key, []).append(run)
        libraries[key] = library
    return [_compare(alike, libraries[key], options, scored, show) for key, alike in groups.items()]


def _compare(
    runs: Sequence[Run],
    library: Library,
    options: EvaluationOptions,
    scored: Sequence[Scored],
    show: Show,
) -> Comparison:
    players = [_Player.of_run(run) for run in runs]
    needed = max(player.needed for player in players)
    keeping_time = any(player.representation.keeps_time for player in players)
    stage = Stage(runs, library, options, needed, keeping_time, show)
    data = runs[0].config.data
    known = {
        one.name: one.held_out
        for one in scored
        if (one.rate, one.stem) == (data.sample_rate, data.stem)
    }
    rows = [stage.real_row()]
    for anchor in (*ANCHORS, stage.code_chain()):
        rows.append(stage.row(anchor.name, "anchor", stage.takes(anchor)))
    rows += _baseline_row(stage, options, known.get(baseline.NAME), show)
    for player, run in zip(players, runs, strict=True):
        takes = player.takes(stage, stage.prompts, stage.seeds, options, show)
        hop, held = player.representation.spec.hop, known.get(player.name)
        rows.append(stage.row(player.name, "run", takes, hop, run, held))
    return Comparison(
        stage.rate,
        options.seconds,
        stage.excerpt / stage.rate,
        tuple(stage.prompts),
        stage.seeds,
        stage.ranges,
        ranked(rows),
    )


def _baseline_row(
    stage: Stage, options: EvaluationOptions, held_out: HeldOut | None, show: Show
) -> list[Row]:
    """Lets adaptive prediction play from some of the prompts, if these are long enough for it."""
    player = _Player(baseline.NAME, *baseline.adaptive_prediction(stage.rate))
    if player.needed > len(stage.prompts[0].prompt):
        return []
    count = min(baseline.takes_at(stage.rate), len(stage.prompts))
    places = (2 * np.arange(count) + 1) * len(stage.prompts) // (2 * count)
    prompts = [stage.prompts[place] for place in places]
    takes = player.takes(stage, prompts, stage.seeds[:1], options, show)
    row = stage.row(baseline.NAME, "anchor", takes, held_out=held_out, prompts=prompts)
    return [row]


class _Player:
    """A model in memory, and what makes its frames."""

    def __init__(self, name: str, model: Model, representation: Representation) -> None:
        self.name = name
        self.model = model
        self.representation = representation

    @classmethod
    def of_run(cls, run: Run) -> _Player:
        """Loads a run."""
        representation = run.representation()
        return cls(str(run.path), run.trained_model(representation), representation)

    @property
    def needed(self) -> int:
        """Samples of a prompt that the model can be primed with."""
        return self.model.context * self.representation.spec.hop

    def takes(
        self,
        stage: Stage,
        prompts: Sequence[Excerpt],
        seeds: Sequence[int],
        options: EvaluationOptions,
        show: Show,
    ) -> list[Samples]:
        """Goes on from all prompts with every seed."""
        total = len(prompts) * len(seeds) * options.seconds
        generated = generate_takes(
            self.model,
            self.representation,
            np.stack([excerpt.prompt for excerpt in prompts]),
            seeds,
            stage.length,
            options.sampling,
            lambda samples: show(f"{self.name}: playing", samples / stage.rate, total),
            stage.beats(prompts) if self.representation.keeps_time else None,
        )
        return [take for group in generated for take in group]
