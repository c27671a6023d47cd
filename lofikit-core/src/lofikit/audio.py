"""Audio in memory, and reading and writing it as files."""

from __future__ import annotations

import contextlib
import os
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lofikit.errors import AudioError

if TYPE_CHECKING:
    from soundfile import SoundFile

SUFFIXES = frozenset({".wav", ".flac", ".ogg", ".oga", ".opus", ".mp3"})
"""Files that can be read."""
OTHER_SUFFIXES = frozenset(
    {".m4a", ".aac", ".mp4", ".wma", ".webm", ".aif", ".aiff", ".alac", ".ape", ".wv"}
)
"""Files that are audio too, so that one is named and not passed over in silence."""

BLOCK = 1 << 18
"""Samples a channel that are decoded at a time."""
MAX_RATE = 768_000


@dataclass(frozen=True)
class Audio:
    """Samples with their rate.

    Attributes:
        samples: float32 in [-1, 1], shape (channels, samples).
        rate: Sample rate in Hz.
    """

    samples: NDArray[np.float32]
    rate: int

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return float(self.samples.shape[1] / self.rate)

    def mono(self) -> NDArray[np.float32]:
        """Returns the mean of the channels, shape (samples,)."""
        return np.asarray(self.samples.mean(axis=0, dtype=np.float32))

    def blocks(self) -> Iterator[NDArray[np.float32]]:
        """Yields views of shape (channels, n), so that a memory map is not read as a whole."""
        for start in range(0, self.samples.shape[1], BLOCK):
            yield self.samples[:, start : start + BLOCK]


@dataclass(frozen=True)
class Facts:
    """What reading a whole file found out.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        frames: Samples a channel that were decoded, whatever the header says.
        peak: Largest absolute value.
        damage: What is wrong with the file though it can be read in part, or an empty text.
    """

    rate: int
    channels: int
    frames: int
    peak: float
    damage: str

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate


class Reader:
    """Decodes a file block by block, so that memory does not grow with its length.

    Args:
        path: The file; its content decides how it is read, not its name.

    Attributes:
        rate: Sample rate in Hz.
        channels: Number of channels.
        claimed: Samples a channel that the header promises.
        damage: Set once decoding broke off early; what was decoded before is good.

    Raises:
        AudioError: If the file cannot be read as audio at all.
    """

    def __init__(self, path: Path) -> None:
        import soundfile

        self.path = path
        self.damage = ""
        try:
            self._raw = path.open("rb")
        except OSError as error:
            raise AudioError(f"{path.name}: {error.strerror or error}") from error
        try:
            if os.fstat(self._raw.fileno()).st_size == 0:
                raise AudioError(f"{path.name}: the file is empty")
            self._file = self._opened()
        except (soundfile.SoundFileError, TypeError, ValueError) as error:
            self._raw.close()
            raise AudioError(f"{path.name}: {_reason(path, error)}") from error
        except AudioError:
            self._raw.close()
            raise
        self.rate: int = self._file.samplerate
        self.channels: int = self._file.channels
        self.claimed: int = self._file.frames
        if not 1 <= self.rate <= MAX_RATE:
            self.close()
            raise AudioError(f"{path.name}: the header gives a sample rate of {self.rate} Hz")

    def _opened(self) -> SoundFile:
        """Opens the file without its name, from which libsndfile would guess before its content.

        By its number, since a Python stream would be read through callbacks, which hold up the
        other threads; but not where a number means something else to libsndfile (Windows).
        """
        import soundfile

        if os.name == "posix":
            return soundfile.SoundFile(self._raw.fileno(), closefd=False)
        return soundfile.SoundFile(self._raw)

    def blocks(self, size: int = BLOCK) -> Iterator[NDArray[np.float32]]:
        """Yields float32 blocks of shape (channels, n), ``n`` at most ``size``."""
        import soundfile

        done = 0
        while True:
            try:
                block = self._file.read(size, dtype="float32", always_2d=True)
            except (soundfile.SoundFileError, RuntimeError) as error:
                self.damage = f"decoding broke off: {libsndfile_words(error)}"
                for block in self._last_blocks(done):
                    done += block.shape[1]
                    yield block
                break
            if not len(block):
                break
            done += len(block)
            yield np.ascontiguousarray(block.T)
        # Of a compressed file the header may promise anything; half a second is encoder padding.
        missing = self.claimed - done
        if not self.damage and missing > self.rate // 2:
            self.damage = "the header promises more than there is"
        if self.damage:
            self.damage += f"; {done / self.rate:.2f} s of {self.claimed / self.rate:.2f} s decoded"

    def _last_blocks(self, done: int) -> Iterator[NDArray[np.float32]]:
        """Yields what can still be had of a damaged file after its first ``done`` samples.

        A read that fails gives nothing at all, so the file is read once more in small steps.
        """
        import soundfile

        small = 1024
        self._raw.seek(0)
        with contextlib.suppress(soundfile.SoundFileError, RuntimeError):
            again = self._opened()
            position = 0
            while len(block := again.read(small, dtype="float32", always_2d=True)):
                position += len(block)
                if position > done:
                    yield np.ascontiguousarray(block[max(0, len(block) - (position - done)) :].T)

    def close(self) -> None:
        """Closes the file."""
        self._file.close()
        self._raw.close()

    def __enter__(self) -> Reader:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def _reason(path: Path, error: Exception) -> str:
    if path.suffix.lower() in OTHER_SUFFIXES:
        return (
            f"{path.suffix.lower()} files cannot be read; convert it to wav, flac, ogg, opus or mp3"
        )
    return f"not readable as audio ({libsndfile_words(error)})"


def libsndfile_words(error: Exception) -> str:
    """Returns what libsndfile says of an error, without its frills."""
    words = str(getattr(error, "error_string", error)).strip().rstrip(".")
    return words.removeprefix("Error : ")


def inspect(path: Path) -> Facts:
    """Decodes a whole file at bounded memory and returns what is in it.

    Raises:
        AudioError: If it cannot be read, holds no samples, or holds NaN or infinity.
    """
    frames, peak = 0, 0.0
    with Reader(path) as reader:
        for block in reader.blocks():
            if not np.isfinite(block).all():
                bad = int((~np.isfinite(block)).sum())
                raise AudioError(
                    f"{path.name}: holds NaN or infinity ({bad} values near "
                    f"{frames / reader.rate:.1f} s)"
                )
            frames += block.shape[1]
            peak = max(peak, float(np.abs(block).max()))
        if frames == 0:
            raise AudioError(f"{path.name}: {reader.damage or 'holds no samples'}")
        return Facts(reader.rate, reader.channels, frames, peak, reader.damage)


def read(path: Path, start: float = 0.0, seconds: float | None = None) -> Audio:
    """Reads a file, or a part of it; what peaks above full scale is scaled down to it.

    Args:
        path: The file.
        start: Where to begin, in seconds.
        seconds: How much to read; ``None`` for all.

    Raises:
        AudioError: If it cannot be read or holds no samples there.
    """
    blocks: list[NDArray[np.float32]] = []
    with Reader(path) as reader:
        first = round(start * reader.rate)
        last = None if seconds is None else first + round(seconds * reader.rate)
        position = 0
        for block in reader.blocks():
            end = position + block.shape[1]
            part = block[:, max(first - position, 0) : None if last is None else last - position]
            if end > first and part.shape[1]:
                blocks.append(part)
            position = end
            if last is not None and position >= last:
                break
        if not blocks:
            raise AudioError(f"{path.name}: holds no samples from {start:g} s on")
        samples = np.concatenate(blocks, axis=1)
    if not np.isfinite(samples).all():
        raise AudioError(f"{path.name}: holds NaN or infinity")
    return Audio(samples / max(1.0, float(np.abs(samples).max())), reader.rate)


def read_mono(path: Path, rate: int, gain: float = 1.0) -> Iterator[NDArray[np.float32]]:
    """Yields a file's mono samples, resampled, block by block.

    The channels are averaged and then resampled by soxr's streaming resampler at its high
    quality, which gives exactly what resampling the whole file at once would.

    Args:
        path: The file.
        rate: Wanted rate in Hz.
        gain: Factor on the samples.
    """
    import soxr

    with Reader(path) as reader:
        if reader.rate == rate:
            for block in reader.blocks():
                yield block.mean(axis=0, dtype=np.float32) * np.float32(gain)
            return
        resampler = soxr.ResampleStream(reader.rate, rate, 1, dtype="float32")
        for block in reader.blocks():
            mono = block.mean(axis=0, dtype=np.float32) * np.float32(gain)
            yield resampler.resample_chunk(mono)
        yield resampler.resample_chunk(np.zeros(0, np.float32), last=True)


def resample(audio: Audio, rate: int) -> Audio:
    """Returns the audio at another rate (soxr, high quality)."""
    if audio.rate == rate:
        return audio
    import soxr

    samples = soxr.resample(audio.samples.T, audio.rate, rate)
    return Audio(np.ascontiguousarray(samples.T, dtype=np.float32), rate)


@contextlib.contextmanager
def quiet_decoders() -> Iterator[None]:
    """Silences what C decoders print on the process's standard error.

    libmpg123 writes its complaints about damaged files there, past Python. Python's own
    ``sys.stderr`` goes on to the real one.
    """
    try:
        number = sys.stderr.fileno()
    except (AttributeError, OSError, ValueError):  # captured or replaced: nothing to silence
        yield
        return
    if number != 2:
        yield
        return
    sys.stderr.flush()
    real = os.dup(2)
    before = sys.stderr
    with open(real, "w", buffering=1, closefd=False, encoding=before.encoding) as shown:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 2)
        os.close(null)
        sys.stderr = shown
        try:
            yield
        finally:
            shown.flush()
            sys.stderr = before
            os.dup2(real, 2)
            os.close(real)
