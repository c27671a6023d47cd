"""The matrix: every representation with every model of every installed package.

Each pair is trained for two tiny epochs, interrupted after the first and resumed, and generates a
little; or it is refused with ``UnsupportedSpecError`` and a next step. Anything else is a fault.

    python tests/matrix.py [docs/matrix.md]

prints the table, writes it to the file, and ends with code 1 if there is a fault.
"""

from __future__ import annotations

import signal
import sys
import tempfile
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from lofikit.cli.main import run as lofikit
from lofikit.errors import UnsupportedSpecError
from lofikit.hookspecs import Component
from lofikit.library import Library
from lofikit.options import build
from lofikit.performers import TakeOptions, Voice, open_performers
from lofikit.plan import Phase, TrainingConfig
from lofikit.plugins import load_class, registry
from lofikit.representations.base import FrameSpec
from lofikit.run import ComponentConfig, Run, RunConfig
from lofikit.session import Session, prepare
from lofikit.testing.models import spec_name
from lofikit.training import train

RATE = 4410
# Whatever option of these names a component has, it gets.
SMALL = {
    "filters": 4,
    "units": 8,
    "width": 16,
    "dilations": [1, 2],
    "window": 16,
    "block": 4,
    "order": 8,
    "frame": 4,
    "device": "cpu",
    "jit_compile": "off",
}
PLAN = TrainingConfig(
    audition=0.0,
    checkpoint_every=0.0,
    validation_chunks=2,
    # A network that regresses must have learned a little, or its feedback grows beyond bounds.
    phases=(Phase(epochs=2, steps=30, batch_size=2),),
)


@dataclass(frozen=True)
class Cell:
    """What became of a pair: ``ok``, ``refused`` or ``fault``, and why."""

    result: str
    reason: str = ""


# Class ids without an order must be embedded.
EMBEDDED = {**SMALL, "embedding": 4}


def config_of(component: Component, small: dict[str, Any] | None = None) -> ComponentConfig:
    config = load_class(component.config)
    options = {n: v for n, v in (small or {}).items() if n in config.model_fields}
    values = build(config, options).model_dump(mode="json")
    return ComponentConfig(name=component.name, options=values)


def try_pair(representation: Component, model: Component, library: Path, folder: Path) -> Cell:
    spec = spec_of(representation)
    small = SMALL if spec.ordinal else EMBEDDED
    try:
        config = RunConfig(
            library=str(library),
            representation=config_of(representation),
            model=config_of(model, small),
            training=PLAN,
        )
        train_and_play(Run.create(folder, config), Library(library))
    except UnsupportedSpecError as error:
        return Cell("refused", error.message) if error.hint else Cell("fault", "has no hint")
    except Exception as error:
        return Cell("fault", f"{type(error).__name__}: {error}")
    return Cell("ok")


def train_and_play(run: Run, library: Library) -> None:
    def interrupt(session: Session) -> None:
        signal.raise_signal(signal.SIGINT)

    half = train(prepare(run, library), checkpointed=interrupt)
    if half.finished or half.epoch != 1:
        raise AssertionError(f"interrupted after an epoch, it stands at {half}")
    whole = train(prepare(Run.open(run.path), library))
    if not whole.finished or whole.step != PLAN.phases[0].epochs * (PLAN.phases[0].steps or 0):
        raise AssertionError(f"resumed, it ends at {whole}")
    (player,) = open_performers([Voice(Run.open(run.path))], TakeOptions(0.25))
    samples = player.next(RATE // 4)
    if samples.shape != (RATE // 4,) or not np.isfinite(samples).all():
        raise AssertionError(f"a quarter of a second is of shape {samples.shape}, or not finite")


def spec_of(representation: Component) -> FrameSpec:
    config = build(load_class(representation.config))
    spec: FrameSpec = load_class(representation.target)(config, RATE).spec
    return spec


def table(cells: dict[tuple[str, str], Cell], specs: dict[str, FrameSpec]) -> str:
    models = list(dict.fromkeys(model for _, model in cells))
    rows = [
        ["representation", "frames", *models],
        ["---"] * (2 + len(models)),
        *(
            [name, spec_name(spec), *(cells[name, model].result for model in models)]
            for name, spec in specs.items()
        ),
    ]
    return "\n".join(f"| {' | '.join(row)} |" for row in rows)


def page(cells: dict[tuple[str, str], Cell], specs: dict[str, FrameSpec]) -> str:
    refused = [
        f"- `{representation}` with `{model}`: {cell.reason}."
        for (representation, model), cell in cells.items()
        if cell.result == "refused"
    ]
    reasons = ["", "Refused:", "", *refused] if refused else []
    return "\n".join(
        [
            "# The matrix",
            "",
            "Every representation with every model of core, torch, Keras and a third party's",
            "example, at a tiny size: trained, interrupted, resumed and played (ok), or refused",
            "before training with an error that names what to choose instead (refused).",
            "`nox -s matrix` goes through all pairs and writes this page.",
            "",
            table(cells, specs),
            *reasons,
            "",
            "Frames are values a frame: `1x256` is one of 256 classes, `256xreal` are 256 reals.",
            "Classes in no order, as codes are, are given to models that embed them with",
            "`--model.embedding`.",
            "",
        ]
    )


def main(arguments: list[str]) -> int:
    cells: dict[tuple[str, str], Cell] = {}
    representations = registry().of_kind("representation")
    specs: dict[str, Any] = {r.name: spec_of(r) for r in representations}
    with tempfile.TemporaryDirectory() as name:
        root = Path(name)
        library = root / "library"
        music = ["--source.clips", "3", "--source.seconds", "8", "--source.sample-rate", "8820"]
        if lofikit(["collect", "synthetic", *music, "-o", str(library)]):
            return 1
        for representation in representations:
            for model in registry().of_kind("model"):
                start = time.perf_counter()
                key = representation.name, model.name
                cell = try_pair(representation, model, library, root / f"run-{len(cells)}")
                cells[key] = cell
                seconds = time.perf_counter() - start
                print(f"{' with '.join(key)}: {cell.result} ({seconds:.1f} s) {cell.reason}")
    print(f"\n{table(cells, specs)}")
    for file in arguments:
        Path(file).write_text(page(cells, specs), encoding="utf-8")
    faults = sum(cell.result == "fault" for cell in cells.values())
    print(f"\n{len(cells)} pairs, {faults} with a fault")
    return 1 if faults else 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
