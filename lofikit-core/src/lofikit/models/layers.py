"""One naming of weights, so that a model crosses from one backend to another.

For each family of networks (:mod:`lofikit.models.families`): the names and shapes of its weights,
their initial values, and the :class:`~lofikit.streaming.network.Network` that they make. A
backend keeps its weights in whatever layout it likes, and gives and takes them under these names
and in these shapes:

- convolutions ``(kernel, in, out)``, the newest tap last; dense layers ``(in, out)``;
- LSTM ``kernel (in, 4u)``, ``recurrent (u, 4u)``, ``bias (4u,)``, gates in the order input,
  forget, cell, output; GRU of three gates: update, reset, candidate;
- embeddings ``(levels, width)``, or ``(size, levels, width)`` for a table for each id of a frame;
- names: ``embedding``, those of the family, ``head.weight``, ``head.bias``.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import partial

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import UnsupportedSpecError
from lofikit.models.configs import CausalConfig, Seq2SeqConfig, SequenceConfig
from lofikit.models.families import family_of
from lofikit.models.families.base import Parameter, Parameters
from lofikit.models.initial import (
    Shape,
    embedding_normal,
    embedding_uniform,
    glorot_uniform,
    logistics,
    zeros,
)
from lofikit.representations.base import FrameSpec
from lofikit.streaming.heads import companded_edges, even_edges
from lofikit.streaming.network import (
    GUIDES,
    Dense,
    EncoderDecoder,
    Input,
    Logistics,
    Network,
    Predictor,
)

Weights = dict[str, NDArray[np.float32]]
Config = CausalConfig | Seq2SeqConfig


def input_width(config: Config, spec: FrameSpec) -> int:
    """Returns how many values of a frame the first layer takes."""
    guides = GUIDES if guided(config) else 0
    return spec.size * (_embedding(config, spec) or 1) + guides


def head_width(config: Config, spec: FrameSpec) -> int:
    """Returns how many values the head gives.

    The frame's; or for each class id a logit for each class, or a weight, a mean and a scale for
    each distribution of a mixture.
    """
    if mixtures := mixtures_of(config):
        return 3 * mixtures * spec.size
    return spec.size * (spec.levels or 1)


def mixtures_of(config: Config) -> int:
    """Returns how many logistic distributions give the classes' probabilities; 0 for none."""
    if isinstance(config, CausalConfig) and config.head == "logistics":
        return config.mixtures
    return 0


def predictor_of(config: Config) -> Predictor | None:
    """Returns the adaptive linear prediction that goes in, and centres the mixture, if any."""
    if isinstance(config, CausalConfig) and config.predictor != "none":
        return Predictor(config.predictor, config.predictor_order)
    return None


def guided(config: Config) -> bool:
    """Returns whether there is a predictor."""
    return predictor_of(config) is not None


def class_edges(config: Config, levels: int) -> NDArray[np.float32]:
    """Returns the inner edges of the classes' cells for a mixture, shape (levels - 1,).

    Around a prediction they lie where samples do, and elsewhere evenly.
    """
    return companded_edges(levels) if guided(config) else even_edges(levels)


def check_spec(config: Config, spec: FrameSpec) -> None:
    """Refuses frames that the inputs cannot express, and options that would do nothing.

    Raises:
        UnsupportedSpecError: With what to change.
    """
    embedding = _embedding(config, spec)
    if spec.conditions and isinstance(config, Seq2SeqConfig):
        raise UnsupportedSpecError(
            f"a model of blocks of frames cannot be given values, and {spec.conditions} of each "
            f"of these frames always are",
            "choose a model of one frame after the other: --model gru, for example",
        )
    if spec.levels is None:
        for field, kind in (("embedding", "of classes"), ("id_noise", "of class ids")):
            value = getattr(config, field, 0)
            # A width that is the default of a model for any frames is not asked for.
            if value and value != type(config).model_fields[field].default:
                raise UnsupportedSpecError(
                    f"--model.{field.replace('_', '-')} {value} is {kind}, and these frames are "
                    f"real values",
                    "leave it out, or choose a representation of classes: --representation mulaw",
                )
    elif not spec.ordinal and not embedding:
        cure = "embed them: --model.embedding 16"
        if not isinstance(config, CausalConfig):
            cure = "choose a model that embeds them: --model tcn --model.embedding 16"
        raise UnsupportedSpecError(
            f"these {spec.levels} classes have no order, so they cannot go in as numbers", cure
        )
    if mixtures_of(config) and (spec.levels is None or not spec.ordinal):
        kind = "real values" if spec.levels is None else f"{spec.levels} classes without an order"
        raise UnsupportedSpecError(
            f"--model.head logistics is of classes in an order, and these frames are {kind}",
            "leave it out, or choose a representation of such classes: --representation mulaw",
        )
    if guided(config) and (spec.hop != 1 or spec.size != 1 or not mixtures_of(config)):
        raise UnsupportedSpecError(
            "--model.predictor is of single mu-law samples and a mixture of logistic distributions",
            "add --model.head logistics --representation mulaw, or leave it out",
        )
    if isinstance(config, CausalConfig):
        of_head = ("mixtures", "head logistics", mixtures_of(config))
        of_predictor = ("predictor_order", "predictor levinson", guided(config))
        for field, needed, there in (of_head, of_predictor):
            if not there and getattr(config, field) != type(config).model_fields[field].default:
                flag = f"--model.{field.replace('_', '-')}"
                raise UnsupportedSpecError(
                    f"{flag} {getattr(config, field)} does nothing without --model.{needed}",
                    f"add --model.{needed}, or leave out {flag}",
                )
    if embedding and config.input_noise:
        raise UnsupportedSpecError(
            "--model.input-noise is added to numbers, and these classes are embedded",
            "leave out --model.input-noise or --model.embedding",
        )


def _embedding(config: Config, spec: FrameSpec) -> int:
    if spec.levels is None or not isinstance(config, CausalConfig):
        return 0
    return config.embedding


def _parameters(config: Config, spec: FrameSpec) -> Parameters:
    found: Parameters = {}
    family, embedding = family_of(config), _embedding(config, spec)
    if embedding and spec.levels:
        # Ids without an order mean another thing in each place of a frame.
        tables = (spec.size,) if spec.size > 1 and not spec.ordinal else ()
        shape = (*tables, spec.levels, embedding)
        initial = embedding_normal if isinstance(config, SequenceConfig) else embedding_uniform
        found["embedding"] = Parameter(shape, initial)
    found |= family.parameters(config, input_width(config, spec))
    features, outputs = family.features(config), head_width(config, spec)
    mixtures = mixtures_of(config)
    first = partial(logistics, mixtures, guided(config)) if mixtures else zeros
    found["head.weight"] = Parameter((features, outputs), glorot_uniform)
    found["head.bias"] = Parameter((outputs,), first)
    return found


def shapes(config: Config, spec: FrameSpec) -> dict[str, Shape]:
    """Returns the shape of each weight by its name, in the order of the layers."""
    return {name: parameter.shape for name, parameter in _parameters(config, spec).items()}


def initial_weights(config: Config, spec: FrameSpec, seed: int) -> Weights:
    """Draws a model's first weights, the same for every backend; see `lofikit.models.initial`."""
    rng = np.random.default_rng([seed, 0x1A1E])
    return {
        name: parameter.initial(rng, parameter.shape).astype(np.float32)
        for name, parameter in _parameters(config, spec).items()
    }


def network(
    config: Config, spec: FrameSpec, weights: Mapping[str, NDArray[np.float32]]
) -> Network | EncoderDecoder:
    """Returns the description that the streaming engine runs."""
    head = Dense(weights["head.weight"], weights["head.bias"])
    if (mixtures := mixtures_of(config)) and spec.levels is not None:
        edges = class_edges(config, spec.levels)
        head = Logistics(head.weight, head.bias, mixtures=mixtures, edges=edges)
    frames = Input(spec.size, spec.levels, weights.get("embedding"), predictor_of(config))
    return family_of(config).network(config, frames, weights, head)
