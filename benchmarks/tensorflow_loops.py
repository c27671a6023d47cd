"""Generating with keras-tcn and TensorFlow: `predict` in a loop, and loops compiled by XLA."""

from __future__ import annotations

from collections.abc import Callable

import keras
import numpy as np
import tcn
import tensorflow as tf

from lofikit.streaming.network import LSTM, TCN, EncoderDecoder, Network

Generate = Callable[[int], np.ndarray]

tf.config.threading.set_intra_op_parallelism_threads(1)
tf.config.threading.set_inter_op_parallelism_threads(1)


def keras_model(network: Network, time: int) -> keras.Model:
    """keras-tcn's or Keras's own model of the network's weights; the last output of a window."""
    layer = network.layers[0]
    inputs = keras.Input((time, 1))
    if isinstance(layer, TCN):
        conv = layer.blocks[0].convs[0]
        own = tcn.TCN(
            conv.output_width,
            conv.kernel,
            dilations=[block.convs[0].dilation for block in layer.blocks],
            activation="tanh",
        )
        outputs = own(inputs)
        for block, built in zip(layer.blocks, own.residual_blocks, strict=True):
            for index, conv in enumerate(block.convs):
                target = getattr(built, f"conv1D_{index}")
                target.set_weights([conv.weight, conv.bias])
            if block.match is not None:
                built.shape_match_conv.set_weights([block.match.weight[None], block.match.bias])
    else:
        assert isinstance(layer, LSTM)
        own = keras.layers.LSTM(layer.output_width)
        outputs = own(inputs)
        own.set_weights([layer.kernel, layer.recurrent, layer.bias])
    head = keras.layers.Dense(1)
    model = keras.Model(inputs, head(outputs))
    head.set_weights([network.head.weight, network.head.bias])
    return model


def predict(network: Network, seed: np.ndarray) -> Generate:
    """`model.predict` on the window, for each sample."""
    model = keras_model(network, seed.shape[1])

    def generate(count: int) -> np.ndarray:
        history = seed
        for _ in range(count):
            new = model.predict(history[:, -seed.shape[1] :], verbose=0)
            history = np.concatenate([history, new[:, None]], axis=1)
        return history[:, seed.shape[1] :]

    return generate


def window(network: Network, seed: np.ndarray) -> Generate:
    """The window again for each sample, the loop compiled by XLA."""
    model = keras_model(network, seed.shape[1])

    @tf.function(jit_compile=True)
    def loop(x: tf.Tensor, count: int) -> tf.Tensor:
        frames = tf.TensorArray(tf.float32, count)
        for index in tf.range(count):
            new = model(x, training=False)
            x = tf.concat([x[:, 1:], new[:, None]], axis=1)
            frames = frames.write(index, new)
        return frames.stack()

    return _compiled(loop, seed)


def ring_buffers(network: Network, seed: np.ndarray) -> Generate:
    """One frame at a time with ring buffers, the loop compiled by XLA."""
    layer = network.layers[0]
    assert isinstance(layer, TCN)
    streams = len(seed)
    convs = [conv for block in layer.blocks for conv in block.convs]
    weights = [tf.constant(c.weight.reshape(-1, c.output_width)) for c in convs]

    def step(x: tf.Tensor, rings: list[tf.Tensor], clock: tf.Tensor) -> tuple:
        new_rings = []
        skip = 0.0
        number = 0
        for block in layer.blocks:
            branch = x
            for conv in block.convs:
                past = (conv.kernel - 1) * conv.dilation
                at = clock % past
                taps = [
                    rings[number][(clock + tap * conv.dilation) % past]
                    for tap in range(conv.kernel - 1)
                ]
                ring = tf.tensor_scatter_nd_update(rings[number], [[at]], branch[None])
                new_rings.append(ring)
                joined = tf.concat([*taps, branch], axis=1)
                branch = tf.tanh(joined @ weights[number] + conv.bias)
                number += 1
            branch = tf.tanh(branch)
            skip += branch
            if block.match is not None:
                x = x @ block.match.weight + block.match.bias
            x = tf.tanh(x + branch)
        return skip @ network.head.weight + network.head.bias, new_rings

    @tf.function(jit_compile=True)
    def loop(given: tf.Tensor, count: int) -> tf.Tensor:
        rings = [tf.zeros(((c.kernel - 1) * c.dilation, streams, c.input_width)) for c in convs]
        value = given[:, 0]
        for clock in tf.range(given.shape[1]):
            value, rings = step(given[:, clock], rings, clock)
        frames = tf.TensorArray(tf.float32, count)
        for index in tf.range(count):
            frames = frames.write(index, value)
            value, rings = step(value, rings, index + given.shape[1])
        return frames.stack()

    return _compiled(loop, seed)


def lstm(network: Network, seed: np.ndarray) -> Generate:
    """The LSTM with carried state, the loop compiled by XLA."""
    layer = network.layers[0]
    assert isinstance(layer, LSTM)

    def step(x: tf.Tensor, hidden: tf.Tensor, cell: tf.Tensor) -> tuple:
        gates = x @ layer.kernel + hidden @ layer.recurrent + layer.bias
        i, f, g, o = tf.split(gates, 4, axis=1)
        cell = tf.sigmoid(f) * cell + tf.sigmoid(i) * tf.tanh(g)
        hidden = tf.sigmoid(o) * tf.tanh(cell)
        return hidden @ network.head.weight + network.head.bias, hidden, cell

    @tf.function(jit_compile=True)
    def loop(given: tf.Tensor, count: int) -> tf.Tensor:
        hidden = cell = tf.zeros((len(seed), layer.output_width))
        value = given[:, 0]
        for clock in tf.range(given.shape[1]):
            value, hidden, cell = step(given[:, clock], hidden, cell)
        frames = tf.TensorArray(tf.float32, count)
        for index in tf.range(count):
            frames = frames.write(index, value)
            value, hidden, cell = step(value, hidden, cell)
        return frames.stack()

    return _compiled(loop, seed)


def encoder_decoder(network: EncoderDecoder, seed: np.ndarray) -> Generate:
    """Keras's layers, called block by block under `tf.function`."""
    inputs = keras.Input((network.block, network.input.size))
    encoder = keras.layers.LSTM(network.encoder.output_width)
    decoder = keras.layers.LSTM(network.decoder.output_width, return_sequences=True)
    head = keras.layers.Dense(network.head.output_width)
    context = keras.layers.RepeatVector(network.block)(encoder(inputs))
    model = keras.Model(inputs, head(decoder(context)))
    for built, layer in ((encoder, network.encoder), (decoder, network.decoder)):
        built.set_weights([layer.kernel, layer.recurrent, layer.bias])
    head.set_weights([network.head.weight, network.head.bias])
    call = tf.function(lambda x: model(x, training=False))

    def generate(count: int) -> np.ndarray:
        block = tf.constant(seed)
        parts = []
        for _ in range(-(-count // network.block)):
            block = call(block)
            parts.append(block.numpy())
        return np.concatenate(parts, axis=1)[:, :count]

    return generate


def _compiled(loop: Callable, seed: np.ndarray) -> Generate:
    def generate(count: int) -> np.ndarray:
        return loop(tf.constant(seed), count).numpy().transpose(1, 0, 2)

    return generate
