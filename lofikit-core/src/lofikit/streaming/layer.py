"""What every layer's description has, and the checks that they share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import TypeAlias

import numpy as np
import numpy.typing as npt

FloatArray: TypeAlias = npt.NDArray[np.float32]


class Layer(ABC):
    """A causal layer of frames: output ``i`` depends on inputs up to ``i``."""

    @property
    @abstractmethod
    def input_width(self) -> int:
        """Values a frame that go in."""

    @property
    @abstractmethod
    def output_width(self) -> int:
        """Values a frame that come out."""

    @property
    def reach(self) -> int | None:
        """Frames before the newest that an output depends on; None where there is no bound."""
        return 0

    def activations(self) -> Iterator[tuple[str, str]]:
        """The activations that it applies: the place within it, as ``.blocks[0]``, and the name."""
        yield from ()


def keep(layer: object, field: str, shape: tuple[int | None, ...]) -> None:
    """Replace a field's array by a contiguous float32 one after a look at its shape."""
    array = np.ascontiguousarray(getattr(layer, field), dtype=np.float32)
    fits = array.ndim == len(shape) and all(
        size > 0 and want in (None, size) for size, want in zip(array.shape, shape, strict=True)
    )
    if not fits:
        wanted = ", ".join("any" if size is None else str(size) for size in shape)
        raise ValueError(
            f"{type(layer).__name__}: {field} has shape {array.shape}; wanted ({wanted})."
        )
    object.__setattr__(layer, field, array)


def check_chain(owner: str, field: str, layers: Sequence[Layer], width: int | None = None) -> None:
    """Check that each layer takes what the one before it gives."""
    for index, layer in enumerate(layers):
        if width is not None and layer.input_width != width:
            raise ValueError(
                f"{owner}: {field}[{index}] ({type(layer).__name__}) takes {layer.input_width} "
                f"values a frame, is given {width}."
            )
        width = layer.output_width
