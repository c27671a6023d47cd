"""The model under lofikit's suites, and what it promises beyond them."""

import numpy as np
import pytest

from lofikit.errors import RunError
from lofikit.models.base import StepSettings
from lofikit.testing.cases import CLASSES, CODES, REAL, WIDE, ModelCase
from lofikit.testing.models import ModelSuite
from lofikit.testing.plugins import PluginSuite

SETTINGS = StepSettings(loss="cross-entropy")


class TestChain(ModelSuite):
    component = "markov/chain"
    options = {"order": 2, "detail": 8, "bits": 10, "window": 128}  # noqa: RUF012
    specs = (CLASSES,)
    unsupported = (REAL, WIDE, CODES)


class TestPlugin(PluginSuite):
    distribution = "lofikit-markov"


def chain(**options: int) -> ModelCase:
    return ModelCase("markov/chain", {"bits": 12, "trust": 4, "window": 400, **options}, CLASSES)


def test_probabilities_add_up_to_one() -> None:
    case = chain(order=3)
    model = case.build()
    case.train(model, range(3))
    shares = np.exp(model.forward(case.frames(2, 50)).astype(np.float64))
    np.testing.assert_allclose(shares.sum(axis=-1), 1, atol=1e-5)
    assert shares.min() > 0


def test_longer_contexts_know_more_of_what_was_seen() -> None:
    losses = []
    for order in (1, 2, 3):
        case = chain(order=order)
        model = case.build()
        frames = case.examples(model)
        model.train_step(frames, SETTINGS)
        losses.append(model.loss(frames, SETTINGS))
    assert losses[0] > losses[1] > losses[2]


def test_counts_of_other_options_are_refused() -> None:
    with pytest.raises(RunError, match="another chain"):
        chain(order=2).build().load_state(chain(order=3).build().state())
