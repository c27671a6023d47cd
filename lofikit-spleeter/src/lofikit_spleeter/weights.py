"""Spleeter's weights: what they are, where they lie, and whether they are whole.

Spleeter goes on with random weights, without a word, if its download failed before; so the files
are compared with known SHA-256 sums each time before they are used.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import tarfile
import tempfile
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from lofikit.errors import LofikitError

DATA = "model.data-00000-of-00001"
FILES = ("checkpoint", DATA, "model.index", "model.meta")
_CHECKPOINT = "011c96b970c1f56137037924fe1a0f0851369b0ee6692e120aea798615326f48"


class WeightsError(LofikitError):
    """Weights that are missing, incomplete or altered, or cannot be fetched."""


@dataclass(frozen=True)
class Weights:
    """The weights of one of spleeter's networks, as of its release v1.4.0.

    Attributes:
        name: Spleeter's name.
        archive: SHA-256 of the archive ``NAME.tar.gz`` of the release.
        files: SHA-256 of each file in it.
    """

    name: str
    archive: str
    files: dict[str, str]

    @property
    def stems(self) -> int:
        """How many stems the network gives."""
        return int(self.name[0])


# The archives' sums are those of the release's checksum.json, which spleeter's own tests quote.
WEIGHTS = {
    weights.stems: weights
    for weights in (
        Weights(
            "2stems",
            "f3a90b39dd2874269e8b05a48a86745df897b848c61f3958efc80a39152bd692",
            {
                "checkpoint": _CHECKPOINT,
                DATA: "7747f9fd2c782306dbec1504360fbb645a097a48446f23486c3ff9c89bc11788",
                "model.index": "55661a09f79c86071fc7077b44b4cf1f01b6d82bbbb83ed94cb68a2f9944e378",
                "model.meta": "6e1f6d86a22bb452a58cb20e3de87b416f8a79e626ca223e20f763ab2d21ec95",
            },
        ),
        Weights(
            "4stems",
            "3adb4a50ad4eb18c7c4d65fcf4cf2367a07d48408a5eb7d03cd20067429dfaa8",
            {
                "checkpoint": _CHECKPOINT,
                DATA: "3823e0ef50835cca3907c386dc9667a6a9af77b40a20c3ab845a8d6c9592255d",
                "model.index": "99ea41b3ef9bfbc6a34520409427af5ba7a883173e57ea25d6c487584b891b18",
                "model.meta": "f2c2843e3c8c84c737d0ba642fef798d24056f8dbb0b2e2d58a19de55b20034e",
            },
        ),
        Weights(
            "5stems",
            "25a1e87eb5f75cc72a4d2d5467a0a50ac75f05611f877c278793742513cc7218",
            {
                "checkpoint": _CHECKPOINT,
                DATA: "aace47a9eacc62e6fda823cee92ba45375b48e65b7c69713b91a7fa9d87ae920",
                "model.index": "b20377789eb084cb5ac78d141a1d480dfdbf8c796ecc554a9b8e4376cd3cee20",
                "model.meta": "00fc7ce46920ba5622e9f3d281e5670c711ff1a72003199e1928a19774a1efec",
            },
        ),
    )
}


def cache() -> Path:
    """Returns the folder in which the weights of all networks lie."""
    home = Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache")
    return home / "lofikit" / "spleeter"


def check(weights: Weights, folder: Path, unverified: bool = False) -> None:
    """Refuses a folder that does not hold the weights, whole and unaltered.

    Args:
        weights: What it should hold.
        folder: The folder.
        unverified: Let other weights pass, as long as all files are there.

    Raises:
        WeightsError: Naming the file that is missing or wrong.
    """
    missing = [name for name in FILES if not (folder / name).is_file()]
    if missing:
        what = ", ".join(missing)
        raise WeightsError(
            f"spleeter's weights {weights.name} are incomplete: {folder} has no {what}",
            f"fetch them: lofikit-spleeter fetch {weights.stems}",
        )
    if unverified:
        return
    for name, expected in weights.files.items():
        if sha256(folder / name) != expected:
            size = (folder / name).stat().st_size
            raise WeightsError(
                f"spleeter's weights {weights.name} are truncated or altered: {folder / name} "
                f"({size:,} bytes) has another SHA-256 than Deezer's",
                f"fetch them again: lofikit-spleeter fetch {weights.stems}",
            )


def install(path: Path, known: Iterable[Weights] = tuple(WEIGHTS.values())) -> tuple[Weights, Path]:
    """Puts weights that were downloaded by hand where the separator looks for them.

    Args:
        path: The release's archive (``2stems.tar.gz``), or a folder with its files.
        known: The weights that they may be.

    Returns:
        Which weights they are, and where they lie now.

    Raises:
        WeightsError: If they are not whole, or not Deezer's.
    """
    if not path.exists():
        raise WeightsError(f"{path} does not exist", "give the archive, or the folder of its files")
    cache().mkdir(parents=True, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix=".partial-", dir=cache()) as scratch:
        folder = Path(scratch) / "weights"
        folder.mkdir()
        if path.is_dir():
            for name in FILES:
                if (path / name).is_file():
                    shutil.copyfile(path / name, folder / name)
        else:
            _unpack(path, folder)
        weights = _recognise(path, folder, known)
        check(weights, folder)
        target = cache() / weights.name
        shutil.rmtree(target, ignore_errors=True)
        os.replace(folder, target)
    return weights, target


def sha256(path: Path) -> str:
    """Returns the SHA-256 of a file in hexadecimal."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _unpack(archive: Path, folder: Path) -> None:
    """Takes the checkpoint's files out of an archive, and nothing else, whatever it holds."""
    try:
        with tarfile.open(archive) as tar:
            for member in tar:
                name = PurePosixPath(member.name).name
                source = tar.extractfile(member) if member.isfile() and name in FILES else None
                if source is not None:
                    with source, (folder / name).open("wb") as file:
                        shutil.copyfileobj(source, file)
    except (tarfile.TarError, EOFError, OSError) as error:
        if isinstance(error, OSError) and error.errno is not None:
            raise
        raise WeightsError(
            f"{archive} is no archive, or not a whole one: {error}",
            "download it again, or let lofikit-spleeter fetch do it",
        ) from error


def _recognise(path: Path, folder: Path, known: Iterable[Weights]) -> Weights:
    with contextlib.suppress(FileNotFoundError):
        sums = {name: sha256(folder / name) for name in ("model.index", DATA)}
        for weights in known:
            if any(weights.files[name] == found for name, found in sums.items()):
                return weights
        raise WeightsError(
            f"{path} holds a checkpoint, but not one of Deezer's (or an altered one)",
            "for weights of your own: --separator.weights FOLDER --separator.unverified",
        )
    names = ", ".join(FILES)
    raise WeightsError(f"{path} does not hold spleeter's weights ({names})")
