"""Steps: cutting a batch, choosing targets, changing the optimiser, dropout, clipping."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from lofikit.errors import OptionError
from lofikit.models.base import State
from lofikit.testing.cases import CLASSES, REAL, ModelCase

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
