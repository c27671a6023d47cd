"""Taking the clips of a library apart, one bad clip never stopping the rest."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import numpy as np
from filelock import FileLock, Timeout
from numpy.typing import NDArray
from pydantic import BaseModel

from lofikit.audio import Audio, Reader, quiet_decoders, read
from lofikit.collection import Progress, Report
from lofikit.errors import AudioError, IsolationError, LofikitError, OptionError, OutputError
from lofikit.library import Clip, Library, check_stem_name
from lofikit.options import is_of_machine
from lofikit.separators.base import Separator

PART_SECONDS = 600.0
"""Longer clips are taken apart in parts of about this length, so that memory has a bound."""
FADE_SECONDS = 8.0
"""How far neighbouring parts overlap, fading over: separators see a second or two at most."""

_PARTIAL, _ALIVE = ".partial-separation-", "alive.lock"


def separate(
    library: Library,
    separator: Separator,
    name: str,
    progress: Progress = lambda _: None,
    part_seconds: float = PART_SECONDS,
) -> Report:
    """Makes the stems of every clip that lacks them.

    Args:
        library: Holds the clips, and takes the stems beside them.
        separator: Takes a clip apart.
        name: What the stems are named by: ``spleeter`` makes ``spleeter/drums``.
        progress: Called as each clip is done with.
        part_seconds: Longest part that is taken apart at a time.

    Returns:
        What became of each clip.

    Raises:
        OptionError: If stems of these names were made with other options.
        IsolationError: If the separator's worker cannot be started.
        OutputError: If stems cannot be written; those of earlier clips are kept.
    """
    wanted = [f"{name}/{stem}" for stem in separator.stems]
    for stem in wanted:
        check_stem_name(stem)
    made_with = _options(separator)
    _refuse_others(library, wanted, made_with)
    report = Report()
    _sweep(library)
    with quiet_decoders():
        for clip in library.clips:
            if set(wanted) <= set(library.stems(clip)):
                report.known += 1
            else:
                try:
                    with _stems(library, separator, clip, part_seconds) as stems:
                        for stem in wanted:
                            audio = stems[stem.partition("/")[2]]
                            library.add_stem(clip, stem, audio, made_with)
                except (IsolationError, OutputError):
                    raise  # a missing environment or a full disk would fail every clip alike
                except LofikitError as error:
                    report.failed.append((clip.name, error.message))
                else:
                    report.added.append(clip.name)
            progress(clip.name)
    return report


def _options(separator: Separator) -> dict[str, Any]:
    """Returns the options that shape the stems: those that are not the defaults."""
    config = separator.config
    if not isinstance(config, BaseModel):
        return {}
    changed = config.model_dump(mode="json", exclude_defaults=True)
    return {key: value for key, value in changed.items() if not is_of_machine(type(config), key)}


def _refuse_others(library: Library, wanted: list[str], made_with: dict[str, Any]) -> None:
    """Refuses to mix stems of one name that are not of one kind."""
    for clip in library.clips:
        for stem in set(wanted) & set(library.stems(clip)):
            before = library.made_with(clip, stem)
            if before is not None and before != made_with:
                label = stem.partition("/")[0]
                raise OptionError(
                    f"{library.path} has stems {stem} made with {_words(before)}, and these would "
                    f"be made with {_words(made_with)}",
                    f"give these a name of their own: --as {label}-2",
                )


def _words(options: dict[str, Any]) -> str:
    given = (f"--separator.{k.replace('_', '-')} {v}" for k, v in sorted(options.items()))
    return " ".join(given) or "the separator's default options"


@contextmanager
def _stems(
    library: Library, separator: Separator, clip: Clip, part_seconds: float
) -> Iterator[dict[str, Audio]]:
    """Yields the stems of a clip; those of a long one lie on disk meanwhile."""
    path = library.path / clip.file
    parts = max(1, round(clip.seconds / part_seconds))
    if parts == 1:
        yield separator.separate(read(path))
        return
    with (
        tempfile.TemporaryDirectory(dir=library.path, prefix=_PARTIAL) as folder,
        FileLock(Path(folder) / _ALIVE),
    ):
        shape = (clip.channels, clip.frames)
        arrays: dict[str, NDArray[np.float32]] = {
            stem: np.memmap(Path(folder) / f"{number}.f32", np.float32, "w+", shape=shape)
            for number, stem in enumerate(separator.stems)
        }
        for start, weights, samples in _parts(path, clip, parts):
            stop = start + samples.shape[1]
            for stem, audio in separator.separate(Audio(samples, clip.rate)).items():
                arrays[stem][:, start:stop] += audio.samples * weights
        yield {stem: Audio(array, clip.rate) for stem, array in arrays.items()}


def _sweep(library: Library) -> None:
    """Removes what separations that were killed left lying; those at work hold a lock."""
    for folder in library.path.glob(f"{_PARTIAL}*"):
        # Without a lock it has only just been made.
        if (folder / _ALIVE).exists():
            with suppress(Timeout), FileLock(folder / _ALIVE, timeout=0):
                shutil.rmtree(folder, ignore_errors=True)


def _parts(
    path: Path, clip: Clip, count: int
) -> Iterator[tuple[int, NDArray[np.float32], NDArray[np.float32]]]:
    """Yields where each part begins, the weight of each of its samples, and its samples.

    Neighbours overlap, and their weights add up to one everywhere.
    """
    edges = [clip.frames * number // count for number in range(count + 1)]
    half = min(round(FADE_SECONDS * clip.rate / 2), clip.frames // (2 * count))
    rise = (np.arange(2 * half, dtype=np.float32) + 0.5) / max(1, 2 * half)
    held = np.zeros((clip.channels, 0), np.float32)
    position = 0  # of the first sample that is held
    with Reader(path) as reader:
        blocks = reader.blocks()
        for number in range(count):
            first = max(0, edges[number] - half)
            last = min(clip.frames, edges[number + 1] + half)
            while position + held.shape[1] < last:
                block = next(blocks, None)
                if block is None:
                    raise AudioError(f"{path.name}: ends before its {clip.seconds:.1f} s")
                held = np.concatenate([held, block * np.float32(clip.gain)], axis=1)
            held = held[:, first - position :]
            position = first
            weights = np.ones(last - first, np.float32)
            if number > 0:
                weights[: len(rise)] = rise
            if number < count - 1:
                weights[len(weights) - len(rise) :] = rise[::-1]
            yield first, weights, held[:, : last - first]
