"""The Internet Archive as a source, against a real server."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from lofikit.cli.main import run
from lofikit.collection import Report, collect
from lofikit.errors import OptionError, SourceError
from lofikit.library import Library
from lofikit.options import build
from lofikit.testing.server import Answer, LoopbackServer, Request
from lofikit.testing.sources import SourceSuite
from lofikit_archive import source as source_module
from lofikit_archive.config import ArchiveConfig
from lofikit_archive.items import parse_item
from lofikit_archive.source import Archive

Gather = Callable[..., tuple[Report, list[str]]]


@pytest.fixture
def config(server: LoopbackServer) -> Callable[..., ArchiveConfig]:
    def make(**options: Any) -> ArchiveConfig:
        quick = {"url": server.url, "pause": 0, "retry_wait": 0.001, "timeout": 5}
        chosen = {} if "items" in options else {"query": "lofi"}
        return build(ArchiveConfig, quick, chosen, options, prefix="source")

    return make


@pytest.fixture
def gather(config: Callable[..., ArchiveConfig], tmp_path: Path) -> Gather:
    """Collects into a library; returns the report and what the source said."""

    def gather(**options: Any) -> tuple[Report, list[str]]:
        made = Archive(config(**options))
        notes: list[str] = []
        made.note = notes.append
        return collect(made, "archive/archive", Library(tmp_path / "lib", create=True)), notes

    return gather


class TestSuite(SourceSuite):
    component = "archive/archive"

    @pytest.fixture(autouse=True)
    def serve(self, archive: Any, config: Callable[..., ArchiveConfig]) -> None:
        archive.add("dusty-ep", "by", "01.mp3", "02.mp3", "03.mp3")
        self.made = config()

    def config(self) -> ArchiveConfig:
        return self.made


def test_a_search_is_paged_filtered_and_collected_with_provenance(
    archive: Any,
    server: LoopbackServer,
    gather: Gather,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(source_module, "ROWS", 3)
    archive.add("a", "by", "one.mp3", "two.mp3")
    archive.add("b", None, "no.mp3")
    archive.add("c", "by-nc-sa", "no.mp3")
    archive.add("d", "by-sa", "three.mp3")
    archive.add("e", "by-nd", "no.mp3")
    archive.add("f", "by", "no.mp3", licenseurl="http://example.org/mine")
    archive.add("g", "cc0", "four.mp3", creator=["Ada", "Bob"])
    archive.add("h", None, "no.mp3")
    report, notes = gather(collection="netlabels")
    assert len(report.added) == 4
    assert not report.failed
    searches = [r for r in server.requests if r.path == "/advancedsearch.php"]
    assert [r.query["page"] for r in searches] == [["1"], ["2"], ["3"]]
    assert searches[0].query["q"] == ["(lofi) AND collection:(netlabels) AND mediatype:(audio)"]
    asked = {r.parts[1] for r in server.requests if r.path.startswith("/metadata")}
    assert asked == {"a", "d", "g"}, "items that are left out are not looked at further"
    assert notes == [
        "left out 5 items for their licence: none stated (2), CC-BY-NC-SA-3.0 (1), "
        "CC-BY-ND-3.0 (1), not an open licence (1)"
    ]
    clips = {clip.title: clip for clip in Library(tmp_path / "lib").clips}
    assert {c.title: c.licence for c in clips.values()} == {
        "one": "CC-BY-3.0",
        "two": "CC-BY-3.0",
        "three": "CC-BY-SA-3.0",
        "four": "CC0-1.0",
    }
    one = clips["one"]
    assert (one.artist, clips["four"].artist) == ("Tape Friend", "Ada, Bob")
    assert (one.key, one.origin) == ("a/one.mp3", f"{server.url}/details/a")
    assert one.details["item_title"] == "The a EP"
    assert one.details["date"] == "2012-03-04"
    assert all("lofikit" in r.headers["user-agent"] for r in server.requests)


def test_other_licences_are_taken_when_asked_for(archive: Any, gather: Gather) -> None:
    archive.add("a", "by-nc-sa", "1.mp3")
    archive.add("b", "by-nd", "2.mp3")
    archive.add("c", "by", "3.mp3")
    report, _ = gather(licences=("by-nc-sa", "by-nd"))
    assert len(report.added) == 2


def test_items_and_single_tracks_by_name(
    archive: Any, server: LoopbackServer, gather: Gather
) -> None:
    archive.add("a", "by", "one.mp3", "two.mp3")
    archive.add("b", "by", "one, or two.mp3", "x.mp3")
    archive.add("dark", "by", "one.mp3", dark=True)
    report, _ = gather(
        items=("a/two.mp3", "https://archive.org/details/b/one%2C+or%20two.mp3".replace("+", "%20"),
               "dark", "nothere", "a/missing.mp3")
    )  # fmt: skip
    assert len(report.added) == 2
    assert [key for key, _ in report.failed] == ["dark", "nothere", "a"]
    assert "withdrawn" in report.failed[0][1]
    assert "no file missing.mp3" in report.failed[2][1]


def test_the_limit_counts_what_is_there_already(
    archive: Any, server: LoopbackServer, gather: Gather
) -> None:
    for name in "abcd":
        archive.add(name, "by", "1.mp3", "2.mp3", "3.mp3")
    report, notes = gather(limit=5, per_item=2)
    assert len(report.added) == 5
    assert any("--source.limit" in note for note in notes)
    downloads = [r for r in server.requests if r.path.startswith("/0/items")]
    assert len(downloads) == 5
    again, _ = gather(limit=5, per_item=2)
    assert (len(again.added), again.known) == (0, 5)
    more, _ = gather(limit=50)
    assert (len(more.added), more.known) == (7, 5)
    assert len([r for r in server.requests if r.path.startswith("/0/items")]) == 12


def test_a_track_is_taken_once_in_the_format_that_is_preferred(
    archive: Any, gather: Gather, server: LoopbackServer
) -> None:
    item = archive.add("a", "by")
    flac = b"fLaC" + bytes(50)
    archive.add_file(item, "s/01.flac", format="Flac", content=flac)
    for name, form in (("s/01_64kb.mp3", "64Kbps MP3"), ("s/01.mp3", "VBR MP3")):
        values = {"source": "derivative", "original": "s/01.flac", "format": form}
        archive.add_file(item, name, name.encode(), **values)
    item.files[-1]["size"] = item.files[-2]["size"]
    item.files[-2]["size"] = "10"
    archive.add_file(item, "s/02.mp3", b"2", private="true")
    report, _ = gather()
    assert len(report.added) == 1
    assert [r.parts[-1] for r in server.requests if r.path.startswith("/0/")] == ["01.mp3"]


def test_a_part_of_a_track(archive: Any, gather: Gather, tmp_path: Path) -> None:
    archive.add("a", "by", "1.mp3")
    assert len(gather(start=0.05, seconds=0.1)[0].added) == 1
    clip = Library(tmp_path / "lib").clips[0]
    assert clip.seconds == pytest.approx(0.1, abs=1e-3)
    assert clip.key == "a/1.mp3#0.05-0.15"
    assert (clip.title, clip.licence) == ("1", "CC-BY-3.0")
    assert gather(start=0.05, seconds=0.1)[0].known == 1
    report, _ = gather(start=99)
    assert "no samples" in report.failed[0][1]
    assert len(gather()[0].added) == 1, "the whole track is another clip"


def every_fifth(respond: Callable[[Request], Answer]) -> Callable[[Request], Answer | None]:
    """Misbehaves on each fifth request, in one way after the other."""
    ways: list[Callable[[Request], Answer]] = [
        lambda _: Answer(429, headers={"Retry-After": "0"}),
        lambda _: Answer(503, b"<html>Item not available</html>", {"Content-Type": "text/html"}),
        lambda request: replace(respond(request), cut_at=100),
        lambda _: Answer(500),
        lambda request: replace(respond(request), cut_at=0),
        lambda _: Answer(504),
    ]
    return lambda request: (
        ways[request.number // 5 % len(ways)](request) if request.number % 5 == 4 else None
    )


def test_500_tracks_with_faults_on_every_fifth_request_are_collected_whole(
    archive: Any, server: LoopbackServer, gather: Gather, tmp_path: Path
) -> None:
    for number in range(50):
        archive.add(f"item-{number:02d}", "by", *(f"{track}.mp3" for track in range(10)))
    server.misbehave = every_fifth(archive.respond)
    report, _ = gather(limit=1000)
    assert not report.failed
    assert len(report.added) == 500
    clips = Library(tmp_path / "lib").clips
    assert [c.key for c in clips] == [f"item-{n:02d}/{t}.mp3" for n in range(50) for t in range(10)]
    contents = [archive.items[c.details["item"]].contents[c.details["file"]] for c in clips]
    whole = [(tmp_path / "lib" / c.file).read_bytes() for c in clips]
    assert contents == whole


def test_checksums_are_those_of_the_metadata(
    archive: Any, server: LoopbackServer, gather: Gather
) -> None:
    item = archive.add("a", "by", "1.mp3", "2.mp3", "3.mp3")
    item.files[0]["sha1"] = "0" * 40
    item.files[1]["md5"] = "0" * 32
    del item.files[2]["sha1"], item.files[2]["md5"], item.files[2]["size"]
    report, _ = gather()
    assert len(report.added) == 1
    assert ["checksum is wrong" in why for _, why in report.failed] == [True, True]


TRICKS = (
    "../../../evil.mp3",
    "/etc/cron.mp3",
    "..\\..\\evil.mp3",
    "a/../b.mp3",
    "a//b.mp3",
    "a\nb.mp3",
)
ODD = (
    "sub/01 - Träum?.mp3", "CON.mp3", f"{'x' * 200}.mp3", "a#1;rm -rf $(HOME) %2e%2e%2f.mp3",
    "&lt;b&gt;.mp3", "..mp3.mp3", "-o.mp3", "[red]x[/].mp3",
)  # fmt: skip


def test_names_never_become_paths(archive: Any, gather: Gather, tmp_path: Path) -> None:
    archive.add("a", "by", *TRICKS, *ODD)
    archive.add("../../escape", "by", "1.mp3")
    before = {path for path in tmp_path.rglob("*") if "lib" not in path.parts}
    report, _ = gather(limit=100)
    assert len(report.added) == len(ODD)
    assert len(report.failed) == len(TRICKS)
    assert all("leads elsewhere" in why for _, why in report.failed)
    clips = Library(tmp_path / "lib").clips
    assert {clip.key.partition("/")[2] for clip in clips} == set(ODD)
    for clip in clips:
        file = tmp_path / "lib" / clip.file
        assert file.resolve().parent == (tmp_path / "lib" / "clips").resolve()
        assert file.suffix == ".mp3"
        assert len(file.name) < 80
    after = {path for path in tmp_path.rglob("*") if not {"lib", "home"} & set(path.parts)}
    assert after <= before


def test_downloads_may_be_redirected_within_the_archive_alone(
    archive: Any, server: LoopbackServer, gather: Gather
) -> None:
    archive.add("a", "by", "1.mp3")
    with LoopbackServer(archive.respond) as node:
        archive.node = node.url.replace("127.0.0.1", "localhost")
        report, _ = gather()
        assert "redirects to another host, localhost" in report.failed[0][1]
        assert not node.requests
        archive.node = node.url
        assert len(gather()[0].added) == 1


def test_a_search_that_fails_says_so(archive: Any, server: LoopbackServer, gather: Gather) -> None:
    with pytest.raises(SourceError, match="no music that the search finds"):
        gather()
    server.misbehave = lambda _: Answer(200, b'{"error": "bad [query]\\n"}')
    with pytest.raises(SourceError, match=r"does not understand the search: bad \[query\]"):
        gather()
    server.misbehave = lambda _: Answer(200, b"<html>maintenance</html>")
    with pytest.raises(SourceError, match="not JSON"):
        gather(retries=1)
    server.misbehave = lambda _: Answer(429, headers={"Retry-After": "7200"})
    with pytest.raises(SourceError, match="left alone for 2 h 0 min"):
        gather()


def test_requests_come_one_after_the_other_with_pauses(
    archive: Any, server: LoopbackServer, gather: Gather
) -> None:
    archive.add("a", "by", "1.mp3", "2.mp3")
    running = most = 0

    def watch(request: Request) -> Answer:
        nonlocal running, most
        running += 1
        most = max(most, running)
        made: Answer = archive.respond(request)
        running -= 1
        return made

    server.respond = watch
    began = time.monotonic()
    gather(pause=0.05)
    assert most == 1
    assert time.monotonic() - began >= 0.05 * (len(server.requests) - 1)


@pytest.mark.parametrize(
    ("word", "item"),
    [
        ("Some_item-1.2", ("Some_item-1.2", "")),
        ("x/disc 1/a.mp3", ("x", "disc 1/a.mp3")),
        ("https://archive.org/details/x", ("x", "")),
        ("https://archive.org/details/x/a%20b.mp3?sort=1", ("x", "a b.mp3")),
        ("https://archive.org/download/x/d/a.flac", ("x", "d/a.flac")),
    ],
)
def test_items_are_named_by_id_or_page(word: str, item: tuple[str, str]) -> None:
    assert parse_item(word) == item


@pytest.mark.parametrize("word", ["", "..", "../x", "a b", "https://archive.org/", "https://x/y/z"])
def test_what_is_no_item(word: str) -> None:
    with pytest.raises(OptionError, match="not an item"):
        parse_item(word)


def test_what_to_collect_is_said_in_one_way(config: Callable[..., ArchiveConfig]) -> None:
    for options in ({"query": None}, {"items": ("a",), "query": "x"}, {"licences": ("mit",)}):
        with pytest.raises(OptionError):
            config(**options)
    for options in ({"collection": "a b)"}, {"url": "http://archive.example"}):
        with pytest.raises(OptionError):
            Archive(config(**options))


def test_a_killed_collection_goes_on_and_downloads_nothing_twice(
    archive: Any, server: LoopbackServer, home: Path, tmp_path: Path
) -> None:
    archive.add("a", "by", *(f"{n}.mp3" for n in range(5)))
    archive.add("b", "by", *(f"{n}.mp3" for n in range(5)))
    slow = "/0/items/b/1.mp3"

    def trickle(request: Request) -> Answer:
        made: Answer = archive.respond(request)
        return replace(made, trickle=0.3) if request.path == slow else made

    server.respond = trickle
    words = [
        sys.executable, "-m", "lofikit", "collect", "archive", "-o", str(tmp_path / "lib"),
        "--source.query", "lofi", f"--source.url={server.url}", "--source.pause=0",
    ]  # fmt: skip
    process = subprocess.Popen(words, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    end = time.monotonic() + 30
    while not (server.count(slow) and any(f.stat().st_size for f in home.rglob("*.part"))):
        assert time.monotonic() < end, "the download did not begin"
        time.sleep(0.01)
    os.kill(process.pid, signal.SIGKILL)
    assert process.wait() == -signal.SIGKILL
    done = subprocess.run(words, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "4 clips collected, 6 there already" in done.stdout
    downloads = [r for r in server.requests if r.path.startswith("/0/items")]
    assert len([r for r in downloads if "range" not in r.headers]) == 10
    assert [r.path for r in downloads if "range" in r.headers] == [slow]
    assert len(Library(tmp_path / "lib").clips) == 10


def test_from_the_archive_to_the_credits_beside_a_take(
    archive: Any,
    server: LoopbackServer,
    lofi: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(tmp_path)
    names = ["autumn.ogg", "clouds-6.mp3", "one-night.ogg"]
    for name in names:
        item = archive.add(f"holizna-{Path(name).stem}", "cc0", creator="HoliznaCC0")
        title = Path(name).stem.replace("-", " ").title()
        archive.add_file(item, name, title=title, content=(lofi / name).read_bytes())
    collecting = [
        "collect", "archive", "-o", "lib", "--source.collection", "netlabels",
        f"--source.url={server.url}", "--source.pause=0", "--source.start=5", "--source.seconds=6",
    ]  # fmt: skip
    assert run(collecting) == 0
    assert run(["train", "lib", "--model", "core/linear", "--epochs", "1", "-o", "run"]) == 0
    assert run(["generate", "run", "--seconds", "0.5", "-o", "take.wav"]) == 0
    assert Path("take.wav").stat().st_size > 1000
    text = Path("take.wav.credits.md").read_text()
    assert "## CC0-1.0" in text
    for title in ("Autumn", "Clouds 6", "One Night"):
        stem = title.lower().replace(" ", "-")
        assert f"- {title} by HoliznaCC0, <{server.url}/details/holizna-{stem}>" in text
    assert "goes on from" in text
    capsys.readouterr()
    assert run(["library", "lib", "--credits"]) == 0
    shown = capsys.readouterr().out
    assert all(line in shown for line in text.splitlines() if line.startswith("- "))
