"""Where downloads lie until a library has them, complete or not.

Names are made by lofikit alone. Several processes may download at a time: each claims a folder
of its own, and a process that is started after a kill claims the one that was left behind.
"""

from __future__ import annotations

import itertools
import json
import os
import stat
import time
from pathlib import Path

from filelock import FileLock, Timeout

from lofikit.errors import SourceError

KEPT_DAYS = 7
"""How long a download that nobody came back for is kept."""

READABLE = (".wav", ".flac", ".ogg", ".mp3")
"""Suffixes of the formats that a library takes from the web."""
_MAGIC = ((b"RIFF", ".wav"), (b"fLaC", ".flac"), (b"OggS", ".ogg"), (b"ID3", ".mp3"))


class PartialFile:
    """A file that is being downloaded, and what is known of the whole.

    Args:
        folder: A folder that no other process uses.
        name: The file's name in it, without suffix.

    Attributes:
        path: What there is of the file.
        validator: The whole's ETag or date, with which a server knows whether it has changed.
        total: The whole's size in bytes, or ``None`` if that is not known.
    """

    def __init__(self, folder: Path, name: str) -> None:
        self.path = folder / f"{name}.part"
        self._state = folder / f"{name}.json"
        self.validator = ""
        self.total: int | None = None
        try:
            saved = json.loads(self._state.read_text())
            self.validator, self.total = str(saved["validator"]), int(saved["total"])
        except (OSError, ValueError, KeyError, TypeError):
            self.drop()
        if not self.validator:  # nobody could tell whether the file has changed since
            self.drop()

    @property
    def size(self) -> int:
        """Bytes that are there."""
        return self.path.stat().st_size if self.path.exists() else 0

    @property
    def complete(self) -> bool:
        """Whether all of it is there."""
        return self.total is not None and self.size == self.total

    @property
    def finished(self) -> Path | None:
        """The finished file, if a process that was killed left one."""
        paths = (self.path.with_suffix(suffix) for suffix in READABLE)
        return next((path for path in paths if path.exists()), None)

    def begin(self, validator: str, total: int | None) -> None:
        """Notes what the server says of the whole."""
        self.validator, self.total = validator, total
        if total is None:
            self._state.unlink(missing_ok=True)
        else:
            self._state.write_text(json.dumps({"validator": validator, "total": total}))

    def finish(self, suffix: str) -> Path:
        """Gives the file the name that it keeps until a library has it."""
        path = self.path.with_suffix(suffix)
        os.replace(self.path, path)
        self.drop()
        return path

    def drop(self) -> None:
        """Deletes what is there of an unfinished file."""
        self.path.unlink(missing_ok=True)
        self._state.unlink(missing_ok=True)
        self.validator, self.total = "", None


def audio_suffix(path: Path) -> str:
    """Returns the suffix that suits a file's first bytes, or what these are in words."""
    with path.open("rb") as file:
        head = file.read(16)
    for magic, suffix in _MAGIC:
        if head.startswith(magic):
            return suffix
    if len(head) > 1 and head[0] == 0xFF and head[1] & 0xE0 == 0xE0:  # an MPEG frame's sync word
        return ".mp3"
    return "an MPEG-4 file" if head[4:8] == b"ftyp" else f"a file that begins with {head[:8]!r}"


def claim_folder() -> tuple[Path, FileLock]:
    """Claims a folder in the user's cache, open to nobody else, and clears it of old files.

    Returns:
        The folder, and the lock that keeps other processes out of it.

    Raises:
        SourceError: If somebody else's folder is in the way.
    """
    cache = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    root = cache / "lofikit" / "downloads"
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    about = root.lstat()
    if not stat.S_ISDIR(about.st_mode) or (hasattr(os, "getuid") and about.st_uid != os.getuid()):
        raise SourceError(f"{root} is not a folder of yours", f"remove it: rm {root}")
    root.chmod(0o700)
    for number in itertools.count():
        lock = FileLock(root / f"{number}.lock")
        try:
            lock.acquire(timeout=0)
        except Timeout:
            continue
        folder = root / str(number)
        folder.mkdir(exist_ok=True)
        for file in folder.iterdir():
            if file.stat().st_mtime < time.time() - KEPT_DAYS * 86400:
                file.unlink(missing_ok=True)
        return folder, lock
    raise AssertionError("there is always another number")
