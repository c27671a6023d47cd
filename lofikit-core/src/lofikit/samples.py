"""The samples of a library's clips at one rate, as one memory-mapped array.

Each clip is decoded, averaged to mono and resampled once; hours of music then cost no memory,
and drawing from them costs no decoding. Clips are only ever appended: what an index line does not
name was left by a killed process, and is written over.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from filelock import FileLock
from numpy.typing import NDArray

from lofikit.audio import Audio, quiet_decoders, read_mono
from lofikit.beats import Beats, track, tracked
from lofikit.errors import AudioError, LibraryError
from lofikit.library import MIX, Clip, Library


@dataclass(frozen=True)
class ClipSamples:
    """Where a clip's samples lie.

    Attributes:
        clip: The clip.
        offset: Index of its first sample.
        length: Number of samples.
        rms: Root mean square of its samples.
    """

    clip: Clip
    offset: int
    length: int
    rms: float


@dataclass(frozen=True)
class SampleStore:
    """The samples of some clips.

    Attributes:
        data: float32 mono samples of all clips, memory-mapped and read-only.
        clips: Where each clip lies.
        rate: Sample rate in Hz.
        failed: Name and reason of clips that could not be read.
        library: Where the clips come from.
    """

    data: NDArray[np.float32]
    clips: tuple[ClipSamples, ...]
    rate: int
    failed: tuple[tuple[str, str], ...] = ()
    library: Library | None = None

    def of(self, part: ClipSamples) -> NDArray[np.float32]:
        """Returns a clip's samples, without reading them yet."""
        return self.data[part.offset : part.offset + part.length]

    def beats(self, parts: Sequence[ClipSamples]) -> list[Beats]:
        """Returns the beats of clips, tracked on their mixes once and for all."""
        if self.library is None:
            return [track(Audio(np.asarray(self.of(p))[None], self.rate)) for p in parts]
        found = tracked(self.library, [part.clip for part in parts])
        return [found[part.clip.id] for part in parts]


def open_samples(
    library: Library,
    rate: int,
    stem: str = MIX,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> SampleStore:
    """Returns the samples of all clips that have a stem, preparing those that are not yet.

    Args:
        library: The library.
        rate: Wanted rate in Hz.
        stem: ``mix``, or a stem that the library has.
        progress: Called with the number of clips done and their total.

    Raises:
        LibraryError: If no clip has the stem, or none could be read.
    """
    clips = {clip.id: clip for clip in library.with_stem(stem)}
    folder = library.path / "samples"
    folder.mkdir(exist_ok=True)
    base = folder / f"{stem.replace('/', '.')}-{rate}"
    data, index = base.with_name(base.name + ".f32"), base.with_name(base.name + ".jsonl")
    failed: list[tuple[str, str]] = []
    with FileLock(f"{base}.lock"):
        places = _read_index(index, data)
        missing = [clip for clip in clips.values() if clip.id not in places]
        if missing:
            with quiet_decoders(), ThreadPoolExecutor(_threads()) as pool:
                parts = pool.map(lambda c: _prepare(library, c, stem, rate, base), missing)
                for done, (clip, part) in enumerate(zip(missing, parts, strict=True), 1):
                    if isinstance(part, str):
                        failed.append((clip.name, part))
                    else:
                        places[clip.id] = _append(index, data, clip, *part)
                    progress(done, len(missing))
    found = tuple(
        ClipSamples(clips[name], *place) for name, place in places.items() if name in clips
    )
    if not any(part.length for part in found):
        why = f": {failed[0][0]}: {failed[0][1]}" if failed else ""
        raise LibraryError(
            f"no clip in {library.path} could be read{why}",
            f"look at: lofikit library {library.path}",
        )
    # The order of clips, and with it every draw, must not hang on the order of preparation.
    found = tuple(sorted(found, key=lambda part: part.clip.id))
    return SampleStore(np.memmap(data, np.float32, "r"), found, rate, tuple(failed), library)


def _threads() -> int:
    return min(8, os.cpu_count() or 1)


Place = tuple[int, int, float]


def _read_index(index: Path, data: Path) -> dict[str, Place]:
    """Returns where each clip lies; cuts off what a killed process left unfinished."""
    places: dict[str, Place] = {}
    good = end = 0
    data.touch()
    index.touch()
    size = data.stat().st_size
    with index.open("rb") as file:
        for line in file:
            try:
                record = json.loads(line)
                place = (record["offset"], record["length"], record["rms"])
            except (ValueError, KeyError):
                break
            if (place[0] + place[1]) * 4 > size or not line.endswith(b"\n"):
                break
            places[record["clip"]] = place
            good += len(line)
            end = place[0] + place[1]
    os.truncate(index, good)
    os.truncate(data, end * 4)
    return places


def _prepare(
    library: Library, clip: Clip, stem: str, rate: int, base: Path
) -> tuple[Path, int, float] | str:
    """Writes a clip's samples to a file of their own; returns it, or why it cannot be read."""
    # Named by stem and rate too: others may be prepared at the same time.
    part = base.with_name(f".partial-{base.name}-{clip.id}")
    length, power = 0, 0.0
    try:
        with part.open("wb") as file:
            for block in _sum(
                [read_mono(path, rate, gain) for path, gain in library.files(clip, stem)]
            ):
                file.write(block.tobytes())
                length += len(block)
                power += float(np.square(block, dtype=np.float64).sum())
    except AudioError as error:
        part.unlink(missing_ok=True)
        return error.message
    return part, length, float(np.sqrt(power / max(1, length)))


def _sum(parts: list[Iterator[NDArray[np.float32]]]) -> Iterator[NDArray[np.float32]]:
    for blocks in zip(*parts, strict=True):  # stems of a clip have one rate and one length
        yield np.asarray(sum(blocks[1:], start=blocks[0]), dtype=np.float32)


def _append(index: Path, data: Path, clip: Clip, part: Path, length: int, rms: float) -> Place:
    with data.open("ab") as whole, part.open("rb") as file:
        offset = whole.tell() // 4
        shutil.copyfileobj(file, whole)
        whole.flush()
        os.fsync(whole.fileno())
    part.unlink()
    record = {"clip": clip.id, "offset": offset, "length": length, "rms": rms}
    with index.open("a") as lines:
        lines.write(json.dumps(record) + "\n")
    return offset, length, rms
