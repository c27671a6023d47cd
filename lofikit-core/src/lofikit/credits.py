"""Licences of clips, and the credits that go with what is made of them.

A licence is kept as its SPDX identifier (https://spdx.org/licenses) where it has one. What it
asks for is read off the identifier, which for Creative Commons names the terms: BY, SA, NC, ND.
This is a reading aid, not legal advice.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

_ORDER = ("BY", "NC", "ND", "SA")
_CC_URL = re.compile(
    r"(?:https?:)?(?://)?(?:www\.)?creativecommons\.org/(?P<kind>licenses|publicdomain)/"
    r"(?P<name>[a-z+-]+)(?:/(?P<version>\d\.\d))?(?:/(?P<port>[a-z]{2}|igo|scotland)(?=/|$))?.*"
)
_CC_NAME = re.compile(
    r"CC-?(?P<name>(?:BY|NC|ND|SA)(?:-(?:BY|NC|ND|SA))*)(?:-(?P<version>\d\.\d))?"
    r"(?:-(?P<port>[A-Z]{2}|IGO|SCOTLAND))?"
)
_CC_ZERO = re.compile(r"(CC-?(0|ZERO)|ZERO)(-1\.0)?(-UNIVERSAL)?")
_PUBLIC_DOMAIN = re.compile(r"(CC-)?(PDM|PUBLIC-DOMAIN(-MARK)?|PD)(-1\.0)?")
_ART_LIBRE = re.compile(r"LAL-1\.[23]")


@dataclass(frozen=True)
class Licence:
    """What a licence asks for.

    Attributes:
        id: Its SPDX identifier, or the text that states it; empty if none is stated.
        known: Whether it is an open licence that lofikit can read.
        attribution: Whether the author must be credited (BY).
        share_alike: Whether what is made of it must have the same licence (SA).
        non_commercial: Whether commercial use is excluded (NC).
        no_derivatives: Whether changed works must not be shared (ND).
        url: Its text on the web, or empty.
    """

    id: str
    known: bool = False
    attribution: bool = False
    share_alike: bool = False
    non_commercial: bool = False
    no_derivatives: bool = False
    url: str = ""


def licence_id(text: str) -> str:
    """Returns the SPDX identifier of a licence, given by Creative Commons URL or by name.

    Args:
        text: For example ``http://creativecommons.org/licenses/by-sa/3.0/`` or ``CC BY 4.0``.

    Returns:
        The identifier, or the text itself if it is none that lofikit knows.
    """
    text = text.strip()
    if match := _CC_URL.fullmatch(text.lower()):
        name, version, port = match["name"], match["version"], match["port"]
        if match["kind"] == "publicdomain":
            return {"zero": "CC0-1.0", "mark": "CC-PDM-1.0", "certification": "CC-PDDC"}.get(
                name, text
            )
        if name == "publicdomain":
            return "CC-PDDC"
        terms = set(name.upper().split("-"))
        return _creative_commons(terms, version, port) if terms <= set(_ORDER) else text
    name = re.sub(r"[\s_-]+", "-", text.upper())
    if match := _CC_NAME.fullmatch(name):
        return _creative_commons(set(match["name"].split("-")), match["version"], match["port"])
    if _CC_ZERO.fullmatch(name):
        return "CC0-1.0"
    if name == "CC-PDDC":
        return name
    return "CC-PDM-1.0" if _PUBLIC_DOMAIN.fullmatch(name) else text


def _creative_commons(terms: set[str], version: str | None, port: str | None) -> str:
    parts = ["CC", *(term for term in _ORDER if term in terms), version, port and port.upper()]
    return "-".join(part for part in parts if part)


def licence(text: str) -> Licence:
    """Reads a licence: an identifier, a name, or a Creative Commons URL."""
    spdx = licence_id(text)
    if spdx == "CC0-1.0":
        return Licence(spdx, known=True, url="https://creativecommons.org/publicdomain/zero/1.0/")
    if spdx == "CC-PDM-1.0":
        return Licence(spdx, known=True, url="https://creativecommons.org/publicdomain/mark/1.0/")
    if spdx == "CC-PDDC":
        return Licence(spdx, known=True, url="https://creativecommons.org/licenses/publicdomain/")
    if _ART_LIBRE.fullmatch(spdx):
        return Licence(
            spdx, True, True, share_alike=True, url="https://artlibre.org/licence/lal/en/"
        )
    match = _CC_NAME.fullmatch(spdx)
    if match is None:
        return Licence(spdx)
    name, version, port = match["name"], match["version"] or "", (match["port"] or "").lower()
    terms = name.split("-")
    path = "/".join(part for part in (name.lower(), version, port) if part)
    return Licence(
        id=spdx,
        known=True,
        attribution="BY" in terms,
        share_alike="SA" in terms,
        non_commercial="NC" in terms,
        no_derivatives="ND" in terms,
        url=f"https://creativecommons.org/licenses/{path}/",
    )


Credited = Mapping[str, Any]
"""A clip as a run's manifest has it: id, title, artist, licence, origin."""
NO_LICENCE = "No licence stated"


def licence_note(clips: Iterable[Credited]) -> str:
    """Returns a line on clips whose licences bind what is made of them; empty if there are none."""
    unique = {str(clip.get("id", i)): clip for i, clip in enumerate(clips)}
    found = [licence(str(clip.get("licence", ""))) for clip in unique.values()]
    parts = []
    for words, chosen in (
        ("share-alike", [one for one in found if one.share_alike]),
        ("non-commercial", [one for one in found if one.non_commercial]),
        ("no-derivatives", [one for one in found if one.no_derivatives]),
    ):
        if chosen:
            names = ", ".join(sorted({one.id for one in chosen}))
            parts.append(f"{len(chosen)} {words} ({names})")
    if not parts:
        return ""
    clips_word = "clip" if len(found) == 1 else "clips"
    return (
        f"of {len(found)} {clips_word}, {'; '.join(parts)}: "
        "mind these licences when you publish what is made of them"
    )


def credits_text(clips: Sequence[Credited], opening: str) -> str:
    """Returns credits in Markdown: each clip once, under its licence.

    Args:
        clips: What is credited.
        opening: The sentence that says of what.
    """
    lines = ["# Credits", "", _plain(opening)]
    for group, credited in by_licence(clips):
        name = _plain(group.id) or NO_LICENCE
        link = f": <{group.url}>" if group.known else ""
        lines += ["", f"## {name}", "", terms(group) + (link or "."), ""]
        lines += [_line(clip) for clip in credited]
    return "\n".join(lines) + "\n"


def by_licence(clips: Iterable[Credited]) -> list[tuple[Licence, list[Credited]]]:
    """Returns each clip once, under its licence; those that cannot be read come last."""
    unique = {str(clip.get("id", i)): clip for i, clip in enumerate(clips)}
    groups: dict[Licence, list[Credited]] = {}
    for clip in unique.values():
        groups.setdefault(licence(str(clip.get("licence", ""))), []).append(clip)
    order = sorted(groups, key=lambda one: (not one.known, not one.id, one.id))
    return [(one, groups[one]) for one in order]


def terms(one: Licence) -> str:
    """Returns in a few words what a licence asks for."""
    if not one.known:
        return "Ask the owner what you may do with it"
    asked = [
        words
        for words, holds in (
            ("credit the artist", one.attribution),
            ("share under the same licence", one.share_alike),
            ("no commercial use", one.non_commercial),
            ("no changed versions", one.no_derivatives),
        )
        if holds
    ]
    return "; ".join(asked).capitalize() or "Free of conditions"


def _line(clip: Credited) -> str:
    title, artist, origin = (_plain(str(clip.get(k, ""))) for k in ("title", "artist", "origin"))
    name = f"{title or _plain(str(clip.get('id', '')))}" + (f" by {artist}" if artist else "")
    return f"- {name}" + (f", {origin}" if origin else "")


def _plain(text: str) -> str:
    """Returns text that Markdown shows as it is, on one line."""
    line = " ".join("".join(c if c.isprintable() else " " for c in text).split())
    if re.fullmatch(r"https?://[^\s<>]+", line):
        return f"<{line}>"
    return re.sub(r"([\\`*_\[\]<>#|])", r"\\\1", line)
