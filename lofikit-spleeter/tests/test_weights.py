"""Weights: fetched whole or not at all, and refused by name if they are not what they should be."""

from __future__ import annotations

import hashlib
import io
import tarfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from click.testing import CliRunner

from lofikit.errors import LofikitError
from lofikit_spleeter.command import cli
from lofikit_spleeter.fetching import address, fetch, refetch
from lofikit_spleeter.weights import DATA, FILES, WEIGHTS, Weights, WeightsError, check, install

CONTENT = {name: (name * 20_000).encode() for name in FILES}


def _archive(content: dict[str, bytes]) -> bytes:
    made = io.BytesIO()
    with tarfile.open(fileobj=made, mode="w:gz", compresslevel=1) as tar:
        for name, data in {**content, "../outside": b"x", "._checkpoint": b"x"}.items():
            info = tarfile.TarInfo(name if name.startswith("..") else f"./{name}")
            info.size = len(data)
            tar.addfile(info, io.BytesIO(data))
    return made.getvalue()


ARCHIVE = _archive(CONTENT)
SMALL = Weights(
    "2stems",
    hashlib.sha256(ARCHIVE).hexdigest(),
    {name: hashlib.sha256(data).hexdigest() for name, data in CONTENT.items()},
)


class Server:
    """Serves an archive as GitHub does, and misbehaves on request."""

    def __init__(self) -> None:
        self.archive = ARCHIVE
        self.cut = 0  # so many answers are cut off in the middle
        self.sent = 0
        self.paths: list[str] = []
        server = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                server.paths.append(self.path)
                if not self.path.endswith("2stems.tar.gz"):
                    self.send_error(404)
                    return
                begin = int(self.headers.get("Range", "bytes=0-")[6:].rstrip("-"))
                body = server.archive[begin:]
                if not body:
                    self.send_error(416)
                    return
                self.send_response(206 if begin else 200)
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                if server.cut:
                    server.cut -= 1
                    body = body[: len(body) // 2]
                server.sent += len(body)
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

        self._server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.address = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.05,))
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._thread.join()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    made = Server()
    yield made
    made.close()


@pytest.fixture(autouse=True)
def cache(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    return tmp_path / "lofikit" / "spleeter"


def _files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir() if path.suffix != ".lock")


def test_fetched_with_progress_from_where_spleeter_would(
    server: Server, cache: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_HOST", server.address)
    told: list[tuple[int, int | None]] = []
    folder = fetch(SMALL, progress=lambda *at: told.append(at))
    assert server.paths == ["/deezer/spleeter/releases/download/v1.4.0/2stems.tar.gz"]
    assert {name: (folder / name).read_bytes() for name in FILES} == CONTENT
    assert told[-1] == (len(ARCHIVE), len(ARCHIVE))
    assert _files(cache) == ["2stems"]
    assert not (cache / "outside").exists()
    fetch(SMALL, progress=lambda *at: pytest.fail("what is there is not fetched again"))


def test_a_download_that_is_cut_off_goes_on(server: Server) -> None:
    server.cut = 3
    fetch(SMALL, server.address)
    assert server.sent == len(ARCHIVE), "no byte is sent twice"


def test_a_download_goes_on_in_the_next_process(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "2stems.tar.gz.part").write_bytes(ARCHIVE[:1000])
    fetch(SMALL, server.address)
    assert server.sent == len(ARCHIVE) - 1000


def test_a_whole_download_of_a_killed_process_is_used(server: Server, cache: Path) -> None:
    cache.mkdir(parents=True)
    (cache / "2stems.tar.gz.part").write_bytes(ARCHIVE)
    fetch(SMALL, server.address)
    assert server.sent == 0


def test_another_archive_than_deezers_is_refused_and_leaves_nothing(
    server: Server, cache: Path
) -> None:
    server.archive = _archive(CONTENT | {DATA: b"random"})
    with pytest.raises(WeightsError, match=r"sent something else than Deezer's 2stems"):
        fetch(SMALL, server.address)
    assert _files(cache) == []


@pytest.mark.parametrize("path", ["4stems"])
def test_what_is_not_there_is_told_with_the_way_around(server: Server, path: str) -> None:
    with pytest.raises(WeightsError, match="404") as caught:
        fetch(Weights(path, "", {}), server.address)
    assert "lofikit-spleeter install" in caught.value.hint


def test_without_a_network_the_way_around_is_told() -> None:
    with pytest.raises(WeightsError, match="cannot be fetched from http://127") as caught:
        fetch(SMALL, "http://127.0.0.1:9")
    assert "lofikit-spleeter install" in caught.value.hint


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(server: Server, name: str) -> None:
    folder = fetch(SMALL, server.address)
    (folder / name).unlink()
    with pytest.raises(WeightsError, match=f"has no {name}"):
        fetch(SMALL, server.address)


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("how", ["truncated", "altered"])
def test_a_truncated_or_altered_file_is_named(server: Server, name: str, how: str) -> None:
    folder = fetch(SMALL, server.address)
    data = CONTENT[name]
    (folder / name).write_bytes(data[:-1] if how == "truncated" else data[:-1] + b"?")
    with pytest.raises(WeightsError, match=f"truncated or altered.*{name}"):
        check(SMALL, folder)
    check(SMALL, refetch(SMALL, server.address))


@pytest.mark.parametrize("kind", ["archive", "folder"])
def test_weights_are_placed_by_hand(tmp_path: Path, cache: Path, kind: str) -> None:
    given = tmp_path / "given"
    if kind == "archive":
        given.write_bytes(ARCHIVE)
    else:
        given.mkdir()
        for name, data in CONTENT.items():
            (given / name).write_bytes(data)
    weights, folder = install(given, [SMALL])
    assert (weights, folder) == (SMALL, cache / "2stems")
    assert fetch(SMALL, "http://127.0.0.1:9") == folder


@pytest.mark.parametrize("size", [0, 100, len(ARCHIVE) - 1000])
def test_a_truncated_archive_is_refused(tmp_path: Path, cache: Path, size: int) -> None:
    (tmp_path / "given").write_bytes(ARCHIVE[:size])
    with pytest.raises(WeightsError):
        install(tmp_path / "given", [SMALL])
    assert _files(cache) == []


def test_the_command_says_what_is_there(tmp_path: Path, cache: Path) -> None:
    (cache / "4stems").mkdir(parents=True)
    done = CliRunner().invoke(cli, ["check"], standalone_mode=False)
    assert done.return_value == 1
    assert "2stems: not there" in done.output
    assert "4stems: spleeter's weights 4stems are incomplete" in done.output
    (tmp_path / "odd").mkdir()
    with pytest.raises(LofikitError, match="does not hold spleeter's weights"):
        CliRunner().invoke(
            cli, ["install", str(tmp_path / "odd")], standalone_mode=False, catch_exceptions=False
        )


def test_a_mirror_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GITHUB_HOST", "https://one")
    monkeypatch.setenv("GITHUB_RELEASE", "v9")
    assert address(WEIGHTS[5]) == "https://one/deezer/spleeter/releases/download/v9/5stems.tar.gz"
    assert address(WEIGHTS[5], "https://two/").startswith("https://two/deezer/")
