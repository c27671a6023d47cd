"""The separator: hands clips to the script in ``worker/``."""

from __future__ import annotations

from pathlib import Path

import numpy as np

from lofikit.audio import Audio
from lofikit.isolation import Worker
from lofikit.separators.base import Separator
from lofikit_isolated.config import BandsConfig

SCRIPT = Path(__file__).parent / "worker" / "bands.py"


class Bands(Separator):
    """Two stems that add up to the music, parted by a soft edge in the spectrum.

    Raises:
        IsolationError: If the environment cannot be made.
    """

    config: BandsConfig

    def __init__(self, config: BandsConfig) -> None:
        super().__init__(config)
        self._worker = Worker(SCRIPT, {"cutoff": config.cutoff}, name="bands")
        self._worker.start()

    @property
    def stems(self) -> tuple[str, ...]:
        """``bass`` and ``treble``."""
        return ("bass", "treble")

    def separate(self, audio: Audio) -> dict[str, Audio]:
        """Returns both stems.

        Raises:
            WorkerError: If the script fails on the clip.
        """
        clip, bass = self._worker.folder / "clip.npy", self._worker.folder / "bass.npy"
        np.save(clip, audio.samples)
        self._worker.call("part", clip=str(clip), bass=str(bass), rate=audio.rate)
        low = np.load(bass)
        return {
            "bass": Audio(low, audio.rate),
            "treble": Audio(audio.samples - low, audio.rate),
        }

    def library_version(self) -> str:
        """Returns the version of NumPy that the script has."""
        return str(self._worker.call("version"))

    def close(self) -> None:
        """Ends the worker."""
        self._worker.close()
