"""Training: the same steps whatever happens, and nothing lost."""

import json
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path
from typing import SupportsFloat

import numpy as np
import pytest

from lofikit.errors import LofikitError, OptionError, RunError
from lofikit.library import Library
from lofikit.models.base import StepSettings
from lofikit.models.linear import Linear
from lofikit.plan import Phase, TrainingConfig
from lofikit.representations.base import Frames
from lofikit.run import ComponentConfig, Run, RunConfig, read_arrays, read_config, write_arrays
from lofikit.session import Session, prepare
from lofikit.training import train


def config(music: Path, **training: object) -> RunConfig:
    phases = training.pop("phases", None) or [{"epochs": 2, "steps": 6}, {"epochs": 1, "steps": 5}]
    return RunConfig(
        library=str(music),
        representation=ComponentConfig(name="core/mulaw", options={"levels": 32}),
        model=ComponentConfig(name="core/linear", options={"order": 8}),
        training=TrainingConfig.model_validate(
            {"audition": 0.0, "checkpoint_every": 0.0, "phases": phases, **training}
        ),
    )


def session(path: Path, music: Path, **training: object) -> Session:
    run = Run.create(path, config(music, **training))
    return prepare(run, Library(music))


def states(path: Path) -> dict[str, bytes]:
    found = {}
    for name in ("last", "best"):
        arrays, _ = read_arrays(path / f"{name}.safetensors")
        found |= {f"{name}/{key}": value.tobytes() for key, value in arrays.items()}
    return found


def lines_of(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in (path / "metrics.jsonl").read_text().splitlines()]


def test_a_plan_is_gone_through(tmp_path: Path, music: Path) -> None:
    seen: list[int] = []
    done = train(session(tmp_path / "run", music), lambda status: seen.append(status.step))
    assert (done.finished, done.step) == ("the plan is done", 17)
    assert seen[-1] == 17
    lines = lines_of(tmp_path / "run")
    assert [(line["phase"], line["epoch"], line["step"]) for line in lines] == [
        (1, 1, 6),
        (1, 2, 12),
        (2, 1, 17),
    ]
    assert all(np.isfinite(line["held_out_bits"]) for line in lines)  # type: ignore[arg-type]


def test_no_window_of_a_held_back_clip_is_trained_on(tmp_path: Path, music: Path) -> None:
    made = session(tmp_path / "run", music)
    held = {part.clip.id for part in made.split.held_out}
    manifest = made.run.manifest()
    assert held == {clip["id"] for clip in manifest["held_out_clips"]}
    assert not held & {clip["id"] for clip in manifest["training_clips"]}
    assert {clip["licence"] for clip in manifest["training_clips"]} == {"CC0-1.0"}


def _interrupt_at(made: Session, step: int) -> None:
    """Presses Ctrl-C in the middle of the step before ``step``."""
    learn = made.model.train_step

    def interrupt(frames: Frames, settings: StepSettings) -> SupportsFloat:
        if made.progress.step == step - 1:
            signal.raise_signal(signal.SIGINT)
        return learn(frames, settings)

    made.model.train_step = interrupt  # type: ignore[method-assign]


def test_chunks_are_drawn_while_the_model_learns(tmp_path: Path, music: Path) -> None:
    made = session(tmp_path / "run", music)
    draw, learn = made.chunks.draw, made.model.train_step
    drawn = [threading.Event() for _ in range(6)]
    ahead: list[bool] = []

    def watched(batch: int, seed: int, step: int) -> Frames:
        frames = draw(batch, seed, step)
        if step < len(drawn):
            drawn[step].set()
        return frames

    def waiting(frames: Frames, settings: StepSettings) -> SupportsFloat:
        if made.progress.step < len(drawn):  # the first epoch
            last = made.progress.step == len(drawn) - 1
            ahead.append(last or drawn[made.progress.step + 1].wait(20.0))
        return learn(frames, settings)

    made.chunks.draw = watched  # type: ignore[assignment,method-assign]
    made.model.train_step = waiting  # type: ignore[method-assign]
    train(made)
    assert ahead == [True] * 6


def test_chunks_are_drawn_on_one_thread_and_none_is_left_at_the_end(
    tmp_path: Path, music: Path
) -> None:
    made = session(tmp_path / "run", music)
    draw, threads, drawing = made.chunks.draw, set(), []

    def slow(batch: int, seed: int, step: int) -> Frames:
        drawing.append(step)
        threads.add(threading.get_ident())
        time.sleep(0.05)
        frames = draw(batch, seed, step)
        drawing.remove(step)
        return frames

    made.chunks.draw = slow  # type: ignore[assignment,method-assign]
    _interrupt_at(made, 3)
    assert train(made).step == 3
    assert drawing == []
    assert train(made).finished
    assert len(threads) == 1
    assert threading.get_ident() not in threads


def test_a_chunk_that_cannot_be_drawn_ahead_ends_the_training(tmp_path: Path, music: Path) -> None:
    made = session(tmp_path / "run", music)
    draw = made.chunks.draw

    def failing(batch: int, seed: int, step: int) -> Frames:
        if step == 3:
            raise LofikitError("the disk is gone", "look for it")
        return draw(batch, seed, step)

    made.chunks.draw = failing  # type: ignore[assignment,method-assign]
    with pytest.raises(LofikitError, match="the disk is gone"):
        train(made)
    assert made.progress.step == 3


@pytest.mark.parametrize("stops", [[1], [3, 3, 3], [6], [11, 2]])
def test_a_stopped_training_resumes_to_the_same_bits(
    tmp_path: Path, music: Path, stops: list[int]
) -> None:
    train(session(tmp_path / "whole", music))
    parts = session(tmp_path / "parts", music)
    for steps in stops:
        target = parts.progress.step + steps
        _interrupt_at(parts, target)
        assert train(parts).finished == ""
        parts = prepare(Run.open(tmp_path / "parts"), Library(music))
        assert parts.progress.step == target
    assert train(parts).finished
    assert states(tmp_path / "parts") == states(tmp_path / "whole")
    assert lines_of(tmp_path / "parts") == lines_of(tmp_path / "whole")


def test_ctrl_c_ends_an_audition_at_once_and_the_training_with_it(
    tmp_path: Path, music: Path
) -> None:
    train(session(tmp_path / "whole", music))
    parts, heard = session(tmp_path / "parts", music), []

    def audition(made: Session) -> None:
        heard.append(made.progress.step)
        signal.raise_signal(signal.SIGINT)
        heard.append(-1)  # of a take that is heard to its end

    assert train(parts, checkpointed=audition).finished == ""
    assert heard == [parts.progress.step]
    assert train(prepare(Run.open(tmp_path / "parts"), Library(music))).finished
    assert states(tmp_path / "parts") == states(tmp_path / "whole")


KILLED = """
import sys
from pathlib import Path
from lofikit.library import Library
from lofikit.models.base import StepSettings
from lofikit.models.linear import Linear
from lofikit.run import Run
from lofikit.session import prepare
from lofikit.training import train
run = Run.open(Path(sys.argv[1]))
session = prepare(run, Library(Path(run.config.library)))
print("ready", flush=True)
train(session)
"""


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
def test_a_killed_training_resumes_to_the_same_bits(tmp_path: Path, music: Path) -> None:
    phases = [{"epochs": 25, "steps": 10}]
    for name in ("whole", "killed"):
        session(tmp_path / name, music, phases=phases)
    command = [sys.executable, "-c", KILLED]
    subprocess.run([*command, str(tmp_path / "whole")], check=True, timeout=900)
    kills = 0
    for delay in (0.02, 0.11, 0.23, 0.31):
        process = subprocess.Popen(
            [*command, str(tmp_path / "killed")], stdout=subprocess.PIPE, text=True
        )
        assert process.stdout is not None
        process.stdout.readline()
        time.sleep(delay)
        os.kill(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        process.stdout.close()
    assert kills > 1
    subprocess.run([*command, str(tmp_path / "killed")], check=True, timeout=900)
    assert states(tmp_path / "killed") == states(tmp_path / "whole")
    assert lines_of(tmp_path / "killed") == lines_of(tmp_path / "whole")


def test_a_run_file_repeats_the_run(tmp_path: Path, music: Path) -> None:
    train(session(tmp_path / "one", music))
    again = Run.create(tmp_path / "two", read_config(tmp_path / "one" / "run.toml"))
    assert again.config == config(music)
    train(prepare(again, Library(music)))
    assert states(tmp_path / "one") == states(tmp_path / "two")


def test_patience_ends_a_phase_and_the_last_one_the_training(tmp_path: Path, music: Path) -> None:
    phases = [{"epochs": 50, "steps": 1}, {"epochs": 50, "steps": 1}]
    made = session(tmp_path / "run", music, phases=phases, patience=2)
    done = train(made)
    assert done.finished.startswith("stopped early")
    assert done.step < 100
    lines = lines_of(tmp_path / "run")
    assert {line["phase"] for line in lines} == {1, 2}
    best = min(line["held_out"] for line in lines)  # type: ignore[type-var]
    assert done.best == best


def test_an_epoch_reads_the_clips_once(tmp_path: Path, music: Path) -> None:
    made = session(tmp_path / "run", music, phases=[{"epochs": 1, "batch_size": 4}])
    steps = made.steps_of(made.run.config.training.phases[0])
    assert (steps - 1) * 4 * made.chunks.span < made.chunks.samples <= steps * 4 * made.chunks.span


def test_a_cosine_falls_to_a_hundredth() -> None:
    phase = Phase(learning_rate=1.0, decay="cosine")
    rates = [phase.settings("huber", 0, p, 0).learning_rate for p in (0.0, 0.5, 1.0)]
    assert rates == pytest.approx([1.0, 0.505, 0.01])


def test_a_loss_that_is_no_number_stops_before_a_checkpoint(tmp_path: Path, music: Path) -> None:
    made = session(tmp_path / "run", music)
    step = made.model.train_step

    def explode(*args: object) -> float:
        step(*args)  # type: ignore[arg-type]
        return float("nan") if made.progress.step >= 7 else 1.0

    made.model.train_step = explode  # type: ignore[method-assign,assignment]
    with pytest.raises(LofikitError, match="the loss became nan") as caught:
        train(made)
    assert "--learning-rate" in caught.value.hint
    assert made.run.load("last")[1]["step"] == 6


def test_a_loss_that_does_not_fit_is_refused_before_training(tmp_path: Path, music: Path) -> None:
    with pytest.raises(OptionError, match="'huber' does not fit frames of 32 classes"):
        session(tmp_path / "run", music, phases=[{"loss": "huber"}])


def test_a_run_is_not_written_over(tmp_path: Path, music: Path) -> None:
    session(tmp_path / "run", music)
    with pytest.raises(RunError, match="exists already") as caught:
        Run.create(tmp_path / "run", config(music))
    assert "--resume" in caught.value.hint
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "diary.txt").write_text("dear diary")
    with pytest.raises(RunError, match="is not a run"):
        Run.create(tmp_path / "other", config(music))


def test_arrays_come_back_as_they_were(tmp_path: Path) -> None:
    arrays = {
        "scalar": np.array(3, np.int64),
        "fortran": np.asfortranarray(np.arange(6.0).reshape(2, 3)),
        "empty": np.zeros((0, 4), np.float32),
        "part": np.arange(10, dtype=np.float32)[::3],
    }
    write_arrays(tmp_path / "a.safetensors", arrays, {"progress": "{}"})
    again, metadata = read_arrays(tmp_path / "a.safetensors")
    assert metadata == {"progress": "{}"}
    for name, array in arrays.items():
        assert (again[name].shape, again[name].dtype) == (array.shape, array.dtype)
        np.testing.assert_array_equal(again[name], array)


def test_missing_and_damaged_runs_are_explained(tmp_path: Path, music: Path) -> None:
    with pytest.raises(RunError, match="is not a run"):
        Run.open(tmp_path)
    run = session(tmp_path / "run", music).run
    with pytest.raises(RunError, match="no last weights yet"):
        run.load("last")
    (run.path / "last.safetensors").write_bytes(b"rubbish")
    with pytest.raises(RunError, match="is damaged"):
        run.load("last")
    (run.path / "run.toml").write_text("library = 3")
    with pytest.raises(RunError, match="library"):
        Run.open(run.path)
    (run.path / "run.toml").write_text("[[[")
    with pytest.raises(RunError, match="not a TOML file"):
        Run.open(run.path)


def test_weights_that_no_longer_fit_are_explained(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = session(tmp_path / "run", music)
    train(made)

    def changed(self: Linear, state: object) -> None:
        raise ValueError("shapes (3,) and (4,) differ")  # as a plugin of another version would

    monkeypatch.setattr(Linear, "load_state", changed)
    with pytest.raises(RunError, match="do not fit core/linear as it is now: shapes") as caught:
        made.run.trained_model(made.representation)
    assert "train again" in caught.value.hint


def test_a_run_of_a_missing_plugin_names_it(tmp_path: Path, music: Path) -> None:
    run = session(tmp_path / "run", music).run
    text = (run.path / "run.toml").read_text().replace("core/linear", "elsewhere/linear")
    (run.path / "run.toml").write_text(text)
    manifest = run.manifest()
    manifest["components"]["model"] = {
        "name": "elsewhere/linear",
        "distribution": "lofikit-elsewhere",
        "version": "0.3.1",
    }
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    found = Run.open(run.path)
    with pytest.raises(RunError, match=r"elsewhere/linear of lofikit-elsewhere 0\.3\.1"):
        found.model(found.representation().spec)


def test_a_run_of_another_version_is_pointed_out(tmp_path: Path, music: Path) -> None:
    run = session(tmp_path / "run", music).run
    assert run.version_warnings() == []
    manifest = run.manifest()
    manifest["components"]["model"]["version"] = "0.0.7"
    (run.path / "manifest.json").write_text(json.dumps(manifest))
    (line,) = run.version_warnings()
    assert "lofikit-core 0.0.7" in line
    assert "pip install lofikit-core==0.0.7" in line
