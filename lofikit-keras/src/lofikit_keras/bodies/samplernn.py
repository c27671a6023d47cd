"""The recurrent network of two tiers: Keras's GRU above, and products of samples below."""

from __future__ import annotations

from typing import Any

from lofikit.models.configs import SampleRNNConfig
from lofikit_keras.bodies.base import Body, dense_variables
from lofikit_keras.runtime import keras, tf


def samplernn(config: SampleRNNConfig, width: int) -> Body:
    """Builds the two tiers and the layer after them."""
    inputs = keras.Input((None, width))
    past = keras.Input(((config.frame - 1) * width,))
    state = keras.Input((config.units,))
    tiers = Tiers(config, width)
    hidden = keras.layers.Dense(config.width, activation="relu")
    values, *left = tiers(inputs, past, state)
    body = keras.Model([inputs, past, state], [hidden(values), *left])
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
        self.gru = keras.layers.GRU(
            config.units, return_sequences=True, return_state=True, reset_after=True
        )
        self.conditions = keras.layers.Dense(config.frame * config.width)
        self.recent = keras.layers.Conv1D(config.width, config.frame, use_bias=False)
        self.gru.build((None, None, config.frame * width))
        self.conditions.build((None, None, config.units))
        self.recent.build((None, None, width))
        self.built = True

    def call(self, x: Any, past: Any, state: Any) -> tuple[Any, Any, Any]:
        """Maps (batch, time, in) to (batch, time, width), and past and state to those after.

        They are those after all frames only of a time that is a multiple of ``frame``.
        """
        frame, batch, time = self._frame, tf.shape(x)[0], tf.shape(x)[1]
        steps = -(-time // frame)
        # A step of the upper tier reads the last `frame` frames; before the first are zeros.
        seen = tf.concat([tf.reshape(past, (batch, frame - 1, self._inputs)), x], axis=1)
        read = tf.reshape(seen[:, : steps * frame], (batch, steps, frame * self._inputs))
        hidden, left = self.gru(read, initial_state=state)
        told = tf.reshape(self.conditions(hidden), (batch, steps * frame, self._width))
        values = keras.ops.relu(self.recent(seen) + told[:, :time])
        return values, tf.reshape(seen[:, time:], tf.shape(past)), left

    def compute_output_spec(self, x: Any, past: Any, state: Any) -> tuple[Any, Any, Any]:
        """Returns the shapes of what :meth:`call` gives."""
        values = keras.KerasTensor((*x.shape[:-1], self._width), self.compute_dtype)
        return values, keras.KerasTensor(past.shape), keras.KerasTensor(state.shape)
