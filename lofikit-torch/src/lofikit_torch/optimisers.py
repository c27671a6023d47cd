"""The optimisers of a plan, by Keras's formulas, so that both backends take the same steps.

torch's own differ in details that show after a few steps: its Adam scales epsilon by the bias
correction, its RMSprop adds epsilon outside of the root, and its SGD keeps the momentum without
the learning rate. Hyperparameters that a plan does not set are Keras 3's defaults.
"""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from typing import ClassVar

import torch
from torch import Tensor

from lofikit.models.base import OptimiserName, StepSettings

# torch's operations over lists of tensors: one kernel on a GPU instead of one a tensor.
_add_ = torch._foreach_add_
_addcdiv_ = torch._foreach_addcdiv_
_addcmul_ = torch._foreach_addcmul_
_copy_ = torch._foreach_copy_
_lerp_ = torch._foreach_lerp_
_mul_ = torch._foreach_mul_
_sqrt_ = torch._foreach_sqrt_


class Optimiser(ABC):
    """Changes parameters by their gradients, and keeps what it needs from step to step.

    Args:
        parameters: By name; changed in place.

    Attributes:
        slots: For each kind of memory (``momentum``), a tensor a parameter, by name.
        steps: Steps done.
    """

    names: ClassVar[tuple[str, ...]]

    def __init__(self, parameters: Mapping[str, Tensor]) -> None:
        self.steps = 0
        self.slots: dict[str, dict[str, Tensor]] = {
            slot: {name: torch.zeros_like(value) for name, value in parameters.items()}
            for slot in self.names
        }
        self._parameters = list(parameters.values())

    @torch.no_grad()
    def step(self, gradients: Sequence[Tensor], settings: StepSettings) -> None:
        """Does one step with gradients in the order of the parameters; they are used up."""
        self.steps += 1
        self._step(self._parameters, list(gradients), settings)

    @abstractmethod
    def _step(
        self, parameters: list[Tensor], gradients: list[Tensor], settings: StepSettings
    ) -> None: ...

    def _slot(self, name: str) -> list[Tensor]:
        return list(self.slots[name].values())


class SGD(Optimiser):
    """``v = momentum v - rate g; w = w + v`` (heavy ball, Polyak 1964)."""

    names = ("momentum",)

    def _step(
        self, parameters: list[Tensor], gradients: list[Tensor], settings: StepSettings
    ) -> None:
        velocity = self._slot("momentum")
        _mul_(velocity, settings.momentum)
        _add_(velocity, gradients, alpha=-settings.learning_rate)
        _add_(parameters, velocity)


class Adam(Optimiser):
    """Adam (Kingma and Ba 2015), in the form that ends section 2: ``epsilon hat`` of 1e-7."""

    names = ("momentum", "velocity")
    decay = False

    def _step(
        self, parameters: list[Tensor], gradients: list[Tensor], settings: StepSettings
    ) -> None:
        beta1, beta2, epsilon = 0.9, 0.999, 1e-7
        if self.decay and settings.weight_decay:
            _mul_(parameters, 1 - settings.learning_rate * settings.weight_decay)
        momentum, velocity = self._slot("momentum"), self._slot("velocity")
        _lerp_(momentum, gradients, 1 - beta1)
        _mul_(velocity, beta2)
        _addcmul_(velocity, gradients, gradients, value=1 - beta2)
        root = gradients  # their memory is free now, and may be as much as the weights'
        _copy_(root, velocity)
        _sqrt_(root)
        _add_(root, epsilon)
        correction = math.sqrt(1 - beta2**self.steps) / (1 - beta1**self.steps)
        _addcdiv_(parameters, momentum, root, value=-settings.learning_rate * correction)


class AdamW(Adam):
    """Adam with decoupled weight decay (Loshchilov and Hutter 2019), of biases too."""

    decay = True


class RMSprop(Optimiser):
    """``v = 0.9 v + 0.1 g**2; w = w - rate g / sqrt(v + 1e-7)`` (Hinton 2012)."""

    names = ("velocity",)

    def _step(
        self, parameters: list[Tensor], gradients: list[Tensor], settings: StepSettings
    ) -> None:
        velocity = self._slot("velocity")
        _mul_(velocity, 0.9)
        _addcmul_(velocity, gradients, gradients, value=0.1)
        root = torch._foreach_add(velocity, 1e-7)
        _sqrt_(root)
        _addcdiv_(parameters, gradients, root, value=-settings.learning_rate)


OPTIMISERS: dict[OptimiserName, type[Optimiser]] = {
    "adam": Adam,
    "adamw": AdamW,
    "sgd": SGD,
    "rmsprop": RMSprop,
}


def clip(gradients: Sequence[Tensor], norm: float) -> None:
    """Scales gradients in place so that their global norm is at most ``norm``."""
    total = torch.linalg.vector_norm(
        torch.stack([torch.linalg.vector_norm(gradient) for gradient in gradients])
    )
    _mul_(list(gradients), torch.clamp(norm / total, max=1.0))
