"""The Keras layers of each model, and where core's canonical weights lie in them."""

from __future__ import annotations

import contextlib
import functools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from lofikit.models.configs import LSTMConfig, Seq2SeqConfig, TCNConfig
from lofikit.models.families import family_of
from lofikit.models.families.base import of_config
from lofikit.models.families.lstm import layer_names
from lofikit.models.layers import Config, head_width, input_width, shapes
from lofikit.options import Options
from lofikit.representations.base import FrameSpec
from lofikit_keras.runtime import TCNLayer, keras, tf

_Body = tuple[Any, dict[str, Any]]
"""The layers of a family as a Keras model, and its variables by their canonical names."""


@dataclass(frozen=True)
class Layers:
    """A model as Keras layers.

    Attributes:
        embedding: Of class ids, or None.
        body: From the first layer's values (batch, time, width) to the head's.
        head: To the values or logits of a frame, always in float32.
        variables: Trainable variables by their canonical names (see `lofikit.models.layers`), in
            the order of the layers. A variable holds its canonical weight in the same order of
            elements; only the matching convolution has one more axis, of length 1.
        seeds: States of the generators that dropout draws from.
    """

    embedding: Any
    body: Any
    head: Any
    variables: dict[str, Any]
    seeds: tuple[Any, ...]


def embedded(ids: Any, table: Any) -> Any:
    """Returns rows (..., size, width) of ids (..., size), off one table or a table each."""
    if len(table.shape) == 2:
        return tf.gather(table, ids)
    size, levels, width = table.shape
    return tf.gather(tf.reshape(table, (size * levels, width)), ids + levels * tf.range(size))


class Embedding(keras.layers.Layer):  # type: ignore[misc]
    """A learned row for each class id; see `lofikit.streaming.network.Input` for the table."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.table = self.add_weight(shape=shape, name="embedding")
        self.built = True

    def call(self, ids: Any) -> Any:
        """Returns rows (..., size, width) of ids (..., size)."""
        return embedded(ids, self.table)


def build(config: Config, spec: FrameSpec, precision: str) -> Layers:
    """Builds a model's layers; their weights are still to be set."""
    variables: dict[str, Any] = {}
    with _precision(precision):
        embedding = None
        if shape := shapes(config, spec).get("embedding"):
            embedding = Embedding(shape)
            variables["embedding"] = embedding.table
        width = input_width(config, spec)
        body, found = of_config(_BODIES, config)(config, width)
        variables |= found
    head = keras.layers.Dense(head_width(config, spec), dtype="float32", name="head")
    head.build((None, None, family_of(config).features(config)))
    variables |= {"head.weight": head.kernel, "head.bias": head.bias}
    seeds = tuple(v for v in body.non_trainable_variables if v.name == "seed_generator_state")
    return Layers(embedding, body, head, variables, seeds)


def canonical(name: str, value: np.ndarray) -> np.ndarray:
    """Returns a variable's array in core's layout, in which a matching convolution is dense."""
    return value[0] if name.endswith(".match.weight") else value


@contextlib.contextmanager
def _precision(policy: str) -> Iterator[None]:
    """Makes a policy the default while layers are built: keras-tcn hands none to its own."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(policy)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)


def activation(name: str) -> str | Callable[[Any], Any]:
    """Returns what Keras takes for one of core's names of activations."""
    if name == "gelu_tanh":
        return functools.partial(keras.activations.gelu, approximate=True)
    return name


def _tcn(config: TCNConfig, width: int) -> _Body:
    inputs = keras.Input((None, width))
    layer = TCNLayer(
        nb_filters=config.filters,
        kernel_size=config.kernel_size,
        nb_stacks=config.stacks,
        dilations=config.dilations,
        use_skip_connections=config.skips,
        dropout_rate=config.dropout,
        return_sequences=True,
        activation=activation(config.activation),
        name="tcn",
    )
    body = keras.Model(inputs, layer(inputs))
    variables: dict[str, Any] = {}
    for i, block in enumerate(layer.residual_blocks):
        convs = [part for part in block.layers if isinstance(part, keras.layers.Conv1D)]
        for name, conv in zip(("conv1", "conv2"), convs, strict=True):
            variables[f"tcn.{i}.{name}.weight"] = conv.kernel
            variables[f"tcn.{i}.{name}.bias"] = conv.bias
        if isinstance(block.shape_match_conv, keras.layers.Conv1D):
            variables[f"tcn.{i}.match.weight"] = block.shape_match_conv.kernel
            variables[f"tcn.{i}.match.bias"] = block.shape_match_conv.bias
    return body, variables


def _lstm(config: LSTMConfig, width: int) -> _Body:
    inputs = keras.Input((None, width))
    values, variables = inputs, {}
    for name in layer_names(config):
        layer = keras.layers.LSTM(config.units, return_sequences=True)
        values = layer(values)
        if config.dropout:
            values = keras.layers.Dropout(config.dropout)(values)
        variables |= _lstm_variables(name, layer)
    return keras.Model(inputs, values), variables


def _seq2seq(config: Seq2SeqConfig, width: int) -> _Body:
    inputs = keras.Input((config.block, width))
    encoder = keras.layers.LSTM(config.units)
    decoder = keras.layers.LSTM(config.units, return_sequences=True)
    code = encoder(inputs)
    if config.dropout:
        code = keras.layers.Dropout(config.dropout)(code)
    outputs = decoder(keras.layers.RepeatVector(config.block)(code))
    variables = _lstm_variables("encoder", encoder) | _lstm_variables("decoder", decoder)
    return keras.Model(inputs, outputs), variables


def _lstm_variables(name: str, layer: Any) -> dict[str, Any]:
    return {
        f"{name}.kernel": layer.cell.kernel,
        f"{name}.recurrent": layer.cell.recurrent_kernel,
        f"{name}.bias": layer.cell.bias,
    }


_BODIES: dict[type[Options], Callable[[Any, int], _Body]] = {
    TCNConfig: _tcn,
    LSTMConfig: _lstm,
    Seq2SeqConfig: _seq2seq,
}
