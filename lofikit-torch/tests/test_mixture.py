"""The mixture of logistic distributions: a distribution, exact in the tails, that learns."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

from lofikit.errors import UnsupportedSpecError
from lofikit.models.layers import check_spec
from lofikit.streaming.heads import even_edges
from lofikit.testing.cases import CLASSES, CODES, REAL
from lofikit_torch.config import TorchLSTMConfig
from lofikit_torch.mixture import Logistics


@given(
    levels=st.integers(2, 300),
    mixtures=st.integers(1, 6),
    spread=st.floats(0.1, 5.0),
    seed=st.integers(0, 1000),
)
@settings(max_examples=25, deadline=None)
def test_logits_are_logarithms_of_probabilities(
    levels: int, mixtures: int, spread: float, seed: int
) -> None:
    generator = torch.Generator().manual_seed(seed)
    values = spread * torch.randn(2, 3, 2 * 3 * mixtures, generator=generator)
    logits = Logistics(mixtures, even_edges(levels), False).logits(values)
    assert logits.shape == (2, 3, 2, levels)
    np.testing.assert_allclose(torch.exp(logits.double()).sum(-1), 1.0, atol=1e-4)


def test_the_likelihood_of_a_class_is_its_logit() -> None:
    values = 2 * torch.randn(3, 50, 12, generator=torch.Generator().manual_seed(0))
    ids = torch.randint(64, (3, 50, 1), generator=torch.Generator().manual_seed(1))
    mixture = Logistics(4, even_edges(64), False)
    taken = mixture.logits(values).gather(-1, ids[..., None])[..., 0]
    torch.testing.assert_close(mixture.log_likelihood(values, ids), taken)


def test_cells_and_tails_are_those_of_the_logistic_distribution() -> None:
    """One distribution against its distribution function in double precision."""
    mean, scale, levels = 0.3, 0.02, 256
    values = torch.tensor([[[0.0, mean, np.log(scale)]]])
    inner = (2 * np.arange(levels - 1) + 1) / (levels - 1) - 1
    below = 1 / (1 + np.exp(-(np.concatenate([[-np.inf], inner]) - mean) / scale))
    above = 1 / (1 + np.exp((np.concatenate([inner, [np.inf]]) - mean) / scale))
    wanted = 1 - below - above
    found = torch.exp(Logistics(1, even_edges(levels), False).logits(values))[0, 0, 0].numpy()
    np.testing.assert_allclose(found, wanted, rtol=1e-3, atol=5e-9)


def test_a_far_target_still_has_a_gradient() -> None:
    values = torch.tensor([[[0.0, -0.9, np.log(0.1)]]], requires_grad=True)
    likelihood = Logistics(1, even_edges(256), False).log_likelihood(
        values, torch.tensor([[[250]]])
    )
    likelihood.sum().backward()
    assert values.grad is not None
    assert torch.isfinite(values.grad).all() and values.grad[0, 0, 1] > 0.1


@pytest.mark.parametrize(
    ("options", "needed"),
    [({"mixtures": 3}, "head logistics"), ({"predictor_order": 8}, "predictor levinson")],
)
def test_options_that_would_do_nothing_are_refused(options: dict[str, int], needed: str) -> None:
    with pytest.raises(UnsupportedSpecError, match=f"does nothing without --model.{needed}"):
        check_spec(TorchLSTMConfig(**options), CLASSES)


@pytest.mark.parametrize("spec", [REAL, CODES], ids=["real", "codes"])
def test_frames_without_an_order_of_classes_are_refused(spec: object) -> None:
    with pytest.raises(UnsupportedSpecError, match="head logistics is of classes in an order"):
        check_spec(TorchLSTMConfig(head="logistics", embedding=4 * (spec is CODES)), spec)
