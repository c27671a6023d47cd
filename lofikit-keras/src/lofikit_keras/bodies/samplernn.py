"""The recurrent network of two tiers: Keras's GRU above, and products of samples below."""

from __future__ import annotations

from typing import Any

from lofikit.models.configs import SampleRNNConfig
from lofikit_keras.bodies.base import Body, dense_variables
from lofikit_keras.runtime import keras, tf


def samplernn(config: SampleRNNConfig, width: int) -> Body:
    """Builds the two tiers and the layer after them."""
    inputs = keras.Input((None, width))
    tiers = Tiers(config, width)
    hidden = keras.layers.Dense(config.width, activation="relu")
    body = keras.Model(inputs, hidden(tiers(inputs)))
    return body, {
        "tier.kernel": tiers.gru.cell.kernel,
        "tier.recurrent": tiers.gru.cell.recurrent_kernel,
        "tier.biases": tiers.gru.cell.bias,
        **dense_variables("conditions", tiers.conditions),
        "recent.weight": tiers.recent.kernel,
        **dense_variables("hidden", hidden),
    }


class Tiers(keras.layers.Layer):
    """See `lofikit.streaming.network.Tiers`, of which this is the sum before the activation's.

    Args:
        config: The model's options.
        width: Values a frame that go in.
    """

    def __init__(self, config: SampleRNNConfig, width: int) -> None:
        super().__init__()
        self._frame, self._inputs, self._width = config.frame, width, config.width
        self.gru = keras.layers.GRU(config.units, return_sequences=True, reset_after=True)
        self.conditions = keras.layers.Dense(config.frame * config.width)
        self.recent = keras.layers.Conv1D(
            config.width, config.frame, padding="causal", use_bias=False
        )
        self.gru.build((None, None, config.frame * width))
        self.conditions.build((None, None, config.units))
        self.recent.build((None, None, width))
        self.built = True

    def call(self, x: Any) -> Any:
        """Maps (batch, time, in) to (batch, time, width)."""
        frame, batch, time = self._frame, tf.shape(x)[0], tf.shape(x)[1]
        steps = -(-time // frame)
        # A step of the upper tier reads the last `frame` frames; before the first are zeros.
        seen = tf.pad(x, ((0, 0), (frame - 1, 0), (0, 0)))[:, : steps * frame]
        read = tf.reshape(seen, (batch, steps, frame * self._inputs))
        told = tf.reshape(self.conditions(self.gru(read)), (batch, steps * frame, self._width))
        return keras.ops.relu(self.recent(x) + told[:, :time])

    def compute_output_shape(self, shape: Any) -> Any:
        """Returns the shape of what :meth:`call` gives."""
        return (*shape[:-1], self._width)
