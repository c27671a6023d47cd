"""Writing audio: to files as it is made or in one go, and to a pipe."""

from __future__ import annotations

import os
import struct
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lofikit.audio import BLOCK, Audio, libsndfile_words
from lofikit.errors import AudioError, OutputError

# What libsndfile writes, and at which rates; soxr brings other rates up to the next of them.
_OPUS_RATES = (8_000, 12_000, 16_000, 24_000, 48_000)
_MP3_RATES = (8_000, 11_025, 12_000, 16_000, 22_050, 24_000, 32_000, 44_100, 48_000)
_WRITERS: dict[str, tuple[str, str, tuple[int, ...]]] = {
    ".wav": ("WAV", "PCM_16", ()),
    ".flac": ("FLAC", "PCM_16", ()),
    ".ogg": ("OGG", "VORBIS", ()),
    ".opus": ("OGG", "OPUS", _OPUS_RATES),
    ".mp3": ("MP3", "MPEG_LAYER_III", _MP3_RATES),
}

_HEADER = 4_096
"""Bytes within which the samples of a WAV begin."""


class Writer:
    """Writes audio block by block; the file is playable whenever writing stops, even by a kill.

    (An ogg, opus or mp3 then lacks what its encoder still holds, some seconds.)

    Args:
        path: The file; its suffix names the format (wav, flac, ogg, opus, mp3).
        rate: Rate of the samples in Hz.
        channels: Number of channels.
        subtype: libsndfile's name of the sample format, to write other than 16 bits.

    Raises:
        OutputError: If the format is not known or the file cannot be written.
    """

    def __init__(self, path: Path, rate: int, channels: int = 1, subtype: str = "") -> None:
        import soundfile
        import soxr

        check_format(path)
        form, kind, rates = _WRITERS[path.suffix.lower()]
        self.path = path
        self.rate = rate
        target = next((r for r in rates if r >= rate), rates[-1]) if rates else rate
        self._resampler = None
        if target != rate:
            self._resampler = soxr.ResampleStream(rate, target, channels, dtype="float32")
        self._channels = channels
        try:
            self._file: soundfile.SoundFile = soundfile.SoundFile(
                path, "w", target, channels, subtype or kind, format=form
            )
        except (soundfile.SoundFileError, OSError) as error:
            raise OutputError(f"cannot write {path}: {libsndfile_words(error)}") from error

    def write(self, samples: NDArray[np.float32], last: bool = False) -> None:
        """Appends samples of shape (channels, n), clipped to full scale unless stored as floats.

        Raises:
            OutputError: If the disk is full or the file cannot be written on.
        """
        import soundfile

        most = np.inf if self._file.subtype == "FLOAT" else 1.0
        block = np.clip(samples, -most, most).T.astype(np.float32)
        if self._resampler is not None:
            block = self._resampler.resample_chunk(block, last=last)
        try:
            for i in range(0, len(block), BLOCK):  # libsndfile's encoders overflow on long blocks
                self._file.write(block[i : i + BLOCK])
            self._file.flush()
            if self.path.suffix.lower() == ".wav":
                _state_length(self.path)
        except (soundfile.SoundFileError, OSError, AssertionError) as error:
            words = libsndfile_words(error)
            if words in ("", "System error"):  # all that libsndfile says of a full disk
                words = "the disk may be full"
            raise OutputError(
                f"cannot write on {self.path}: {words}",
                "free some space, or choose another place",
            ) from error

    def close(self) -> None:
        """Writes what the resampler holds back and closes the file."""
        if self._file.closed:
            return
        try:
            if self._resampler is not None:
                self.write(np.zeros((self._channels, 0), np.float32), last=True)
        finally:
            self._file.close()

    def __enter__(self) -> Writer:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _state_length(path: Path) -> None:
    """Writes the length so far into the header of a WAV that is being written.

    libsndfile does so when it closes the file, and a process that is killed closes nothing.
    """
    with path.open("r+b") as file:
        length = min(file.seek(0, os.SEEK_END), 0xFFFF_FFFF)
        file.seek(0)
        at = file.read(_HEADER).find(b"data") + 4
        if at > 4:
            for place in (4, at):
                file.seek(place)
                file.write(struct.pack("<I", length - place - 4))


class PipeWriter:
    """Writes 16-bit samples to a pipe as they are made, for a player that reads along.

    Args:
        stream: The binary stream, for example ``sys.stdout.buffer``.
        rate: Rate of the samples in Hz.
        raw: Leave out the WAV header: signed 16-bit little-endian samples, one channel.
    """

    def __init__(self, stream: BinaryIO, rate: int, raw: bool = False) -> None:
        self._stream = stream
        if not raw:
            stream.write(_endless_wav_header(rate))
        stream.flush()

    def write(self, samples: NDArray[np.float32]) -> None:
        """Writes mono samples of shape (n,), clipped to full scale."""
        scaled = np.round(np.clip(samples, -1.0, 1.0) * 32767)
        self._stream.write(scaled.astype("<i2").tobytes())
        self._stream.flush()


def _endless_wav_header(rate: int) -> bytes:
    """Returns the header of a mono WAV whose length is not known: the largest that it can state."""
    most = 0xFFFF_FFFF
    return b"".join(
        [
            struct.pack("<4sI4s", b"RIFF", most, b"WAVE"),
            struct.pack("<4sIHHIIHH", b"fmt ", 16, 1, 1, rate, 2 * rate, 2, 16),
            struct.pack("<4sI", b"data", most - 36),
        ]
    )


def check_format(path: Path) -> None:
    """Refuses a file name whose suffix names no format that can be written.

    Raises:
        OutputError: Naming the formats that can.
    """
    if path.suffix.lower() not in _WRITERS:
        formats = ", ".join(s.lstrip(".") for s in _WRITERS)
        raise OutputError(
            f"cannot write {path.name!r}: {path.suffix or 'a name without suffix'} is not a "
            f"format that can be written",
            f"end the name in one of: {formats}",
        )


def write(path: Path, audio: Audio, subtype: str = "", gain: float = 1.0) -> None:
    """Writes a file in one go, by way of a temporary one, so that no half file is ever seen.

    Args:
        path: The file; its suffix names the format.
        audio: What is written.
        subtype: libsndfile's name of the sample format, to write other than 16 bits.
        gain: Factor on the samples.

    Raises:
        AudioError: If a sample is NaN or infinite.
        OutputError: If the file cannot be written.
    """
    partial = path.with_name(f".partial-{path.name}")
    try:
        with Writer(partial, audio.rate, audio.samples.shape[0], subtype) as writer:
            for block in audio.blocks():
                if not np.isfinite(block).all():
                    raise AudioError(f"{path.name}: holds NaN or infinity, and is not written")
                writer.write(block * np.float32(gain))
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)
