"""The separator: hands clips to spleeter's networks in an environment of their own."""

from __future__ import annotations

import contextlib
import sys
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import Audio, resample
from lofikit.errors import AudioError
from lofikit.isolation import Worker
from lofikit.separators.base import Separator
from lofikit_spleeter.config import SpleeterConfig
from lofikit_spleeter.fetching import fetch
from lofikit_spleeter.weights import WEIGHTS, Weights, check

RATE = 44_100
"""Rate in Hz at which the networks work."""
STEMS: dict[int, tuple[str, ...]] = {
    2: ("vocals", "accompaniment"),
    4: ("vocals", "drums", "bass", "other"),
    5: ("vocals", "drums", "bass", "piano", "other"),
}
SCRIPT = Path(__file__).parent / "worker" / "separate.py"


class Spleeter(Separator):
    """Deezer's spleeter: a U-net a stem on the magnitude spectrogram (Hennequin et al. 2020).

    The networks are built and their weights read once, for all clips. Stems equal those of
    spleeter's own ``Separator`` on the whole clip, though the worker never holds more than a few
    segments of it; with the Wiener filter, whose statistics are of a clip as a whole, this is so
    for clips of up to ``segments``, and longer ones are faded over from one part to the next.

    Weights are fetched if they are missing, and the environment is made, when it is built.

    Raises:
        WeightsError: If the weights cannot be had, or are not Deezer's.
        IsolationError: If the environment cannot be made.
    """

    def __init__(self, config: SpleeterConfig) -> None:
        super().__init__(config)
        variant = "-16kHz" if config.bandwidth == 16 else ""
        weights = _weights(config)
        self._worker = Worker(
            SCRIPT,
            {
                "configuration": f"spleeter:{config.stems}stems{variant}",
                "checkpoint": str(weights),
                "wiener": config.filter == "wiener",
                "segments": config.segments,
            },
            name="spleeter",
            show=_show,
        )
        self._worker.start()

    @property
    def stems(self) -> tuple[str, ...]:
        """The stems of the chosen network."""
        return STEMS[self.config.stems]

    def separate(self, audio: Audio) -> dict[str, Audio]:
        """Returns every stem; mono goes in as two equal channels, and their mean comes out.

        Raises:
            AudioError: If there are more than two channels.
            WorkerError: If spleeter fails on the clip, or died of it twice.
        """
        channels, length = audio.samples.shape
        if channels > 2:
            raise AudioError(f"the clip has {channels} channels, and spleeter takes mono or stereo")
        mix = resample(audio, RATE).samples
        folder = self._worker.folder
        names = {stem: folder / f"{stem}.f32" for stem in self.stems}
        try:
            source = folder / "mix.f32"
            source.write_bytes(np.broadcast_to(mix, (2, mix.shape[1])).T.tobytes())
            files = {stem: str(path) for stem, path in names.items()}
            self._worker.call("separate", mix=str(source), stems=files)
            return {
                stem: _fitted(np.fromfile(path, np.float32), audio.rate, channels, length)
                for stem, path in names.items()
            }
        finally:
            for path in folder.glob("*.f32"):
                path.unlink()

    def close(self) -> None:
        """Ends the worker."""
        self._worker.close()


def _weights(config: SpleeterConfig) -> Path:
    weights = WEIGHTS[config.stems]
    if config.weights is None:
        return _fetched(weights, config.mirror)
    folder = Path(config.weights).expanduser().resolve()
    check(weights, folder, config.unverified)
    return folder


def _fetched(weights: Weights, mirror: str) -> Path:
    from lofikit_spleeter.command import download_progress

    with download_progress(weights) as progress:
        return fetch(weights, mirror, progress)


def _show(line: str) -> None:
    """Shows what uv tells of a long download; the rest is TensorFlow's chatter."""
    if line.startswith(("Downloading", "Installed")):
        with contextlib.suppress(OSError, ValueError):
            print(f"spleeter's environment: {line}", file=sys.stderr)


def _fitted(samples: NDArray[np.float32], rate: int, channels: int, length: int) -> Audio:
    """Returns a stem with the clip's rate, channels and length; its samples came interleaved."""
    stem = samples.reshape(-1, 2).T
    if channels == 1:
        stem = stem.mean(axis=0, keepdims=True, dtype=np.float32)
    stem = resample(Audio(stem, RATE), rate).samples[:, :length]
    # Resampling there and back may round a sample away.
    missing = length - stem.shape[1]
    return Audio(np.ascontiguousarray(np.pad(stem, ((0, 0), (0, missing)))), rate)
