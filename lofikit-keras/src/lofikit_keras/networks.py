"""A model as Keras layers: how frames go in, the body of its family, and a dense head."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from lofikit.models.families import family_of
from lofikit.models.layers import Config, head_width, input_width, shapes
from lofikit.representations.base import FrameSpec
from lofikit_keras.bodies import build_body
from lofikit_keras.bodies.base import Variables
from lofikit_keras.layers import Embedding
from lofikit_keras.runtime import keras


@dataclass(frozen=True)
class Layers:
    """A model as Keras layers.

    Attributes:
        embedding: Of class ids, or None.
        body: From the first layer's values (batch, time, width) to the head's.
        head: To the values or logits of a frame, always in float32.
        variables: Trainable variables in the order of the layers, by the names of
            `lofikit_keras.layout`.
        seeds: States of the generators that dropout draws from.
    """

    embedding: Any
    body: Any
    head: Any
    variables: Variables
    seeds: tuple[Any, ...]


def build(config: Config, spec: FrameSpec, precision: str) -> Layers:
    """Builds a model's layers; their weights are still to be set."""
    variables: Variables = {}
    with _precision(precision):
        embedding = None
        if shape := shapes(config, spec).get("embedding"):
            embedding = Embedding(shape)
            variables["embedding"] = embedding.table
        body, found = build_body(config, input_width(config, spec))
        variables |= found
    head = keras.layers.Dense(head_width(config, spec), dtype="float32", name="head")
    head.build((None, None, family_of(config).features(config)))
    variables |= {"head.weight": head.kernel, "head.bias": head.bias}
    seeds = tuple(v for v in body.non_trainable_variables if v.name == "seed_generator_state")
    return Layers(embedding, body, head, variables, seeds)


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Makes a policy the default while layers are built: keras-tcn hands none to its own."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
