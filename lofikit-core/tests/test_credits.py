"""Licences, and the credits that go with music."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from lofikit.audio import Audio
from lofikit.cli.main import run
from lofikit.collection import collect
from lofikit.credits import credits_text, licence, licence_id, licence_note
from lofikit.generation import credits_file
from lofikit.library import Library
from lofikit.sources.base import ClipData, Source
from lofikit.testing.components import music as chord
from lofikit.writers import write

CC = "creativecommons.org"


@pytest.mark.parametrize(
    ("text", "spdx"),
    [
        (f"http://{CC}/licenses/by-sa/3.0/", "CC-BY-SA-3.0"),
        (f"https://www.{CC}/licenses/by/4.0", "CC-BY-4.0"),
        (f"{CC}/licenses/by-nc-nd/2.5/", "CC-BY-NC-ND-2.5"),
        (f"http://{CC}/licenses/by-nd-nc/1.0/", "CC-BY-NC-ND-1.0"),
        (f"http://{CC}/licenses/by-sa/3.0/de/deed.en", "CC-BY-SA-3.0-DE"),
        (f"https://{CC}/licenses/by/4.0/deed.de", "CC-BY-4.0"),
        (f"https://{CC}/licenses/by/4.0/legalcode", "CC-BY-4.0"),
        (f"https://{CC}/publicdomain/zero/1.0/", "CC0-1.0"),
        (f"https://{CC}/publicdomain/mark/1.0/", "CC-PDM-1.0"),
        (f"http://{CC}/licenses/publicdomain/", "CC-PDDC"),
        ("CC BY-SA 4.0", "CC-BY-SA-4.0"),
        ("cc-by-nc-4.0", "CC-BY-NC-4.0"),
        ("CC0", "CC0-1.0"),
        ("cc0 1.0", "CC0-1.0"),
        ("Public Domain", "CC-PDM-1.0"),
        ("CC-PDDC", "CC-PDDC"),
        (" all rights reserved ", "all rights reserved"),
        ("LicenseRef-Mine", "LicenseRef-Mine"),
        (f"http://{CC}/licenses/sampling+/1.0/", f"http://{CC}/licenses/sampling+/1.0/"),
        (
            f"http://evil.example/{CC}/licenses/by/4.0/",
            f"http://evil.example/{CC}/licenses/by/4.0/",
        ),
        ("", ""),
    ],
)
def test_licences_are_known_by_their_spdx_identifiers(text: str, spdx: str) -> None:
    assert licence_id(text) == spdx
    assert licence_id(spdx) == spdx


@given(
    st.lists(st.sampled_from(["by", "nc", "nd", "sa"]), min_size=1, unique=True),
    st.sampled_from(["1.0", "2.5", "3.0", "4.0"]),
)
def test_terms_are_read_off_in_any_order(terms: list[str], version: str) -> None:
    found = licence(f"https://{CC}/licenses/{'-'.join(terms)}/{version}/")
    assert found == licence(found.id) == licence(found.url)
    assert found.known
    held = (found.attribution, found.non_commercial, found.no_derivatives, found.share_alike)
    assert held == tuple(term in terms for term in ("by", "nc", "nd", "sa"))


def test_what_is_not_known_asks_for_nothing_and_is_not_open() -> None:
    for text in ("", "MIT-ish", "all rights reserved", "LicenseRef-Spotify"):
        found = licence(text)
        assert not found.known
        assert not (found.share_alike or found.non_commercial or found.attribution)
    assert licence("LAL-1.3").share_alike


def clip(name: str, terms: str, artist: str = "Ada", origin: str = "") -> dict[str, str]:
    return {"id": name, "title": name, "artist": artist, "licence": terms, "origin": origin}


def test_credits_name_each_clip_once_under_its_licence() -> None:
    rain = clip("Rain", "CC-BY-4.0", origin="https://archive.org/details/rain")
    clips = [
        rain,
        clip("Fog", ""),
        rain,
        clip("Sun_*[x](javascript:y)*\n# Head", "CC0-1.0", artist="<b>"),
    ]
    lines = credits_text(clips, "Of a take.").splitlines()
    assert lines[0] == "# Credits"
    headings = [line for line in lines if line.startswith("## ")]
    assert headings == ["## CC-BY-4.0", "## CC0-1.0", "## No licence stated"]
    assert lines.count("- Rain by Ada, <https://archive.org/details/rain>") == 1
    assert any("\\_\\*\\[x\\](javascript:y)\\* \\# Head by \\<b\\>" in line for line in lines)
    assert "Credit the artist: <https://creativecommons.org/licenses/by/4.0/>" in lines


def test_binding_licences_are_told_in_one_line() -> None:
    clips = [clip(str(i), "CC0-1.0") for i in range(7)]
    assert licence_note(clips) == ""
    assert licence_note([clip("a", "")]) == ""
    clips += [clip("b", "CC-BY-SA-4.0"), clip("c", "CC-BY-NC-SA-3.0"), clip("b", "CC-BY-SA-4.0")]
    said = licence_note(clips)
    assert "of 9 clips" in said
    assert "2 share-alike (CC-BY-NC-SA-3.0, CC-BY-SA-4.0)" in said
    assert "1 non-commercial (CC-BY-NC-SA-3.0)" in said
    assert "\n" not in said


class Mixed(Source):
    """Four chords under four licences."""

    def clips(self, known: frozenset[str]) -> Iterator[ClipData]:
        licences = ("CC0-1.0", "CC-BY-SA-4.0", "CC-BY-NC-4.0", "")
        for i, terms in enumerate(licences):
            audio = Audio(chord(8000 * 4, 8000, seed=i), 8000)
            yield ClipData(str(i), audio, f"Chord {i}", "Ada", terms, f"https://a.example/{i}")


def test_credits_go_from_library_to_run_to_take(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    collect(Mixed(None), "test/mixed", Library(Path("lib"), create=True))
    assert run(["library", "lib", "--credits"]) == 0
    shown = capsys.readouterr().out
    assert run(["library", "lib", "--credits", "-o", "CREDITS.md"]) == 0
    assert Path("CREDITS.md").read_text() == shown
    assert all(f"- Chord {i} by Ada, <https://a.example/{i}>" in shown for i in range(4))
    assert run(["library", "lib", "--credits", "-o", "CREDITS.md"]) == 1  # it exists
    assert run(["library", "lib", "-o", "x.md"]) == 1
    capsys.readouterr()

    train = ["train", "lib", "--model", "core/linear", "--epochs", "1", "-o", "run"]
    assert run([*train, "--hold-out", "Chord 3"]) == 0
    notes = capsys.readouterr().err
    assert notes.count("share-alike") == notes.count("1 non-commercial (CC-BY-NC-4.0)") == 1

    generate = ["generate", "run", "--seconds", "0.3", "--prompt-seconds", "1"]
    for take, more in (("a.wav", []), ("b.ogg", ["--prompt", "noise"])):
        assert run([*generate, "-o", take, *more]) == 0
        assert capsys.readouterr().err.count("share-alike") == 1
    held_out, noise = (credits_file(Path(take)).read_text() for take in ("a.wav", "b.ogg"))
    assert credits_file(Path("a.wav")).name == "a.wav.credits.md"
    for text in (held_out, noise):
        assert all(f"- Chord {i} by Ada" in text for i in range(3))
    assert "goes on from Chord 3" in held_out
    assert "- Chord 3 by Ada" in held_out
    assert "Chord 3" not in noise, "it was neither trained on nor gone on from"
    assert json.loads(Path("run/manifest.json").read_text())["training_clips"][0]["licence"]

    write(Path("mine.wav"), Audio(chord(8000 * 2, 8000), 8000))
    assert run([*generate, "-o", "c.wav", "--prompt", "mine.wav"]) == 0
    assert "## No licence stated" in credits_file(Path("c.wav")).read_text()
    assert "- mine.wav" in credits_file(Path("c.wav")).read_text()
