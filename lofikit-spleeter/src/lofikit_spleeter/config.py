"""Options of the separator."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BeforeValidator

from lofikit.options import Options, option


def _number(value: object) -> object:
    """Reads a number that a command line gives as text."""
    return int(value) if isinstance(value, str) and value.isdecimal() else value


class SpleeterConfig(Options):
    """How spleeter takes music apart."""

    stems: Annotated[Literal[2, 4, 5], BeforeValidator(_number)] = option(
        5,
        "2: vocals, accompaniment; 4: vocals, drums, bass, other; 5: piano as well (the paper's).",
    )
    bandwidth: Annotated[Literal[11, 16], BeforeValidator(_number)] = option(
        11,
        "Highest frequency of the stems: the networks were trained up to 11, and reach 16 as "
        "spleeter's 16kHz variants do.",
        unit="kHz",
    )
    filter: Literal["mask", "wiener"] = option(
        "mask",
        "How a stem is filtered from the mix: by its share of each bin's power, or by a "
        "multichannel Wiener filter, which is slower and leaves less of the others.",
    )
    segments: int = option(
        4,
        "Segments of 11.9 s that are worked on at a time; fewer take less memory.",
        ge=1,
        le=64,
        machine=True,
    )
    mirror: str = option(
        "",
        "Address that has deezer/spleeter's releases in place of https://github.com; without it "
        "the environment variable GITHUB_HOST is used, as spleeter does.",
        machine=True,
    )
    weights: str | None = option(
        None, "Folder with a checkpoint, in place of the one in the user's cache.", machine=True
    )
    unverified: bool = option(
        False, "Use weights that are not Deezer's, such as those of a training of yours."
    )
