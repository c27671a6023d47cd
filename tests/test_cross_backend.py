"""torch and Keras as one: weights cross, outputs agree, and so do whole trainings."""

import importlib.util

import numpy as np
import pytest

from lofikit.cli.main import run as lofikit
from lofikit.models.base import Sampling, State
from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE, ModelCase

MISSING = [
    f"lofikit-{name}"
    for name in ("torch", "keras")
    if importlib.util.find_spec(f"lofikit_{name}") is None
]
pytestmark = pytest.mark.skipif(bool(MISSING), reason=f"not installed: {', '.join(MISSING)}")

BOTH_WAYS = pytest.mark.parametrize(("source", "target"), [("torch", "keras"), ("keras", "torch")])
OPTIONS = {
    "tcn": {"window": 40, "filters": 12, "kernel_size": 3, "dilations": (1, 2, 4), "stacks": 2},
    "lstm": {"window": 30, "units": 10, "layers": 2},
    "seq2seq": {"block": 5, "units": 14},
    "gru": {"window": 30, "units": 10, "layers": 2, "dropout": 0.0},
    # Longer than a chunk of the recurrence.
    "lru": {"window": 80, "width": 10, "states": 6, "blocks": 2},
    "wavenet": {"window": 20, "channels": 8, "skips": 7, "dilations": (1, 2, 4)},
    "samplernn": {"window": 22, "frame": 4, "units": 9, "width": 7},
    "transformer": {
        "window": 30,
        "width": 16,
        "layers": 2,
        "heads": 4,
        "kv_heads": 2,
        "attention_window": 9,
        "dropout": 0.0,
    },
}
LOGISTICS = {"head": "logistics", "mixtures": 3}
GUIDED = {**LOGISTICS, "predictor": "mix", "predictor_order": 4}
KERAS = {"device": "cpu", "jit_compile": "off"}
TORCH = {"device": "cpu"}


def case(backend, model, spec, **options):
    own = KERAS if backend == "keras" else TORCH
    return ModelCase(f"{backend}/{model}", OPTIONS[model] | own | options, spec)


def weights_alone(state: State) -> State:
    return {name: value for name, value in state.items() if name.startswith("weights/")}


@BOTH_WAYS
@pytest.mark.parametrize(
    ("model", "spec", "options"),
    [
        ("tcn", REAL, {}),
        ("tcn", WIDE, {"skips": False, "activation": "leaky_relu"}),
        ("tcn", CLASSES, {"embedding": 3, "activation": "gelu_tanh"}),
        ("lstm", REAL, {}),
        ("lstm", CLASSES, {"embedding": 3}),
        ("lstm", CLASSES, LOGISTICS),
        ("lru", CLASSES, GUIDED),
        ("seq2seq", WIDE, {}),
        ("seq2seq", WIDE, {"block": 1}),
        ("seq2seq", CLASSES, {}),
        ("gru", WIDE, {}),
        ("gru", CODES, {"embedding": 3}),
        ("transformer", CODES, {"embedding": 3}),
        ("lru", REAL, {}),
        ("wavenet", REAL, {}),
        ("samplernn", CLASSES, {"embedding": 3}),
    ],
)
def test_weights_cross(source, target, model, spec, options):
    one = case(source, model, spec, **options)
    trained = one.build(seed=1)
    trained.train_step(one.examples(trained), one.settings(trained))
    other = case(target, model, spec, **options).build(seed=2)
    assert other.state().keys() == weights_alone(trained.state()).keys()
    other.load_state(weights_alone(trained.state()))
    for name, value in other.state().items():
        np.testing.assert_array_equal(value, trained.state()[name], err_msg=name)
    frames = one.frames(2, 8 * trained.block)
    np.testing.assert_allclose(other.forward(frames), trained.forward(frames), atol=1e-5)
    if spec.levels is None:
        takes = [_generated(m, frames) for m in (trained, other)]
        np.testing.assert_array_equal(*takes)


def _generated(model, prompt):
    stream = model.stream(len(prompt), Sampling(), seed=3)
    stream.prime(prompt)
    return stream.next(200)


@pytest.mark.parametrize(
    ("model", "spec", "options"),
    [
        *((model, REAL, {}) for model in ("tcn", "lstm", "gru", "transformer", "lru", "wavenet")),
        ("samplernn", REAL, {}),
        ("samplernn", CLASSES, LOGISTICS),
        ("lru", CLASSES, GUIDED),
        *((model, CLASSES, {"carry": 3}) for model in ("lstm", "gru", "lru")),
        ("samplernn", CLASSES, {"carry": 3, "window": 20}),
        # Units in sixteens learn by the compiled recurrence in torch.
        ("gru", REAL, {"units": 16}),
        ("gru", CLASSES, {"units": 32, "carry": 3}),
        ("samplernn", CLASSES, {"units": 16}),
    ],
)
def test_trainings_agree_step_by_step(model, spec, options):
    loss = "huber" if spec.levels is None else "cross-entropy"
    cases = [case(backend, model, spec, **options) for backend in ("torch", "keras")]
    models = [c.build(seed=0) for c in cases]
    models[1].load_state(weights_alone(models[0].state()))
    for step in range(50):
        one, other = (
            float(
                m.train_step(
                    c.examples(m, batch=8, seed=step),
                    c.settings(
                        m,
                        step,
                        optimiser="sgd",
                        loss=loss,
                        learning_rate=0.01,
                        carried=step % m.carry > 0,
                    ),
                )
            )
            for c, m in zip(cases, models, strict=True)
        )
        assert other == pytest.approx(one, rel=1e-4), f"step {step}"


@BOTH_WAYS
@pytest.mark.parametrize(
    ("optimiser", "model", "spec"),
    [
        ("adam", "seq2seq", WIDE),
        ("adamw", "seq2seq", WIDE),
        ("sgd", "seq2seq", WIDE),
        ("rmsprop", "seq2seq", WIDE),
        ("adam", "gru", REAL),  # whose biases Keras keeps in one array
    ],
)
def test_optimisers_go_on_in_the_other_backend(source, target, optimiser, model, spec):
    """The names of an optimiser's state are the same too, so a training can move."""
    changes = {"optimiser": optimiser, "learning_rate": 1e-3, "momentum": 0.9, "clip_norm": 1.0}
    changes["weight_decay"] = 0.01
    one = case(source, model, spec)
    trained = one.build(seed=1)
    for step in range(3):
        trained.train_step(one.examples(trained, seed=step), one.settings(trained, step, **changes))
    other = case(target, model, spec).build(seed=2)
    other.load_state(trained.state())
    for each in (trained, other):
        each.train_step(one.examples(each, seed=3), one.settings(each, 3, **changes))
    for name, value in trained.state().items():
        np.testing.assert_allclose(other.state()[name], value, atol=2e-6, err_msg=name)


@BOTH_WAYS
@pytest.mark.parametrize("model", ["lstm", "samplernn"])
def test_what_is_carried_stays_behind(source, target, model):
    options = {"carry": 2, "window": 20}
    one = case(source, model, CLASSES, **options)
    trained = one.build(seed=1)
    one.train(trained, range(1))
    carried = {name for name in trained.state() if name.startswith("carried/")}
    assert carried
    other = case(target, model, CLASSES, **options).build(seed=2)
    other.load_state(trained.state())
    assert not any(name.startswith("carried/") for name in other.state())
    one.train(other, range(1, 2))  # from nothing, though the example goes on


@BOTH_WAYS
def test_a_run_crosses_by_commands(source, target, tmp_path, monkeypatch, capsys):
    """What is a backend's own, its threads for example, stays behind, whatever it is."""
    monkeypatch.chdir(tmp_path)
    made = ["collect", "synthetic", "--source.clips", "2", "--source.seconds", "3", "-o", "music"]
    assert lofikit(made) == 0
    own = {"keras": ["--model.precision", "mixed_bfloat16"], "torch": ["--model.threads", "2"]}
    small = ["--model.window", "24", "--model.units", "6", "--representation", "mulaw"]
    plan = ["--epochs", "1", "--steps", "2", "--batch-size", "2", "--audition", "0"]
    words = ["train", "music", "--model", f"{source}/lstm", *small, *own[source], *plan]
    assert lofikit([*words, "-o", "one"]) == 0
    assert lofikit(["convert", "one", "--to", f"{target}/lstm", "-o", "other"]) == 0
    assert "left out, as each backend has its own" in " ".join(capsys.readouterr().err.split())
    for run in ("one", "other"):
        take = ["generate", run, "--prompt", "noise", "--seconds", "0.05", "-o", f"{run}.wav"]
        assert lofikit(take) == 0
    again = ["train", "--config", "one/run.toml", "--model", f"{target}/lstm", "-o", "again"]
    assert lofikit(again) == 0
