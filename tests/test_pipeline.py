"""The whole pipeline with the backends that are installed, as a person runs it."""

import importlib.util
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

from lofikit.audio import read
from lofikit.cli.main import run as run_command
from lofikit.run import read_arrays

BACKENDS = [
    pytest.param(
        name,
        marks=pytest.mark.skipif(
            importlib.util.find_spec(f"lofikit_{name}") is None,
            reason=f"lofikit-{name} is not installed",
        ),
    )
    for name in ("torch", "keras")
]
COMMAND = [sys.executable, "-m", "lofikit"]
SMALL = {
    "tcn": ["--model.filters", "8", "--model.dilations", "1,2,4", "--model.window", "64"],
    "lstm": ["--model.units", "8", "--model.window", "32"],
    "seq2seq": ["--model.units", "16", "--model.block", "4", "--representation", "mdct"],
}


def lofikit(*words: str) -> None:
    assert run_command(list(words)) == 0


def weights(run: Path, *names: str) -> dict[str, bytes]:
    return {
        f"{name}/{key}": value.tobytes()
        for name in names or ("last", "best")
        for key, value in read_arrays(run / f"{name}.safetensors")[0].items()
    }


@pytest.mark.skipif(sys.platform == "win32", reason="kills by a POSIX signal")
@pytest.mark.parametrize("backend", BACKENDS)
def test_a_killed_training_ends_in_the_same_bits(backend: str, tmp_path: Path, music: Path) -> None:
    plan = ["--steps", "40", "--epochs", "12", "--audition", "0", "--checkpoint-every", "0.05"]
    words = ["train", str(music), "--model", f"{backend}/tcn", *SMALL["tcn"], *plan]
    whole, killed = tmp_path / "whole", tmp_path / "killed"
    lofikit(*words, "--model.dropout", "0.1", "-o", str(whole))
    words += ["--model.dropout", "0.1", "-o", str(killed)]
    kills = 0
    for after in (0.0, 0.3, 0.8):
        process = subprocess.Popen([*COMMAND, *words, *(["--resume"] if kills else [])])
        checkpoint = killed / "last.safetensors"
        began = checkpoint.stat().st_mtime_ns if checkpoint.exists() else 0
        while process.poll() is None:
            if checkpoint.exists() and checkpoint.stat().st_mtime_ns != began:
                break
            time.sleep(0.01)
        time.sleep(after)
        os.kill(process.pid, signal.SIGKILL)
        kills += process.wait() == -signal.SIGKILL
        words = ["train", "--resume", "-o", str(killed)]
    assert kills
    lofikit("train", "--resume", "-o", str(killed))
    assert weights(killed) == weights(whole)


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("model", list(SMALL))
def test_a_model_trains_and_goes_on_from_a_clip(
    backend: str, model: str, tmp_path: Path, music: Path
) -> None:
    run, take = str(tmp_path / "run"), tmp_path / "take.wav"
    name = f"{backend}/{model}"
    plan = ["--steps", "5", "--epochs", "1", "--audition", "0.2"]
    lofikit("train", str(music), "--model", name, *SMALL[model], *plan, "-o", run)
    for path in (take, tmp_path / "again.wav"):
        lofikit("generate", run, "--seconds", "0.5", "--prompt-seconds", "1", "-o", str(path))
    samples = read(take).samples
    assert np.isfinite(samples).all()
    assert take.read_bytes() == (tmp_path / "again.wav").read_bytes()


@pytest.mark.parametrize("backend", BACKENDS)
def test_codes_are_learned_once_and_stay_with_the_run(
    backend: str, tmp_path: Path, music: Path
) -> None:
    run, take = tmp_path / "run", tmp_path / "take.wav"
    codes = ["--representation", "codes", "--representation.books", "2"]
    model = ["--model", f"{backend}/lstm", *SMALL["lstm"], "--model.embedding", "4"]
    plan = ["--steps", "3", "--epochs", "2", "--audition", "0.2"]
    lofikit("train", str(music), *codes, *model, *plan, "-o", str(run))
    learned = (run / "representation.safetensors").read_bytes()
    (run / "last.safetensors").unlink()  # as though it was killed before its first checkpoint
    before = weights(run, "best")
    lofikit("train", "--resume", "-o", str(run))
    assert (run / "representation.safetensors").read_bytes() == learned
    assert weights(run, "best") == before
    lofikit("generate", str(run), "--seconds", "1", "--prompt-seconds", "2", "-o", str(take))
    samples = read(take).samples
    assert np.isfinite(samples).all()
    assert np.abs(samples[:, -1000:]).max() > 0.001
    lofikit("evaluate", str(run), "--quick", "--prompts", "1", "--seconds", "1")


@pytest.mark.parametrize("backend", BACKENDS)
def test_a_run_of_a_machine_with_a_gpu_plays_on_one_without(
    backend: str, tmp_path: Path, music: Path
) -> None:
    run = tmp_path / "run"
    plan = ["--steps", "2", "--epochs", "1", "--audition", "0"]
    words = ["--model", f"{backend}/tcn", *SMALL["tcn"], *plan]
    lofikit("train", str(music), *words, "--model.device", "cpu", "-o", str(run))
    file = run / "run.toml"
    device = {"torch": "cuda:7", "keras": "gpu"}[backend]
    file.write_text(file.read_text().replace('device = "cpu"', f'device = "{device}"'))
    lofikit("generate", str(run), "--seconds", "0.2", "-o", str(tmp_path / "take.wav"))


@pytest.mark.parametrize("backend", BACKENDS)
@pytest.mark.parametrize("recipe", ["paper/lstm", "paper/stft", "paper/tcn", "small/tcn"])
def test_recipes_run_at_small_size(backend: str, recipe: str, tmp_path: Path, music: Path) -> None:
    from lofikit import recipes

    model = recipes.load(recipe)["model"]["name"]
    size = {"tcn": "--model.filters", "lstm": "--model.units", "seq2seq": "--model.units"}[model]
    small = [size, "8", "--steps", "1", "--epochs", "1", "--batch-size", "2", "--audition", "0"]
    run = tmp_path / "run"
    lofikit(
        "train", str(music), "--recipe", recipe, "--model", f"{backend}/{model}", *small,
        "-o", str(run),
    )  # fmt: skip
    assert (run / "best.safetensors").is_file()
