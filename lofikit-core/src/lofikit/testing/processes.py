"""A model's state in the hands of another process."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from dataclasses import asdict
from pathlib import Path

import numpy as np
from safetensors.numpy import load_file, save_file

from lofikit.models.base import Outputs, State
from lofikit.representations.base import Frames, FrameSpec
from lofikit.testing.cases import ModelCase

SCRIPT = "import sys; from lofikit.testing.processes import resume; resume(sys.argv[1])"


def resume_in_new_process(
    case: ModelCase, state: State, prompt: Frames, examples: Frames, step: int
) -> tuple[Outputs, State]:
    """Hands a state to a new process, which predicts and takes one training step.

    Returns:
        The outputs for ``prompt`` with the state given, and the state after the step.

    Raises:
        AssertionError: If the process fails; with what it said.
    """
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        values = {**asdict(case), "spec": case.spec.model_dump(), "step": step}
        (folder / "case.json").write_text(json.dumps(values), encoding="utf-8")
        save_file(state, folder / "state.safetensors")
        np.save(folder / "prompt.npy", prompt)
        np.save(folder / "examples.npy", examples)
        command = [sys.executable, "-c", SCRIPT, str(folder)]
        done = subprocess.run(command, capture_output=True, text=True, check=False)
        if done.returncode:
            raise AssertionError(f"{case}: a new process fails on its state: {done.stderr}")
        return np.load(folder / "outputs.npy"), load_file(folder / "after.safetensors")


def resume(name: str) -> None:
    """Does the new process's part; ``name`` is the folder of :func:`resume_in_new_process`."""
    folder = Path(name)
    values = json.loads((folder / "case.json").read_text(encoding="utf-8"))
    step = values.pop("step")
    case = ModelCase(**{**values, "spec": FrameSpec(**values["spec"])})
    model = case.build(seed=9, **case.random_options)
    model.load_state(load_file(folder / "state.safetensors"))
    np.save(folder / "outputs.npy", model.forward(np.load(folder / "prompt.npy")))
    model.train_step(np.load(folder / "examples.npy"), case.settings(model, step))
    save_file(model.state(), folder / "after.safetensors")
