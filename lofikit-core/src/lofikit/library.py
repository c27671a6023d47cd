"""A library: a folder of clips and their stems, with an append-only index.

Layout::

    library/
        index.jsonl                    a line a clip, a stem or an alias; only ever appended to
        clips/ID.SUFFIX                the file as it was collected
        stems/SEPARATOR/STEM/ID.flac
        samples/                       resampled mono samples, made when needed (samples.py)

A file is complete under its final name before the index names it, so a collection that is killed
leaves nothing half-written behind, and goes on where it stopped.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import os
import re
import shutil
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from filelock import FileLock

from lofikit.audio import Audio, Facts, inspect
from lofikit.errors import LibraryError
from lofikit.silence import silent_share
from lofikit.sources.base import ClipData
from lofikit.writers import write

MIX = "mix"
"""The name of a clip itself where a stem may be named."""
TRUE = "true"
"""The separator's name of stems that came with the clip."""
_STEM = re.compile(r"[A-Za-z0-9_-]+/[A-Za-z0-9_-]+(\+[A-Za-z0-9_-]+)*")


@dataclass(frozen=True)
class Clip:
    """A clip in a library, with its provenance.

    Attributes:
        id: Its name in the library: readable, and unique by content.
        source: The source's full name, for example ``core/folder``.
        key: What names it within the source.
        file: The file, relative to the library.
        sha256: Of the file.
        rate: Sample rate in Hz.
        channels: Number of channels.
        frames: Samples a channel, counted by decoding.
        peak: Largest absolute value; what lies above 1 is scaled down on reading.
        damage: What is wrong with a file that can be read in part.
        collected: When, in UTC, to the second.
    """

    id: str
    source: str
    key: str
    file: str
    sha256: str
    rate: int
    channels: int
    frames: int
    peak: float
    damage: str = ""
    title: str = ""
    artist: str = ""
    licence: str = ""
    origin: str = ""
    collected: str = ""
    details: dict[str, Any] = field(default_factory=dict)

    @property
    def seconds(self) -> float:
        """Length in seconds."""
        return self.frames / self.rate

    @property
    def gain(self) -> float:
        """Factor that brings a peak above full scale down to it."""
        return 1.0 / max(1.0, self.peak)

    @property
    def name(self) -> str:
        """Title and artist, as a person would say them."""
        return f"{self.title or self.id}" + (f" by {self.artist}" if self.artist else "")


class Library:
    """A library on disk.

    Args:
        path: Its folder.
        create: Make the folder if it is not there.

    Raises:
        LibraryError: If the folder is not there or is something else.
    """

    def __init__(self, path: Path, create: bool = False) -> None:
        self.path = path
        self._index = path / "index.jsonl"
        self._clips: dict[str, Clip] = {}
        self._keys: dict[tuple[str, str], str] = {}
        self._stems: dict[str, dict[str, float]] = {}
        self._silence: dict[tuple[str, str], float] = {}
        self._made_with: dict[tuple[str, str], dict[str, Any]] = {}
        self._read_to = 0
        if create:
            if path.is_dir() and not self._index.exists() and any(path.iterdir()):
                raise LibraryError(
                    f"{path} is a folder with other things in it, not a library",
                    "choose a new folder with -o",
                )
            try:
                path.mkdir(parents=True, exist_ok=True)
                self._index.touch()
            except (FileExistsError, NotADirectoryError) as error:
                raise LibraryError(
                    f"{path} cannot be made: a file has this name", "choose a new folder with -o"
                ) from error
        elif not self._index.is_file():
            what = "is not a library" if path.exists() else "does not exist"
            raise LibraryError(
                f"the library {path} {what}", f"make one: lofikit collect FOLDER -o {path}"
            )
        self._refresh()

    # Reading

    @property
    def clips(self) -> list[Clip]:
        """All clips, in the order in which they were collected."""
        return list(self._clips.values())

    def known_keys(self, source: str) -> frozenset[str]:
        """Returns the keys that were collected from a source."""
        return frozenset(key for name, key in self._keys if name == source)

    def stems(self, clip: Clip) -> list[str]:
        """Returns the names of a clip's stems, for example ``hpss/percussive``."""
        return sorted(self._stems.get(clip.id, {}))

    def stem_names(self) -> dict[str, int]:
        """Returns every stem's name and how many clips have it."""
        counts: dict[str, int] = {}
        for stems in self._stems.values():
            for stem in stems:
                counts[stem] = counts.get(stem, 0) + 1
        return dict(sorted(counts.items()))

    def made_with(self, clip: Clip, stem: str) -> dict[str, Any] | None:
        """Returns the options that a stem was made with, or ``None`` if they are not known."""
        return self._made_with.get((clip.id, stem))

    def silent_share(self, stem: str) -> float | None:
        """Returns the share of a stem's time that is silent, or ``None`` if that is not known."""
        shares = [
            (self._silence[clip.id, stem], clip.seconds)
            for clip in self.clips
            if (clip.id, stem) in self._silence
        ]
        seconds = sum(length for _, length in shares)
        return sum(share * length for share, length in shares) / seconds if seconds else None

    def files(self, clip: Clip, stem: str = MIX) -> list[tuple[Path, float]]:
        """Returns the files whose sum is a stem, each with its gain.

        Args:
            clip: A clip of this library.
            stem: ``mix``, ``separator/stem``, or a sum such as ``spleeter/piano+other``.

        Raises:
            LibraryError: If the clip has no such stem.
        """
        if stem == MIX:
            return [(self.path / clip.file, clip.gain)]
        check_stem_name(stem)
        separator, _, names = stem.partition("/")
        found = []
        for name in names.split("+"):
            peak = self._stems.get(clip.id, {}).get(f"{separator}/{name}")
            if peak is None:
                raise LibraryError(f"{clip.id} has no stem {separator}/{name}")
            file = self.path / "stems" / separator / name / f"{clip.id}.flac"
            # A stem above full scale was scaled down to be stored, and comes back up here.
            found.append((file, max(1.0, peak)))
        return found

    def with_stem(self, stem: str) -> list[Clip]:
        """Returns the clips that have a stem.

        Raises:
            LibraryError: If the library is empty or no clip has the stem.
        """
        if not self._clips:
            raise LibraryError(
                f"the library {self.path} is empty",
                f"collect some music: lofikit collect FOLDER -o {self.path}",
            )
        if stem == MIX:
            return self.clips
        check_stem_name(stem)
        separator, _, names = stem.partition("/")
        wanted = {f"{separator}/{name}" for name in names.split("+")}
        found = [c for c in self.clips if wanted <= set(self._stems.get(c.id, {}))]
        if not found:
            have = ", ".join(self.stem_names()) or "none"
            raise LibraryError(
                f"no clip in {self.path} has the stem {stem!r} (have: {have})",
                f"make it: lofikit separate {self.path} --separator {separator}",
            )
        return found

    # Writing

    def add(self, source: str, data: ClipData) -> tuple[Clip, bool]:
        """Puts a clip into the library, unless it is there already.

        Args:
            source: The source's full name.
            data: What the source gave.

        Returns:
            The clip, and whether it is new. A clip with the same content as another is that one.

        Raises:
            AudioError: If the audio cannot be read; nothing is left behind.
        """
        clips = self.path / "clips"
        clips.mkdir(exist_ok=True)
        # One name for all: what a killed process left behind under it, the next one writes over.
        partial = clips / ".partial.flac"
        with self._lock():
            self._refresh()
            known = self._keys.get((source, data.key))
            if known is not None:
                return self._clips[known], False
            try:
                if isinstance(data.audio, Audio):
                    write(partial, data.audio)
                    facts, suffix = inspect(partial), ".flac"
                else:
                    facts, suffix = inspect(data.audio), data.audio.suffix.lower()
                    shutil.copyfile(data.audio, partial)
                sha256 = _sha256(partial)
                twin = next((c for c in self._clips.values() if c.sha256 == sha256), None)
                if twin is not None:
                    self._append({"alias": twin.id, "source": source, "key": data.key})
                    return twin, False
                clip = _clip(source, data, facts, suffix, sha256)
                os.replace(partial, self.path / clip.file)
                for stem, audio in data.stems.items():
                    self._write_stem(clip, f"{TRUE}/{stem}", audio)
                self._append({"clip": dataclasses.asdict(clip)})
                return clip, True
            finally:
                partial.unlink(missing_ok=True)

    def add_stem(
        self, clip: Clip, stem: str, audio: Audio, made_with: dict[str, Any] | None = None
    ) -> None:
        """Stores a stem of a clip as FLAC of 16 bits.

        Args:
            clip: The clip.
            stem: The stem's name, ``separator/stem``.
            audio: The stem; it may be a memory map, and is then not read as a whole.
            made_with: The separator's options, if they are known.
        """
        with self._lock():
            self._refresh()
            self._write_stem(clip, stem, audio, made_with)

    def _write_stem(
        self, clip: Clip, stem: str, audio: Audio, made_with: dict[str, Any] | None = None
    ) -> None:
        check_stem_name(stem)
        peak = max((float(abs(block).max()) for block in audio.blocks()), default=0.0)
        file = self.path / "stems" / stem / f"{clip.id}.flac"
        file.parent.mkdir(parents=True, exist_ok=True)
        write(file, audio, gain=1.0 / max(1.0, peak))
        silent = round(silent_share(audio.samples, audio.rate), 4)
        record = {"stem": stem, "clip": clip.id, "peak": round(peak, 6), "silent": silent}
        self._append(record if made_with is None else {**record, "made_with": made_with})

    def _lock(self) -> FileLock:
        return FileLock(self.path / ".lock")

    def _append(self, record: dict[str, Any]) -> None:
        line = json.dumps(record, ensure_ascii=False) + "\n"
        with self._index.open("r+b") as file:
            file.truncate(self._read_to)  # a line that a killed process left unfinished
            file.seek(self._read_to)
            file.write(line.encode())
            file.flush()
            os.fsync(file.fileno())
        self._take(record)
        self._read_to += len(line.encode())

    def _refresh(self) -> None:
        """Reads what was appended since, by this process or another."""
        with self._index.open("rb") as file:
            file.seek(self._read_to)
            for line in file:
                if not line.endswith(b"\n"):
                    break
                try:
                    self._take(json.loads(line))
                except (ValueError, KeyError, TypeError) as error:
                    raise LibraryError(
                        f"{self._index} is damaged near byte {self._read_to}: {error}",
                        "remove that line, or collect again into a new folder",
                    ) from error
                self._read_to += len(line)

    def _take(self, record: dict[str, Any]) -> None:
        if "stem" in record:
            self._stems.setdefault(record["clip"], {})[record["stem"]] = record["peak"]
            if "silent" in record:
                self._silence[record["clip"], record["stem"]] = record["silent"]
            if "made_with" in record:
                self._made_with[record["clip"], record["stem"]] = record["made_with"]
        elif "alias" in record:
            self._keys[record["source"], record["key"]] = record["alias"]
        else:
            clip = Clip(**record["clip"])
            self._clips[clip.id] = clip
            self._keys[clip.source, clip.key] = clip.id


def check_stem_name(stem: str) -> None:
    """Refuses what is not a stem's name.

    Raises:
        LibraryError: Saying how names are formed.
    """
    if not _STEM.fullmatch(stem):
        raise LibraryError(
            f"{stem!r} is not a stem's name",
            "write separator/stem, for example hpss/percussive, or a sum: spleeter/piano+other",
        )


def _clip(source: str, data: ClipData, facts: Facts, suffix: str, sha256: str) -> Clip:
    named = data.title or (data.audio.stem if isinstance(data.audio, Path) else data.key)
    identity = f"{_slug(named)}-{sha256[:8]}"
    return Clip(
        id=identity,
        source=source,
        key=data.key,
        file=f"clips/{identity}{suffix}",
        sha256=sha256,
        rate=facts.rate,
        channels=facts.channels,
        frames=facts.frames,
        peak=facts.peak,
        damage=facts.damage,
        title=data.title or named,
        artist=data.artist,
        licence=data.licence,
        origin=data.origin,
        collected=datetime.now(UTC).isoformat(timespec="seconds"),
        details=dict(data.details),
    )


def _slug(text: str) -> str:
    plain = unicodedata.normalize("NFKD", text).encode("ascii", "ignore").decode().lower()
    return re.sub(r"[^a-z0-9]+", "-", plain).strip("-")[:40].strip("-") or "clip"


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def licences(clips: list[Clip]) -> Iterator[tuple[str, list[Clip]]]:
    """Yields each licence among clips, ``unknown`` where none is stated, with its clips."""
    by_name: dict[str, list[Clip]] = {}
    for clip in clips:
        by_name.setdefault(clip.licence or "unknown", []).append(clip)
    yield from sorted(by_name.items())
