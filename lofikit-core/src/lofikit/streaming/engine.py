"""Opening a stream of a network on the compiled engine."""

from __future__ import annotations

import importlib.util
from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from typing import Literal, TypeAlias

import numpy as np
import numpy.typing as npt

from lofikit.streaming.network import (
    ACTIVATIONS,
    EncoderDecoder,
    FloatArray,
    Input,
    Network,
)

Frames: TypeAlias = npt.NDArray[np.float32] | npt.NDArray[np.int32]


def supports(network: Network | EncoderDecoder) -> str | None:
    """Whether the engine can stream a network.

    Args:
        network: The network.

    Returns:
        None if it can, else the reason, naming the layer.
    """
    if importlib.util.find_spec("numba") is None:
        return "numba is not installed"
    for where, name in _activations(network):
        if name not in ACTIVATIONS:
            return f"{where} has the activation {name!r}; the engine has {', '.join(ACTIVATIONS)}"
    return None


def open_stream(
    network: Network | EncoderDecoder,
    batch: int,
    temperature: float | Sequence[float] = 1.0,
    top_p: float = 1.0,
    seed: int = 0,
    threads: int = 1,
    weights: Literal["float32", "int8"] = "float32",
) -> EngineStream:
    """Open a stream: the network's weights are packed and its state is set to zeros.

    The kernels are compiled when the first frame is stepped, or read from numba's cache.

    Args:
        network: The network; see `supports`.
        batch: Streams stepped together.
        temperature: Divides the logits of classes; 0 takes the most likely. One for all values
            of a frame, or one each. Regressing networks feed their prediction back and ignore it.
        top_p: Classes are drawn from the most likely ones that reach this probability, in (0, 1].
        seed: Of the draws; stream ``b`` of a seed is the same for every batch and thread count.
        threads: Streams are spread over this many threads.
        weights: "int8" rounds the matrices that LSTMs multiply their hidden states by to 8 bits
            (a scale a column), and those states to 13 to 15. They are a quarter of the size, which
            is what bounds the speed of large LSTMs; outputs are off by up to some hundredths of
            their standard deviation (docs/streaming.md). Without an LSTM it changes nothing.

    Returns:
        The stream.

    Raises:
        ValueError: The engine cannot express the network, or an option is out of its range.
    """
    reason = supports(network)
    if reason is not None:
        raise ValueError(f"The streaming engine cannot run this network: {reason}.")
    for name, count in (("batch", batch), ("threads", threads)):
        if count < 1:
            raise ValueError(f"{name} must be at least 1, not {count}.")
    size = network.input.size
    temperatures = np.array(np.broadcast_to(np.asarray(temperature, np.float64), (size,)))
    if not (temperatures >= 0).all():
        raise ValueError(f"temperature must be 0 or more, not {temperature}.")
    if not 0 < top_p <= 1:
        raise ValueError(f"top_p must be above 0 and at most 1, not {top_p}.")
    if weights not in ("float32", "int8"):
        raise ValueError(f"weights must be 'float32' or 'int8', not {weights!r}.")
    int8 = weights == "int8"
    # numba takes a third of a second to import: only those who stream pay for it.
    if isinstance(network, EncoderDecoder):
        from lofikit.streaming.blocks import BlockStream

        return BlockStream(network, batch, temperatures, top_p, seed, threads, int8=int8)
    from lofikit.streaming.frames import FrameStream

    return FrameStream(network, batch, temperatures, top_p, seed, threads, int8=int8)


class EngineStream(ABC):
    """A network's carried state, for a batch of streams."""

    @abstractmethod
    def prime(self, frames: Frames) -> FloatArray:
        """Step given frames, and keep the state they leave.

        May be called again and again, also after `next`: the state goes on. The outputs equal the
        forward pass over the whole history, however it was cut into calls.

        Args:
            frames: Shape (batch, time, size): float32, or int32 class ids.

        Returns:
            Float32 outputs (batch, time, size), or logits (batch, time, size, levels).

        Raises:
            ValueError: The frames have another shape or kind, or ids outside the levels.
        """

    @abstractmethod
    def next(self, count: int, given: Frames | None = None) -> Frames:
        """Generate frames, feeding each back to make the one after.

        Before any `prime`, it starts from a first frame of zeros, or of the middle class.

        Args:
            count: Frames to generate.
            given: Values to take instead of drawing them, shape (batch, count, size); -1 for ids
                and NaN for real values that are drawn. The others are drawn by the same numbers
                as if nothing were given.

        Returns:
            Shape (batch, count, size): float32, or int32 class ids.

        Raises:
            ValueError: The count is negative, or given values have another shape or kind, or
                this is the stream of an `EncoderDecoder`, which takes none.
        """


def checked_frames(frames: Frames, spec: Input, batch: int) -> FloatArray:
    """Given frames as contiguous float32, which holds class ids up to 2**24 exactly.

    Raises:
        ValueError: The frames have another shape or kind, or ids outside the levels.
    """
    array = np.asarray(frames)
    if array.ndim != 3 or array.shape[0] != batch or array.shape[2] != spec.size:
        raise ValueError(f"frames have shape {array.shape}; wanted ({batch}, time, {spec.size}).")
    if spec.levels is not None:
        if not np.issubdtype(array.dtype, np.integer):
            raise ValueError(f"frames are {array.dtype}; this network takes integer class ids.")
        if array.size and not 0 <= array.min() <= array.max() < spec.levels:
            raise ValueError(
                f"class ids reach from {array.min()} to {array.max()}; this network has "
                f"{spec.levels} levels."
            )
    # A copy, as the compiled loop takes writable arrays only.
    return np.array(array, np.float32, order="C")


def checked_given(
    given: Frames | None, batch: int, count: int, size: int, levels: int | None
) -> FloatArray:
    """Given values as contiguous float32 with NaN where there is none; of size 0 without any.

    Raises:
        ValueError: They have another shape or kind, or ids outside the levels.
    """
    if given is None:
        return np.empty((batch, count, 0), np.float32)
    array = np.asarray(given)
    if array.shape != (batch, count, size):
        raise ValueError(
            f"given values have shape {array.shape}; wanted ({batch}, {count}, {size})."
        )
    if levels is None:
        return np.array(array, np.float32, order="C")
    if not np.issubdtype(array.dtype, np.integer):
        raise ValueError(f"given values are {array.dtype}; this network takes integer class ids.")
    if array.size and not -1 <= array.min() <= array.max() < levels:
        raise ValueError(
            f"given class ids reach from {array.min()} to {array.max()}; this network has {levels} "
            f"levels, and -1 stands for a class that is drawn."
        )
    return np.where(array < 0, np.float32(np.nan), array.astype(np.float32))


def first_frames(spec: Input, batch: int, time: int) -> Frames:
    """What a stream that was never primed starts from: silence, or the middle class."""
    if spec.levels is None:
        return np.zeros((batch, time, spec.size), np.float32)
    return np.full((batch, time, spec.size), spec.levels // 2, np.int32)


def _activations(network: Network | EncoderDecoder) -> Iterator[tuple[str, str]]:
    yield "head", network.head.activation
    if isinstance(network, EncoderDecoder):
        return
    for number, layer in enumerate(network.layers):
        for place, name in layer.activations():
            yield f"layers[{number}]{place}", name
