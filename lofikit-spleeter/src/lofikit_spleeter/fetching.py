"""Fetching the weights from where spleeter fetches them, going on where a download was cut off."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import httpx
from filelock import FileLock

from lofikit_spleeter.weights import Weights, WeightsError, cache, check, install, sha256

HOST = "https://github.com"
REPOSITORY = "deezer/spleeter"
RELEASE = "v1.4.0"
ATTEMPTS = 5
"""How often a download that is cut off goes on before it is given up."""

Progress = Callable[[int, int | None], None]
"""Called with the bytes that are there, and the whole's if it is known."""


def address(weights: Weights, mirror: str = "") -> str:
    """Returns where weights are fetched from; spleeter's environment variables have a say."""
    host = mirror or os.environ.get("GITHUB_HOST", HOST)
    repository = os.environ.get("GITHUB_REPOSITORY", REPOSITORY)
    release = os.environ.get("GITHUB_RELEASE", RELEASE)
    return f"{host.rstrip('/')}/{repository}/releases/download/{release}/{weights.name}.tar.gz"


def fetch(
    weights: Weights, mirror: str = "", progress: Progress = lambda done, total: None
) -> Path:
    """Returns the folder with weights in the user's cache, after downloading what is not there.

    Args:
        weights: Which.
        mirror: Address in place of ``https://github.com``.
        progress: Told of the download.

    Raises:
        WeightsError: If they cannot be had, or what was sent is not them. What is there already
            and altered is not replaced in silence: it is an error too.
    """
    folder = cache() / weights.name
    cache().mkdir(parents=True, exist_ok=True)
    with FileLock(cache() / f".{weights.name}.lock"):
        if not folder.exists():
            url = address(weights, mirror)
            archive = cache() / f"{weights.name}.tar.gz.part"
            _download(weights, url, archive, progress)
            if (found := sha256(archive)) != weights.archive:
                archive.unlink()
                raise WeightsError(
                    f"{url} sent something else than Deezer's {weights.name}: its SHA-256 begins "
                    f"{found[:8]} and should begin {weights.archive[:8]}",
                    "try again, or name another mirror with --mirror",
                )
            install(archive, [weights])
            archive.unlink()
        check(weights, folder)
    return folder


def refetch(
    weights: Weights, mirror: str = "", progress: Progress = lambda done, total: None
) -> Path:
    """Does what :func:`fetch` does, and replaces weights that are damaged."""
    folder = cache() / weights.name
    try:
        if folder.exists():
            check(weights, folder)
    except WeightsError:
        damaged = folder.with_name(f".damaged-{weights.name}-{os.getpid()}")
        os.replace(folder, damaged)
        for file in damaged.iterdir():
            file.unlink()
        damaged.rmdir()
    return fetch(weights, mirror, progress)


def _download(weights: Weights, url: str, part: Path, progress: Progress) -> None:
    reason = ""
    for _ in range(ATTEMPTS):
        try:
            if _transfer(url, part, progress):
                return
            reason = "the connection was cut off"
        except httpx.HTTPStatusError as error:
            reason = f"status {error.response.status_code} {error.response.reason_phrase}".strip()
            if error.response.status_code == 416:  # what is there is all, or of something else
                if sha256(part) == weights.archive:
                    return
                part.unlink()
            elif error.response.status_code < 500:
                break
        except (httpx.HTTPError, httpx.InvalidURL) as error:
            reason = str(error) or type(error).__name__
    raise WeightsError(
        f"spleeter's weights cannot be fetched from {url}: {reason}",
        f"without a network, download {weights.name}.tar.gz elsewhere and: "
        "lofikit-spleeter install FILE",
    )


def _transfer(url: str, part: Path, progress: Progress) -> bool:
    """Downloads what is missing of a file; returns whether it is all there then."""
    have = part.stat().st_size if part.exists() else 0
    headers = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    with httpx.stream("GET", url, headers=headers, follow_redirects=True, timeout=60) as response:
        response.raise_for_status()
        if response.status_code != httpx.codes.PARTIAL_CONTENT:
            have = 0
        length = response.headers.get("Content-Length")
        total = None if length is None else have + int(length)
        with part.open("r+b" if have else "wb") as file:
            file.seek(have)
            for block in response.iter_raw():
                file.write(block)
                have += len(block)
                progress(have, total)
    return total is None or have == total
