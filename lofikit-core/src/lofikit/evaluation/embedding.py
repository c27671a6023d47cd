"""What distances between sets of music are measured on: a vector for each window of a take."""

from __future__ import annotations

import itertools
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import LofikitError, OptionError
from lofikit.spectrum import BANDS, Samples, spectrum

Vectors = NDArray[np.float64]

WINDOW_SECONDS, HOP_SECONDS = 2.0, 1.0
"""Length of a window, and time from one to the next."""
MODULATIONS = (0.5, 1.0, 2.0, 4.0, 8.0, 16.0)
"""Edges of the modulation bands in Hz: from bars and beats to fast notes."""
GROUPS = 8
"""Groups of neighbouring mel bands whose modulation is looked at together."""
_STILL = -30.0  # modulation power in dB that is not told apart from none


class Embedding(Protocol):
    """Turns music into vectors of which like music has like ones.

    Anything with this method will do: a network trained on tagged music, for example. It is made
    without arguments.
    """

    def embed(self, samples: Samples, rate: int) -> NDArray[np.floating]:
        """Returns a vector for each window of mono samples (n,), shape (windows, size).

        Args:
            samples: In [-1, 1].
            rate: Sample rate in Hz.
        """


class LogMelModulation:
    """Timbre and rhythm of windows of two seconds, without anything learned.

    A vector has the mean level of each of 32 mel bands, and how much the level of each of eight
    groups of bands goes up and down in each of five octaves of modulation from 0.5 to 16 Hz (after
    McKinney and Breebaart, "Features for audio and music classification", ISMIR 2003): 72 values,
    all in bels.
    """

    def embed(self, samples: Samples, rate: int) -> Vectors:
        """Returns a vector each second, shape (windows, 72); none for less than a window."""
        seen = spectrum(samples, rate)
        levels = seen.levels().astype(np.float64)
        size, hop = (round(s * seen.frame_rate) for s in (WINDOW_SECONDS, HOP_SECONDS))
        if len(levels) < size:
            return np.zeros((0, BANDS + GROUPS * (len(MODULATIONS) - 1)))
        framed = np.lib.stride_tricks.sliding_window_view(levels, size, axis=0)[::hop]
        groups = framed.reshape(len(framed), GROUPS, BANDS // GROUPS, size).mean(axis=2)
        moving = (groups - groups.mean(axis=2, keepdims=True)) * np.hanning(size)
        power = np.square(np.abs(np.fft.rfft(moving, axis=2))) / size**2
        edges = np.searchsorted(np.fft.rfftfreq(size, 1 / seen.frame_rate), MODULATIONS)
        bands = [power[:, :, a:b].sum(axis=2) for a, b in itertools.pairwise(edges)]
        modulation = 10 * np.log10(np.maximum(np.stack(bands, axis=2), 10 ** (_STILL / 10)))
        vectors = [framed.mean(axis=2), modulation.reshape(len(framed), -1)]
        return np.concatenate(vectors, axis=1) / 10.0


def load_embedding(where: str | None) -> Embedding:
    """Returns an embedding by its place, ``package.module:Class``; the built-in one for ``None``.

    A module may lie in the folder that one works in.

    Raises:
        OptionError: If it is not there, or is none.
    """
    if where is None:
        return LogMelModulation()
    from lofikit.plugins import load_class

    hint = "write package.module:Class, of a class with the method embed(samples, rate)"
    if ":" not in where:
        raise OptionError(f"--embedding {where}: names no class", hint)
    here = str(Path.cwd())
    sys.path.append(here)  # last: nothing there takes the place of an installed module
    try:
        made: Callable[[], Embedding] = load_class(where)
        embedding = made()
    except LofikitError as error:
        raise OptionError(f"--embedding {where}: {error.message}", hint) from error
    except Exception as error:  # whatever a stranger's module raises
        raise OptionError(f"--embedding {where}: {error}", hint) from error
    finally:
        sys.path.remove(here)
    if not callable(getattr(embedding, "embed", None)):
        raise OptionError(f"--embedding {where}: it has no method embed", hint)
    return embedding
