"""Faults planted in a plugin, each found and named by the suites that its author would run."""

import importlib
import os
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from lofikit.plugins import registry
from lofikit.testing.components import NamedCheck
from lofikit.testing.running import checks_of, run_check

PLUGIN = '''
"""What lofikit-leaky offers."""

from lofikit.hookspecs import Component, hookimpl


@hookimpl
def lofikit_components():
    return [
        Component("model", "leaky/net", "Leaky sums, and a hidden layer over them.",
                  "lofikit_leaky.model:Leaky", "lofikit_leaky.config:LeakyConfig")
    ]
'''
CONFIG = '''
from lofikit.options import Options, option


class LeakyConfig(Options):
    """Options of Leaky."""

    units: int = option(12, "Hidden units.", ge=1)
    window: int = option(30, "Inputs of an example.", unit="frames", ge=1)
'''
MODEL = '''
import numpy as np

from lofikit.errors import UnsupportedSpecError
from lofikit.models.base import Model, Stream

DECAYS = np.array([0.0, 0.5, 0.9])


class Leaky(Model):
    """A hidden layer over leaky sums of the past, trained by gradient descent with Adam."""

    context = 1
    carry = 3

    def __init__(self, config, spec, seed):
        super().__init__(config, spec, seed)
        self.left = None
        if spec.levels is not None and spec.size > 1:
            raise UnsupportedSpecError("one class id a frame is all that it takes", "try mulaw")
        self.width = spec.size if spec.levels is None else spec.levels
        rng = np.random.default_rng(seed)
        units, inputs = config.units, len(DECAYS) * spec.size
        self.arrays = {
            "weights/in": rng.normal(0, 0.5, (inputs, units)),
            "weights/bias": rng.normal(0, 0.1, units),
            "weights/out": rng.normal(0, 0.3, (units, self.width)),
        }
        for name in list(self.arrays):
            self.arrays[f"adam/mean/{name}"] = np.zeros_like(self.arrays[name])
            self.arrays[f"adam/square/{name}"] = np.zeros_like(self.arrays[name])
        self.arrays["adam/step"] = np.zeros(1)

    @property
    def chunk(self):
        return self.config.window + 1

    def values(self, frames):
        if self.spec.levels is None:
            return frames.astype(np.float64)
        return 2 * frames / (self.spec.levels - 1) - 1

    def sums(self, frames, state):
        """Returns the leaky sums at each position, and those at the last."""
        out = np.zeros((*frames.shape[:2], len(DECAYS) * self.spec.size))
        for t in range(frames.shape[1]):
            state = state * DECAYS + (1 - DECAYS) * self.values(frames)[:, t, :, None]
            out[:, t] = state.reshape(len(state), -1)
        return out, state

    def predict(self, frames, state, weights):
        sums, state = self.sums(frames, state)
        hidden = np.tanh(sums @ weights["weights/in"] + weights["weights/bias"])
        out = (hidden @ weights["weights/out"]).astype(np.float32)
        return (out if self.spec.levels is None else out[:, :, None]), state

    def empty(self, batch):
        return np.zeros((batch, self.spec.size, len(DECAYS)))

    def forward(self, frames):
        return self.predict(frames, self.empty(len(frames)), self.arrays)[0]

    def learn(self, frames, before):
        """Returns the loss after a past, and its gradients."""
        inputs, targets = frames[:, :-1], frames[:, 1:]
        sums, _ = self.sums(inputs, before)
        hidden = np.tanh(sums @ self.arrays["weights/in"] + self.arrays["weights/bias"])
        out = hidden @ self.arrays["weights/out"]
        if self.spec.levels is None:
            error = out - targets
            loss = np.where(abs(error) < 1, error**2 / 2, abs(error) - 0.5).mean()
            back = np.clip(error, -1, 1) / error.size
        else:
            back = np.exp(out - out.max(axis=-1, keepdims=True))
            back /= back.sum(axis=-1, keepdims=True)
            at = np.take_along_axis(back, targets, axis=-1)
            loss = -np.log(at).mean()
            np.put_along_axis(back, targets, at - 1, axis=-1)
            back /= at.size
        before = (back @ self.arrays["weights/out"].T) * (1 - hidden**2)
        flat = lambda array: array.reshape(-1, array.shape[-1])
        return float(loss), {
            "weights/in": flat(sums).T @ flat(before),
            "weights/bias": flat(before).sum(axis=0),
            "weights/out": flat(hidden).T @ flat(back),
        }

    def loss(self, frames, settings):
        return self.learn(frames, self.empty(len(frames)))[0]

    def train_step(self, frames, settings):
        goes_on = settings.carried and self.left is not None and len(self.left) == len(frames)
        before = self.left if goes_on else self.empty(len(frames))
        loss, gradients = self.learn(frames, before)
        self.left = self.sums(frames[:, :-1], before)[1]
        self.arrays["adam/step"] += 1
        step = self.arrays["adam/step"][0]
        for name, gradient in gradients.items():
            mean, square = self.arrays[f"adam/mean/{name}"], self.arrays[f"adam/square/{name}"]
            mean += 0.1 * (gradient - mean)
            square += 0.001 * (gradient**2 - square)
            size = np.sqrt(square / (1 - 0.999**step)) + 1e-8
            self.arrays[name] -= settings.learning_rate * mean / (1 - 0.9**step) / size
        return loss

    def state(self):
        arrays = {name: array.copy() for name, array in self.arrays.items()}
        return arrays if self.left is None else {**arrays, "carried": self.left.copy()}

    def load_state(self, state):
        self.left = state.get("carried")
        for name, array in self.arrays.items():
            array[:] = state.get(name, 0.0)

    def stream(self, batch, sampling, seed):
        return LeakyStream(self, batch, sampling, seed)


class LeakyStream(Stream):
    def __init__(self, model, batch, sampling, seed):
        self.model, self.sampling, self.weights = model, sampling, model.state()
        self.rngs = [np.random.default_rng([seed, row]) for row in range(batch)]
        self.memory = model.empty(batch)
        self.last = model.predict(self.first(batch), self.memory, self.weights)[0][:, -1:]

    def first(self, batch):
        kind = np.float32 if self.model.spec.levels is None else np.int32
        return np.zeros((batch, 1, self.model.spec.size), kind)

    def prime(self, frames):
        if not frames.shape[1]:
            return self.last[:, :0]
        out, self.memory = self.model.predict(frames, self.memory, self.weights)
        self.last = out[:, -1:]
        return out

    def next(self, n):
        frames = []
        for _ in range(n):
            frame = self.last.astype(np.float32)
            if self.model.spec.levels is not None:
                uniform = np.array([rng.random() for rng in self.rngs])
                drawn = self.sampling.draw(self.last[:, 0, 0].astype(np.float64), uniform)
                frame = drawn.astype(np.int32)[:, None, None]
            frames.append(frame)
            self.prime(frame)
        return np.concatenate(frames, axis=1)
'''

# Fault: the file, what stands there, what is written instead, and the checks that find it, each
# with words of what it says.
FAULTS = {
    "a stream that ignores its state": (
        "model",
        "out, self.memory = self.model.predict(frames, self.memory, self.weights)",
        "out, _ = self.model.predict(frames, self.memory, self.weights)",
        {"stream equals forward": "outputs of a stream and of forward"},
    ),
    "a missing activation in the step": (
        "model",
        "        out, self.memory = self.model.predict(frames, self.memory, self.weights)",
        "        sums, self.memory = self.model.sums(frames, self.memory)\n"
        "        hidden = sums @ self.weights['weights/in'] + self.weights['weights/bias']\n"
        "        out = (hidden @ self.weights['weights/out']).astype(np.float32)\n"
        "        out = out if self.model.spec.levels is None else out[:, :, None]",
        {"stream equals forward": "outputs of a stream and of forward"},
    ),
    "a target off by one": (
        "model",
        "inputs, targets = frames[:, :-1], frames[:, 1:]",
        "inputs, targets = frames[:, :-2], frames[:, 2:]",
        {"loss is a mean": "targets are off by one frame, too late"},
    ),
    "an unseeded generator": (
        "model",
        "np.random.default_rng([seed, row])",
        "np.random.default_rng()",
        {"stream cuts": "frames generated in other pieces differ"},
    ),
    "unseeded weights": (
        "model",
        "np.random.default_rng(seed)",
        "np.random.default_rng()",
        {"same seed same model": "two new models of one seed"},
    ),
    "a state that leaves out a layer": (
        "model",
        "arrays = {name: array.copy() for name, array in self.arrays.items()}",
        "arrays = {n: a.copy() for n, a in self.arrays.items() if n != 'weights/bias'}",
        {"state is whole": "is an array left out of it", "resuming": "resumed and uninterrupted"},
    ),
    "a field without a description": (
        "config",
        'option(12, "Hidden units.", ge=1)',
        "option(12, ge=1)",
        {"options are described": "'units' of LeakyConfig has no description"},
    ),
    "a heavy import in plugin.py": (
        "plugin",
        "from lofikit.hookspecs",
        "import scipy.signal\nfrom lofikit.hookspecs",
        {"listing is light": r"listing the plugin imports .*scipy"},
    ),
    "a heavy import in config.py": (
        "config",
        "from lofikit.options",
        "import scipy.signal\nfrom lofikit.options",
        {"listing is light": r"the config of leaky/net imports .*scipy"},
    ),
    "a loss that averages over padding": (
        "model",
        "        return float(loss), {",
        "        return float(loss) * inputs.shape[1] / 32, {  # padded to a power of two",
        {"loss is a mean": "is padding averaged in"},
    ),
    "a training that carries nothing": (
        "model",
        "before = self.left if goes_on else self.empty(len(frames))",
        "before = self.empty(len(frames))",
        {"carrying": "each going on from the one before, and of the whole"},
    ),
    "a training that carries a part": (
        "model",
        "self.left = self.sums(frames[:, :-1], before)[1]",
        "self.left = self.sums(frames[:, :-1], before)[1] * [0, 1, 0]",
        {"carrying": "each going on from the one before, and of the whole"},
    ),
    "a state without what is carried": (
        "model",
        "return arrays if self.left is None else",
        "return arrays if True else",
        {"resuming": "resumed and uninterrupted"},
    ),
    "a chunk that is too short": (
        "model",
        "inputs, targets = frames[:, :-1], frames[:, 1:]",
        "inputs = frames[:, : self.config.window + 1]\n"
        "        targets = frames[:, 1 : self.config.window + 2]",
        {"chunk": "chunk is 31, and an example of so many fails: ValueError"},
    ),
    "a chunk that is too long": (
        "model",
        "inputs, targets = frames[:, :-1], frames[:, 1:]",
        "inputs, targets = frames[:, : self.config.window - 1], frames[:, 1 : self.config.window]",
        {"chunk": "chunk is 31, and its last frame is not learned from"},
    ),
    "a change of the caller's array": (
        "model",
        "    def loss(self, frames, settings):\n",
        "    def loss(self, frames, settings):\n        if frames.flags.writeable:\n"
        "            frames[:] = frames[:, ::-1]\n",
        {"frames are not changed": "frames before and after a step differ"},
    ),
}


@pytest.fixture
def author(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A folder with the plugin, installed for this process and those that it starts."""
    package = tmp_path / "lofikit_leaky"
    package.mkdir()
    (package / "__init__.py").touch()
    for name, code in (("plugin", PLUGIN), ("config", CONFIG), ("model", MODEL)):
        (package / f"{name}.py").write_text(code)
    info = tmp_path / "lofikit_leaky-0.1.dist-info"
    info.mkdir()
    (info / "METADATA").write_text(
        "Metadata-Version: 2.1\nName: lofikit-leaky\nVersion: 0.1\n"
        "Requires-Dist: lofikit-core<0.2,>=0.1\n"
    )
    (info / "entry_points.txt").write_text("[lofikit]\nleaky = lofikit_leaky.plugin\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join([str(tmp_path), *sys.path]))
    monkeypatch.delenv("LOFIKIT_PLUGINS", raising=False)
    _forget()
    yield package
    _forget()


def _forget() -> None:
    for name in [n for n in sys.modules if n.split(".")[0] == "lofikit_leaky"]:
        del sys.modules[name]
    importlib.invalidate_caches()
    registry.cache_clear()


def found(*names: str) -> list[NamedCheck]:
    """Returns the checks of these names, or all."""
    checks = checks_of(registry().find("model", "leaky/net"), {"units": 8})
    return [check for check in checks if not names or check.name in names]


@pytest.mark.usefixtures("author")
def test_the_plugin_without_a_fault_passes() -> None:
    checks = found()
    outcomes = [run_check(check) for check in checks]
    assert {o.check: o.fault for o in outcomes if o.fault} == {}
    assert {o.on for o in outcomes} >= {"1xreal", "1x256", "8xreal", "2x16", "lofikit-leaky"}
    assert {name for _, _, _, finders in FAULTS.values() for name in finders} <= {
        check.name for check in checks
    }


@pytest.mark.parametrize("fault", list(FAULTS))
def test_a_planted_fault_is_named(author: Path, fault: str) -> None:
    file, right, wrong, finders = FAULTS[fault]
    path = author / f"{file}.py"
    code = path.read_text()
    assert code.count(right) == 1
    path.write_text(code.replace(right, wrong))
    for name, words in finders.items():
        said = [run_check(check).fault for check in found(name)]
        assert any(re.search(words, fault) for fault in said), said
