"""Audio files in a folder, and in the folders within it."""

from __future__ import annotations

import os
from collections.abc import Iterator
from fnmatch import fnmatchcase
from pathlib import Path

from lofikit.audio import OTHER_SUFFIXES, SUFFIXES
from lofikit.errors import LofikitError
from lofikit.options import Options, option
from lofikit.sources import manifest
from lofikit.sources.base import ClipData, ClipFailure, Source
from lofikit.sources.manifest import Entry, ManifestError


class FolderConfig(Options):
    """Options of :class:`Folder`."""

    path: Path = option(description="The folder.")
    recursive: bool = option(True, "Look into the folders within it too.")
    pattern: str = option(
        "*", "Take only files whose path within the folder matches, for example 'drums/*.wav'."
    )


class Folder(Source):
    """Offers every audio file in a folder; whether it can be read is for the library to see.

    A ``manifest.csv`` in the folder, or in one within it, gives the title, artist, licence and
    source of the files beside it (columns ``file``, ``title``, ``artist``, ``licence``,
    ``source``; all but the first may be missing, any other is kept as a detail). A clip's key is
    its path within the folder. Hidden files and folders are passed over; links to folders are
    followed once, so that loops end.
    """

    config: FolderConfig

    @property
    def scope(self) -> str:
        """The folder's full path: two folders may hold files of one name."""
        return self.config.path.expanduser().resolve().as_posix()

    def total(self) -> int:
        """Counts the clips, without opening their files."""
        return sum(1 for _ in self.clips(frozenset()))

    def clips(self, known: frozenset[str]) -> Iterator[ClipData | ClipFailure]:
        """Yields the files in sorted order, folder by folder, then what manifests name in vain.

        Raises:
            LofikitError: If there is no such folder.
        """
        root = self.config.path.expanduser()
        if not root.is_dir():
            what = "is not a folder" if root.exists() else "there is no such folder"
            raise LofikitError(
                f"{root}: {what}", "give the folder that your audio files are in: --source.path"
            )
        entries: dict[str, Entry] = {}
        found: set[str] = set()
        for item in self._walk(root):
            if isinstance(item, ClipFailure):
                yield item
                continue
            if item.name == manifest.NAME:
                yield from self._read_manifest(item, root, entries)
                continue
            key = _key(item, root)
            found.add(manifest.same_name(key))
            if key in known or not self._wanted(key):
                continue
            if not item.is_file():
                yield ClipFailure(key, "not a file, or a link that leads nowhere")
            else:
                yield _clip(item, key, root, entries.get(manifest.same_name(key)))
        for name in entries:
            if name not in found | known and self._wanted(name) and not _exists(root / name):
                yield ClipFailure(name, f"{manifest.NAME} names it, but there is no such file")

    def _wanted(self, key: str) -> bool:
        return fnmatchcase(key, self.config.pattern)

    def _walk(self, root: Path) -> Iterator[Path | ClipFailure]:
        """Yields manifests and audio files; of each folder the manifest first."""
        errors: list[OSError] = []
        visited = {root.resolve()}
        for name, folders, files in os.walk(root, onerror=errors.append, followlinks=True):
            folder = Path(name)
            if manifest.NAME in files:
                yield folder / manifest.NAME
            for file in sorted(files):
                suffix = Path(file).suffix.lower()
                if not file.startswith(".") and suffix in SUFFIXES | OTHER_SUFFIXES:
                    yield folder / file
            folders[:] = sorted(
                name
                for name in folders
                if self.config.recursive
                and not name.startswith(".")
                and _enter(folder / name, root.resolve(), visited)
            )
        for error in errors:
            yield ClipFailure(_key(Path(error.filename), root), error.strerror or str(error))

    def _read_manifest(
        self, path: Path, root: Path, entries: dict[str, Entry]
    ) -> Iterator[ClipFailure]:
        """Adds a manifest's rows by the names of their files within the root."""
        key = _key(path, root)
        try:
            rows = manifest.read(path)
        except ManifestError as error:
            yield ClipFailure(
                key, f"cannot be read: {error}; its titles and licences are not known"
            )
            return
        for row in rows:
            if row.inside:
                entries[manifest.same_name(_key(path.parent / row.file, root))] = row
            else:
                yield ClipFailure(key, f"names a file outside its folder: {row.file!r}")


def _enter(folder: Path, root: Path, visited: set[Path]) -> bool:
    """Whether a folder is to be walked: not again, and not by a link when by its own path too."""
    target = folder.resolve()
    if target in visited or (folder.is_symlink() and target.is_relative_to(root)):
        return False
    visited.add(target)
    return True


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except OSError:  # a name that is too long for the file system
        return False


def _key(path: Path, root: Path) -> str:
    """Returns a path within the root as text, bytes that are not UTF-8 as escapes."""
    name = path.relative_to(root).as_posix()
    return name.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")


def _clip(path: Path, key: str, root: Path, entry: Entry | None) -> ClipData:
    values = dict(entry.values) if entry else {}
    origin = values.pop("source", "") or values.pop("origin", "")
    return ClipData(
        key=key,
        audio=path,
        title=values.pop("title", ""),
        artist=values.pop("artist", ""),
        licence=values.pop("licence", "") or values.pop("license", ""),
        origin=origin or str(root.resolve()),
        details=values,
    )
