"""Steps: cutting a batch, choosing targets, changing the optimiser, dropout, clipping."""

from __future__ import annotations

import signal
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from lofikit.errors import OptionError
from lofikit.library import Library
from lofikit.models.base import State
from lofikit.plan import TrainingConfig
from lofikit.run import ComponentConfig, Run, RunConfig, read_arrays
from lofikit.session import Session, prepare
from lofikit.testing.cases import CLASSES, CONDITIONED, REAL, TOLD, ModelCase
from lofikit.testing.losses import check_loss_is_a_mean, check_noise_spares_signals
from lofikit.testing.models import check_resuming
from lofikit.training import train
from lofikit_torch.models import TorchModel

Small = Callable[..., ModelCase]

RANDOM = {"dropout": 0.3, "input_noise": 0.1}
BARE = {"torch/wavenet", "torch/samplernn"}
"""Models without dropout."""


def random_options(component: str) -> dict[str, Any]:
    """What draws numbers in a step of a model; noise is added to numbers, not to embeddings."""
    plain = {"embedding": 0} if component in {"torch/gru", "torch/transformer"} else {}
    kept = {k: v for k, v in RANDOM.items() if k != "dropout" or component not in BARE}
    return {**kept, **plain}


def steps(case: ModelCase, changes: list[dict[str, Any]], **options: Any) -> tuple[State, list]:
    model = case.build(**options)
    losses = [
        float(model.train_step(case.examples(model, 7, seed=i), case.settings(model, i, **change)))
        for i, change in enumerate(changes)
    ]
    return model.state(), losses


@pytest.mark.parametrize("spec", [REAL, CLASSES])
def test_cutting_a_batch_changes_nothing(small: Small, component: str, spec: Any) -> None:
    case = small(component, spec, **random_options(component))
    plan = [{"optimiser": "sgd", "learning_rate": 0.05, "momentum": 0.9}] * 3
    whole, losses = steps(case, plan, micro_batch=7)
    cut, cut_losses = steps(case, plan, micro_batch=3)
    np.testing.assert_allclose(cut_losses, losses, rtol=1e-5)
    for name, value in whole.items():
        np.testing.assert_allclose(cut[name], value, atol=1e-5, err_msg=name)


def test_a_batch_is_cut_by_itself_on_a_cpu(small: Small) -> None:
    case = small("torch/tcn", window=4096)
    plan = [{"optimiser": "sgd"}]
    assert steps(case, plan)[1] == steps(case, plan, micro_batch=1)[1]


@pytest.mark.parametrize("window", [16, 4])
def test_the_last_target_is_predicted_from_the_whole_window(small: Small, window: int) -> None:
    case = small("torch/tcn", targets="last", window=window)
    model = case.build()
    examples = case.examples(model)
    predicted = model.forward(examples[:, :-1])[:, -1]
    expected = np.mean((predicted - examples[:, -1]) ** 2)
    assert model.loss(examples, case.settings(model, loss="mse")) == pytest.approx(
        expected, rel=1e-5
    )


def test_every_position_is_a_target(small: Small) -> None:
    case = small("torch/lstm", CLASSES)
    model = case.build()
    examples = case.examples(model)
    logits = model.forward(examples[:, :-1]).astype(float)
    log_sum = np.log(np.exp(logits).sum(axis=-1))
    taken = np.take_along_axis(logits, examples[:, 1:, :, None].astype(int), axis=-1)[..., 0]
    expected = np.mean(log_sum - taken)
    assert model.loss(examples, case.settings(model)) == pytest.approx(expected, rel=1e-5)


def test_an_encoder_decoder_predicts_the_second_block_from_the_first(small: Small) -> None:
    case = small("torch/seq2seq")
    model = case.build()
    examples = case.examples(model)
    expected = np.mean((model.forward(examples[:, :4]) - examples[:, 4:]) ** 2)
    assert model.loss(examples, case.settings(model, loss="mse")) == pytest.approx(
        expected, rel=1e-5
    )


def test_another_optimiser_starts_anew(small: Small) -> None:
    case = small("torch/tcn")
    adam, sgd = {"optimiser": "adam"}, {"optimiser": "sgd", "momentum": 0.9}
    state, _ = steps(case, [adam, adam, sgd, adam])
    assert state["optimizer/adam/steps"] == 1
    assert not any(name.startswith("optimizer/sgd") for name in state)
    # The same as from the weights that the phase before left.
    before, _ = steps(case, [adam, adam, sgd])
    model = case.build()
    model.load_state({name: value for name, value in before.items() if name.startswith("weights")})
    model.train_step(case.examples(model, 7, seed=3), case.settings(model, 3))
    for name, value in model.state().items():
        np.testing.assert_array_equal(value, state[name])


@pytest.mark.parametrize("option", RANDOM)
def test_dropout_and_noise_are_of_the_step_and_of_training_alone(
    small: Small, component: str, option: str
) -> None:
    if option not in random_options(component):
        with pytest.raises(OptionError):
            small(component, **{option: RANDOM[option]}).build()
        return
    case = small(component, **{option: RANDOM[option]})
    model = case.build()
    examples = case.examples(model)
    still = [
        float(model.train_step(examples, case.settings(model, step, learning_rate=0)))
        for step in (1, 2, 1)
    ]
    assert still[0] == still[2] != still[1]
    plain = small(component).build()
    settings = case.settings(model)
    assert model.loss(examples, settings) == plain.loss(examples, settings)


def test_whole_channels_are_dropped(small: Small) -> None:
    case = small("torch/tcn", dropout=0.5, filters=1)
    # With one filter, a dropped channel leaves a branch that is silent at every position: the
    # loss of a step is one of the few that its two masks in two blocks can make.
    model = case.build()
    examples = case.examples(model, batch=1)
    losses = {
        round(float(model.train_step(examples, case.settings(model, step, learning_rate=0))), 6)
        for step in range(60)
    }
    assert 2 <= len(losses) <= 16


def test_clipping_bounds_the_step(small: Small) -> None:
    case = small("torch/lstm")
    model = case.build()
    before = model.state()
    sgd = case.settings(model, optimiser="sgd", learning_rate=1.0, clip_norm=1e-3)
    model.train_step(case.examples(model), sgd)
    moved = [model.state()[name] - value for name, value in before.items()]
    norm = np.sqrt(sum(float((m.astype(float) ** 2).sum()) for m in moved))
    assert norm == pytest.approx(1e-3, rel=1e-3)


def test_a_weight_that_nothing_depends_on_stays(small: Small) -> None:
    # One block with skips: the output is its branch, and the projection beside it is unused.
    state, _ = steps(small("torch/tcn", dilations=(1,)), [{}, {}])
    new = small("torch/tcn", dilations=(1,)).build().state()
    np.testing.assert_array_equal(
        state["weights/tcn.0.match.weight"], new["weights/tcn.0.match.weight"]
    )


CARRYING = ("torch/lstm", "torch/gru", "torch/lru", "torch/samplernn")


@pytest.mark.parametrize("name", CARRYING)
def test_what_is_carried_is_kept_in_the_state(small: Small, name: str) -> None:
    check_resuming(small(name, CLASSES, carry=4, micro_batch=3))


def test_a_carried_training_that_is_stopped_resumes_to_the_same_bits(
    tmp_path: Path, music: Path
) -> None:
    def session(name: str) -> Session:
        options = {"units": 16, "layers": 1, "window": 40, "carry": 3, "device": "cpu"}
        plan = {"phases": [{"epochs": 2, "steps": 7, "batch_size": 3}], "audition": 0.0}
        config = RunConfig(
            library=str(music),
            representation=ComponentConfig(name="core/mulaw"),
            model=ComponentConfig(name="torch/gru", options=options),
            training=TrainingConfig.model_validate(plan),
        )
        return prepare(Run.create(tmp_path / name, config), Library(music))

    whole, parts = session("whole"), session("parts")
    model = whole.model
    followed = []
    step = model.train_step

    def watched(frames: Any, settings: Any) -> Any:
        followed.append((frames.copy(), settings.carried))
        return step(frames, settings)

    model.train_step = watched  # type: ignore[method-assign]
    train(whole)
    assert [carried for _, carried in followed] == 2 * (2 * [False, True, True] + [False])
    for (before, _), (after, carried) in pairwise(followed):
        # A chunk's inputs begin where those of the one before ended, if it goes on from it.
        assert np.array_equal(before[:, -1], after[:, 0]) == carried
    for stop in (2, 9):
        _stop_before(parts, stop)
        assert train(parts).step == stop
        parts = prepare(Run.open(tmp_path / "parts"), Library(music))
    train(parts)
    for name in ("last", "best"):
        arrays, _ = read_arrays(tmp_path / "whole" / f"{name}.safetensors")
        others, _ = read_arrays(tmp_path / "parts" / f"{name}.safetensors")
        assert arrays.keys() == others.keys()
        for key, value in arrays.items():
            np.testing.assert_array_equal(others[key], value, err_msg=key)


def _stop_before(session: Session, step: int) -> None:
    """Presses Ctrl-C in the middle of the step before ``step``."""
    examples = session.examples

    def interrupt(batch: int, seed: int, at: int, turn: int, more: bool) -> Any:
        if at == step - 1:
            signal.raise_signal(signal.SIGINT)
        return examples(batch, seed, at, turn, more)

    session.examples = interrupt  # type: ignore[method-assign]


@pytest.mark.parametrize("other", [{"targets": "last"}, {"predictor": "mix", "head": "logistics"}])
def test_what_cannot_be_carried_is_refused(small: Small, other: dict[str, Any]) -> None:
    with pytest.raises(OptionError, match="carry 3 cannot be had with"):
        small("torch/lru", CLASSES, carry=3, **other).build()


def test_a_model_that_cannot_carry_says_so(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(TorchModel, "carry", 1)  # as of a package that has none of it
    config = RunConfig(
        library=str(music),
        representation=ComponentConfig(name="core/mulaw"),
        model=ComponentConfig(name="torch/gru", options={"carry": 2}),
        training=TrainingConfig(),
    )
    with pytest.raises(OptionError, match="torch/gru cannot carry its state") as raised:
        prepare(Run.create(tmp_path / "run", config), Library(music))
    assert "--model.carry" in raised.value.hint


def test_a_model_that_cannot_be_told_says_so_before_it_trains(
    tmp_path: Path, music: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class Deaf:
        def next(self, n: int) -> None: ...

    monkeypatch.setattr(TorchModel, "stream", lambda *_: Deaf())  # as of a package's own
    config = RunConfig(
        library=str(music),
        representation=ComponentConfig(name="core/codes", options={"timbre": 2, "books": 1}),
        model=ComponentConfig(name="torch/gru"),
        training=TrainingConfig(),
    )
    with pytest.raises(OptionError, match="torch/gru cannot be given values") as raised:
        prepare(Run.create(tmp_path / "run", config), Library(music))
    assert "choose a model" in raised.value.hint


def test_signals_are_not_replaced() -> None:
    options = {"window": 16, "units": 16, "layers": 1, "dropout": 0.0, "device": "cpu"}
    check_noise_spares_signals(ModelCase("torch/gru", options, TOLD))


@pytest.mark.parametrize(
    ("changes", "head"),
    [({}, {}), ({"levels": None}, {}), ({"ordinal": True}, {"head": "logistics"})],
    ids=["classes", "values", "logistics"],
)
def test_what_is_always_given_is_not_learned(changes: dict[str, Any], head: dict[str, Any]) -> None:
    options = {"window": 16, "units": 6, "layers": 1, "dropout": 0.0, "device": "cpu"}
    spec = CONDITIONED.model_copy(update=changes)
    check_loss_is_a_mean(ModelCase("torch/gru", options | head, spec))
