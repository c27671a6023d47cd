"""The plan's optimisers and losses as Keras's own, and an optimiser's state by name."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from lofikit.errors import OptionError, RunError
from lofikit.models.base import LossName, State, StepSettings
from lofikit_keras.layout import canonical, held
from lofikit_keras.runtime import keras

OPTIMISERS: dict[str, Callable[[StepSettings], Any]] = {
    "adam": lambda settings: keras.optimizers.Adam(**_common(settings)),
    "adamw": lambda settings: keras.optimizers.AdamW(
        weight_decay=settings.weight_decay, **_common(settings)
    ),
    "sgd": lambda settings: keras.optimizers.SGD(momentum=settings.momentum, **_common(settings)),
    "rmsprop": lambda settings: keras.optimizers.RMSprop(**_common(settings)),
}

LOSSES: dict[LossName, Callable[[], Any]] = {
    "huber": lambda: keras.losses.Huber(delta=1.0),
    "log-cosh": lambda: keras.losses.LogCosh(),
    "mse": lambda: keras.losses.MeanSquaredError(),
    "mae": lambda: keras.losses.MeanAbsoluteError(),
    "cross-entropy": lambda: keras.losses.SparseCategoricalCrossentropy(from_logits=True),
}


def _common(settings: StepSettings) -> dict[str, Any]:
    return {
        "learning_rate": settings.learning_rate,
        "global_clipnorm": settings.clip_norm or None,
    }


def check_optimiser(name: str) -> None:
    """Raises OptionError where Keras has no optimiser of that name here."""
    if name not in OPTIMISERS:
        raise OptionError(
            f"lofikit-keras has no optimiser {name!r}", f"choose one of: {', '.join(OPTIMISERS)}"
        )


class Optimiser:
    """A Keras optimiser of named variables.

    Its state is named ``optimizer/NAME/steps`` and ``optimizer/NAME/SLOT/WEIGHT``, for
    example ``optimizer/adam/momentum/head.bias``.

    Args:
        settings: Which optimiser; its learning rate is set at each step.
        variables: Trainable variables by the names of `lofikit_keras.layout`.
    """

    def __init__(self, settings: StepSettings, variables: Mapping[str, Any]) -> None:
        check_optimiser(settings.optimiser)
        self.keras = OPTIMISERS[settings.optimiser](settings)
        self.keras.build(list(variables.values()))
        names = {v.path.replace("/", "_"): name for name, v in variables.items()}
        prefix = f"optimizer/{settings.optimiser}"
        self._slots = {f"{prefix}/steps": self.keras.iterations}
        for variable in self.keras.variables[2:]:  # after the iteration and the learning rate
            weight, _, slot = variable.name.rpartition("_")
            self._slots[f"{prefix}/{slot}/{names[weight]}"] = variable

    def apply(self, gradients: list[Any], learning_rate: Any) -> None:
        """Does a step; called while it is compiled."""
        self.keras.learning_rate.assign(learning_rate)
        self.keras.apply(gradients)

    def state(self) -> State:
        """Returns copies of all that the next step needs."""
        state: State = {}
        for name, value in self._slots.items():
            state |= canonical(name, np.array(value.numpy()))
        return state

    def load(self, state: Mapping[str, np.ndarray]) -> None:
        """Takes what :meth:`state` of an optimiser of the same name gave.

        What is not in it starts anew, and what another optimiser has is ignored.

        Raises:
            RunError: If an array does not fit.
        """
        for name, variable in self._slots.items():
            parts = canonical(name, np.zeros_like(variable.numpy()))
            for part, new in parts.items():
                parts[part] = value = state.get(part, new)
                if value.shape != new.shape:
                    raise RunError(
                        f"the state {part} has shape {value.shape}, not {new.shape}",
                        "build the model with the options that it was trained with",
                    )
            variable.assign(held(name, variable.shape, parts))
