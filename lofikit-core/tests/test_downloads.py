"""Downloads, against a real server that misbehaves."""

from __future__ import annotations

import hashlib
import io
import socket
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
import soundfile

from lofikit.errors import OptionError, SourceError
from lofikit.sources.downloads import Downloader, Wanted
from lofikit.sources.web import (
    RefusedError,
    UnavailableError,
    WebOptions,
    check_service,
    duration,
    one_line,
    retry_after,
    shown,
)
from lofikit.testing.server import Answer, LoopbackServer, Request, file_answer

OPTIONS = WebOptions(retries=3, retry_wait=0.001, timeout=0.5, pause=0, largest=1)


def tone(seconds: float = 0.5, form: str = "FLAC") -> bytes:
    noise = np.random.default_rng(1).uniform(-0.3, 0.3, round(seconds * 8000))
    buffer = io.BytesIO()
    soundfile.write(buffer, noise, 8000, format=form)
    return buffer.getvalue()


CONTENT = tone()


def music(request: Request) -> Answer:
    return file_answer(request, CONTENT, "audio/flac")


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    return tmp_path / "cache" / "lofikit" / "downloads"


@pytest.fixture
def server() -> Iterator[LoopbackServer]:
    with LoopbackServer(music) as running:
        yield running


def fetch(
    url: str, options: WebOptions = OPTIONS, notes: list[str] | None = None, **wanted: object
) -> bytes:
    note: Callable[[str], None] = (lambda _: None) if notes is None else notes.append
    with (
        Downloader(options, note) as downloader,
        downloader.file(Wanted(url, **wanted)) as path,  # type: ignore[arg-type]
    ):
        return path.read_bytes()


def first(count: int, answer: Answer) -> Callable[[Request], Answer | None]:
    return lambda request: answer if request.number < count else None


def test_a_download_is_whole_private_named_by_lofikit_and_gone_afterwards(
    server: LoopbackServer, cache: Path
) -> None:
    with Downloader(OPTIONS, print) as downloader:
        url = f"{server.url}/../../etc/%2e%2e%2fpasswd.sh"
        with downloader.file(Wanted(url, len(CONTENT))) as path:
            assert path.read_bytes() == CONTENT
            assert path.suffix == ".flac"
            assert cache in path.parents
            assert cache.stat().st_mode & 0o777 == 0o700
        assert not path.exists()
        assert "lofikit" in server.requests[0].headers["user-agent"]
    assert not [file for file in cache.rglob("*") if file.is_file() and file.suffix != ".lock"]


@pytest.mark.parametrize("status", [408, 429, 500, 502, 503, 504])
def test_what_passes_is_tried_again(server: LoopbackServer, status: int) -> None:
    server.misbehave = first(3, Answer(status, b"<html>busy</html>"))
    assert fetch(f"{server.url}/a.flac") == CONTENT
    assert len(server.requests) == 4


def test_a_server_that_stays_down_is_given_up_and_three_in_a_row_end_it(
    server: LoopbackServer,
) -> None:
    server.misbehave = first(1000, Answer(503))
    with Downloader(OPTIONS, print) as downloader:
        for name in "ab":
            with (
                pytest.raises(UnavailableError, match="failed 4 times: status 503"),
                downloader.file(Wanted(f"{server.url}/{name}")),
            ):
                pass
        with (
            pytest.raises(SourceError, match="3 requests in a row") as raised,
            downloader.file(Wanted(f"{server.url}/c")),
        ):
            pass
        assert not isinstance(raised.value, UnavailableError)
        assert "goes on" in raised.value.hint


def test_a_wait_that_the_server_asks_for_is_kept_and_told(server: LoopbackServer) -> None:
    server.misbehave = first(1, Answer(429, headers={"Retry-After": "1"}))
    notes: list[str] = []
    assert fetch(f"{server.url}/a.flac", notes=notes) == CONTENT
    assert len(notes) == 1
    assert "429" in notes[0]
    assert "waiting 1 s" in notes[0]


def test_a_wait_beyond_the_bound_ends_it_at_once(server: LoopbackServer) -> None:
    server.misbehave = first(1, Answer(429, headers={"Retry-After": "13749"}))
    with pytest.raises(SourceError, match="3 h 49 min"):
        fetch(f"{server.url}/a.flac")
    assert len(server.requests) == 1


@pytest.mark.parametrize("cut", [0, 1, len(CONTENT) - 1])
def test_what_is_cut_off_goes_on_from_there(server: LoopbackServer, cut: int) -> None:
    server.misbehave = lambda r: (
        Answer(200, CONTENT, {"ETag": '"one"'}, cut_at=cut) if r.number == 0 else None
    )
    assert fetch(f"{server.url}/a.flac") == CONTENT
    assert server.requests[1].headers.get("range") == (f"bytes={cut}-" if cut else None)


def test_a_file_that_changed_meanwhile_is_begun_again(server: LoopbackServer) -> None:
    old = Answer(200, b"fLaC" + bytes(len(CONTENT) - 4), {"ETag": '"old"'}, cut_at=100)
    server.misbehave = first(1, old)
    assert fetch(f"{server.url}/a.flac") == CONTENT
    assert server.requests[1].headers["if-range"] == '"old"'


@pytest.mark.parametrize(
    "answer",
    [
        Answer(206, CONTENT, {"Content-Range": f"bytes 0-{len(CONTENT) - 1}/{len(CONTENT)}"}),
        Answer(206, CONTENT[50:], {"Content-Range": f"bytes 50-{len(CONTENT) - 1}/99999"}),
        Answer(206, CONTENT[50:]),
        Answer(416),
    ],
)
def test_a_wrong_part_is_not_pasted_in(server: LoopbackServer, answer: Answer) -> None:
    cut = Answer(200, CONTENT, {"ETag": '"one"'}, cut_at=50)
    server.misbehave = lambda request: {0: cut, 1: answer}.get(request.number)
    assert fetch(f"{server.url}/a.flac") == CONTENT


def test_a_silent_and_a_trickling_server_count_as_cut_off(
    server: LoopbackServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    slow = Answer(200, CONTENT, {"ETag": '"one"'}, trickle=0.26)
    quick = OPTIONS.model_copy(update={"timeout": 0.25})
    server.misbehave = lambda r: {0: Answer(200, CONTENT, delay=0.4), 1: slow}.get(r.number)
    monkeypatch.setattr("lofikit.sources.downloads.SLOWEST", 1 << 20)
    assert fetch(f"{server.url}/a.flac", quick) == CONTENT
    assert len(server.requests) == 3


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (Answer(404, b"{}"), "status 404"),
        (Answer(401), "status 401"),
        (Answer(200, b"<html>", {"Content-Type": "text/html; charset=utf-8"}), "sent text/html"),
        (Answer(200, b"<!doctype html>"), "not wav, flac, ogg or mp3"),
        (Answer(200, b"\0\0\0 ftypM4A \0\0\0\0"), "MPEG-4"),
        (Answer(200, b"x", length=2_000_000), "larger than the 1 MB"),
        (Answer(200, b"fLaC" + bytes(1_500_000), length=-1), "larger than the 1 MB"),
        (Answer(302, headers={"Location": "http://localhost:1/x"}), "another host, localhost"),
        (Answer(302, headers={"Location": "file:///etc/passwd"}), "not an http or https"),
        (Answer(302, headers={"Location": "/a.flac"}), "redirected more than"),
    ],
)
def test_what_repeating_would_not_change_is_refused_at_once(
    server: LoopbackServer, cache: Path, answer: Answer, words: str
) -> None:
    server.misbehave = first(1000, answer)
    with pytest.raises(RefusedError, match=words):
        fetch(f"{server.url}/a.flac")
    assert not list(cache.rglob("*.part"))


def test_redirects_stay_on_the_host_unless_allowed(server: LoopbackServer) -> None:
    with LoopbackServer(music) as node:
        server.misbehave = first(1000, Answer(302, headers={"Location": f"{node.url}/x?y=1"}))
        assert fetch(f"{server.url}/a.flac") == CONTENT  # another port of the same host
        elsewhere = node.url.replace("127.0.0.1", "localhost")
        server.misbehave = first(1000, Answer(302, headers={"Location": elsewhere}))
        with (
            Downloader(OPTIONS, print, other_hosts=True) as downloader,
            downloader.file(Wanted(f"{server.url}/a.flac")) as path,
        ):
            assert path.read_bytes() == CONTENT


def test_checksums_and_sizes_are_checked(server: LoopbackServer) -> None:
    right = hashlib.sha1(CONTENT).hexdigest()
    assert fetch(f"{server.url}/a.flac", digests={"sha1": right.upper()}) == CONTENT
    with pytest.raises(RefusedError, match="sha1 checksum is wrong"):
        fetch(f"{server.url}/a.flac", digests={"sha1": "0" * 40})
    with pytest.raises(RefusedError, match="should have 5"):
        fetch(f"{server.url}/a.flac", size=5)
    damaged = Answer(200, CONTENT[:-1] + b"\0" * 1)
    server.requests.clear()
    server.misbehave = first(1, damaged)
    assert fetch(f"{server.url}/a.flac", digests={"sha1": right}) == CONTENT


def test_a_file_left_by_a_killed_process_is_taken_up(server: LoopbackServer) -> None:
    with (
        Downloader(OPTIONS, print) as downloader,
        downloader.file(Wanted(f"{server.url}/a.flac")) as path,
    ):
        pass
    path.write_bytes(CONTENT)  # where a process that is killed now would leave it
    assert fetch(f"{server.url}/a.flac") == CONTENT
    assert len(server.requests) == 1


@pytest.mark.parametrize(
    ("state", "asked"),
    [
        ('{"validator": "\\"one\\"", "total": %d}', "bytes=100-"),
        ('{"validator": "", "total": %d}', None),
        ('{"validator": "\\"one\\"", "tot', None),
        (None, None),
    ],
)
def test_a_part_left_by_a_killed_process_goes_on_if_it_can_be_trusted(
    server: LoopbackServer, state: str | None, asked: str | None
) -> None:
    with (
        Downloader(OPTIONS, print) as downloader,
        downloader.file(Wanted(f"{server.url}/a.flac")) as path,
    ):
        pass
    path.with_suffix(".part").write_bytes(CONTENT[:100])
    if state is not None:
        text = state % len(CONTENT) if "%" in state else state
        path.with_suffix(".json").write_text(text)
    assert fetch(f"{server.url}/a.flac") == CONTENT
    assert server.requests[1].headers.get("range") == asked


def test_a_damaged_answer_in_json_is_asked_for_again(server: LoopbackServer) -> None:
    server.respond = lambda request: Answer(200, b'{"a": 1}')
    server.misbehave = first(2, Answer(200, b'{"a": '))
    with Downloader(OPTIONS, print) as downloader:
        assert downloader.json(f"{server.url}/x", {"q": "a b", "fl[]": ["c", "d"]}) == {"a": 1}
    assert server.requests[2].query == {"q": ["a b"], "fl[]": ["c", "d"]}


def test_nobody_there_is_said() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    with pytest.raises(UnavailableError, match=r"127\.0\.0\.1 failed 4 times: .*refused"):
        fetch(f"http://127.0.0.1:{port}/a.flac")


@pytest.mark.parametrize(
    "url", ["ftp://a/b", "a.flac", "http://[", "http://a:99999999/", "http:///x"]
)
def test_what_is_no_address_is_refused(url: str) -> None:
    with pytest.raises(RefusedError, match="address"):
        fetch(url)


def test_retry_after_is_seconds_or_a_date() -> None:
    assert retry_after("7") == 7
    assert retry_after("Wed, 21 Oct 2015 07:28:00 GMT") == 0
    later = retry_after("Wed, 21 Oct 2150 07:28:00 GMT")
    assert later is not None
    assert later > 1e9
    assert retry_after("soon") is retry_after(None) is retry_after("") is None


def test_services_are_encrypted_or_on_this_machine() -> None:
    assert check_service("https://api.example/v1/", "--x") == "https://api.example/v1/"
    assert check_service("http://127.0.0.1:1/", "--x")
    for url in ("http://api.example/", "ftp://127.0.0.1/", "api.example", "http://127.0.0.1.evil/"):
        with pytest.raises(OptionError, match="https"):
            check_service(url, "--x")


def test_words() -> None:
    assert [duration(s) for s in (0.25, 59, 61, 13749)] == ["0.25 s", "59 s", "1 min", "3 h 49 min"]
    assert shown("https://u:p@h.example:8/a/b?token=1#f") == "https://h.example:8/a/b"
    assert one_line("a\x1b[31m\nb\t c\u202e") == "a [31m b c"
