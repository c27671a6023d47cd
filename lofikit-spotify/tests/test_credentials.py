"""The app's id and secret: where they come from, and that they appear nowhere."""

from __future__ import annotations

import logging
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from lofikit.cli.main import run
from lofikit.errors import OptionError, SourceError
from lofikit.testing.server import Answer, LoopbackServer, Request
from lofikit_spotify.config import SpotifyConfig
from lofikit_spotify.credentials import find_credentials
from lofikit_spotify.source import Spotify as SpotifySource

ALBUM = "album00000000000000001"


def test_wrong_credentials_are_said_before_a_library_is_made(
    flags: list[str],
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", "wrong")
    words = ["collect", "spotify", "-o", str(tmp_path / "lib"), "--source.items", ALBUM, *flags]
    assert run(words) == 1
    said = capsys.readouterr().err
    assert "does not accept the app's id and secret (invalid_client Invalid client secret)" in said
    assert not (tmp_path / "lib").exists()


def credentials_file(path: Path, secret: str, text: str = "") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text or f'client_id = "someid"\nclient_secret = "{secret}"\n')
    path.chmod(0o600)
    return path


def test_credentials_come_from_the_environment_or_a_private_file(
    home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = "s3cr3t"
    monkeypatch.setenv("SPOTIPY_CLIENT_SECRET", secret)
    assert find_credentials(None).client_secret == secret
    monkeypatch.delenv("SPOTIPY_CLIENT_SECRET")
    with pytest.raises(SourceError, match="there are none"):
        find_credentials(None)
    usual = credentials_file(home / "config" / "lofikit" / "spotify.toml", secret)
    assert find_credentials(None).client_secret == secret
    for mode in (0o640, 0o604, 0o644, 0o620):
        usual.chmod(mode)
        with pytest.raises(SourceError, match="other users can read it") as raised:
            find_credentials(None)
        assert raised.value.hint == f"chmod 600 {usual}"
    with pytest.raises(SourceError, match="cannot read"):
        find_credentials(home / "nowhere.toml")
    for text in (
        f"client_secret = {secret}",
        f'client_secret = "{secret}"',
        f'client_id = "a b"\nclient_secret = "{secret}"',
    ):
        with pytest.raises(SourceError) as raised:
            find_credentials(credentials_file(home / "bad.toml", secret, text))
        assert secret not in str(raised.value)
    assert secret not in repr(find_credentials(credentials_file(home / "good.toml", secret)))


def test_the_secret_is_sent_encrypted_or_not_at_all(config: Callable[..., SpotifyConfig]) -> None:
    for name in ("api_url", "token_url"):
        with pytest.raises(OptionError, match="not an https address"):
            SpotifySource(config(**{name: "http://spotify.example/"}))


def test_no_secret_appears_anywhere(
    spotify: Any,
    every_fifth: Callable[[Request], Answer | None],
    server: LoopbackServer,
    flags: list[str],
    tmp_path: Path,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    caplog.set_level(logging.DEBUG)
    logging.getLogger("numba").setLevel(logging.WARNING)
    spotify.albums[ALBUM] = list(range(6))
    spotify.use_previews_of(seconds=4)
    library, take = str(tmp_path / "library"), str(tmp_path / "take.wav")
    trained = str(tmp_path / "run")
    collecting = ["--debug", "collect", "spotify", "-o", library, "--source.items", ALBUM, *flags]
    server.misbehave = every_fifth
    for words in (
        collecting,
        ["library", library, "--json"],
        ["train", library, "--model", "core/linear", "--epochs", "1", "-o", trained],
        ["generate", trained, "--seconds", "0.5", "--prompt-seconds", "1", "-o", take],
    ):
        assert run(words) == 0, capfd.readouterr().err

    # Errors that quote what was sent, as a proxy in between might.
    def echo(status: int, request: Request) -> Answer | None:
        sent = request.headers.get("authorization", "")
        if request.method == "POST" and status == 400:
            body = f'{{"error": "invalid_client", "error_description": "bad {sent}"}}'
        elif request.method == "GET":
            body = f'{{"error": {{"message": "cannot take {sent} {spotify.client_secret}"}}}}'
        else:
            return None
        return Answer(status, body.encode(), {"Retry-After": "9999"})

    for status in (400, 401, 403, 404, 429, 503):
        server.misbehave = partial(echo, status)
        assert run(collecting) == 1
    said = capfd.readouterr()
    assert "[hidden]" in said.err
    secrets = [spotify.client_secret, spotify.client_id, *spotify.tokens]
    assert len(secrets) > 3
    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    assert {"run.toml", "manifest.json", "take.wav", "index.jsonl"} <= {f.name for f in files}
    assert "api/token" in caplog.text, "requests were not logged, so the search proves nothing"
    told = [said.out.encode(), said.err.encode(), caplog.text.encode()]
    for content in [path.read_bytes() for path in files] + told:
        for secret in secrets:
            assert secret.encode()[:16] not in content
