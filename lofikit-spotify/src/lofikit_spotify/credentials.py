"""The client id and secret of a Spotify app, from the environment or a private file."""

from __future__ import annotations

import base64
import os
import stat
import tomllib
from dataclasses import dataclass, field
from pathlib import Path

from lofikit.errors import SourceError

_HINT = (
    "make an app at https://developer.spotify.com/dashboard, and then: "
    "export SPOTIPY_CLIENT_ID=... SPOTIPY_CLIENT_SECRET=..."
)


@dataclass(frozen=True)
class Credentials:
    """A client id and secret; neither is shown where the object is."""

    client_id: str = field(repr=False)
    client_secret: str = field(repr=False)

    def hide(self, text: str, token: str = "") -> str:
        """Returns a text with all that is secret taken out of it."""
        pair = base64.b64encode(f"{self.client_id}:{self.client_secret}".encode()).decode()
        for secret in (pair, self.client_secret, self.client_id, token):
            if secret:
                text = text.replace(secret, "[hidden]")
        return text


def find_credentials(file: Path | None) -> Credentials:
    """Finds the credentials: in the file that is named, the environment, or the usual file.

    Raises:
        SourceError: If there are none, or other users could read the file.
    """
    if file is not None:
        return _read(file.expanduser())
    found = (os.environ.get("SPOTIPY_CLIENT_ID"), os.environ.get("SPOTIPY_CLIENT_SECRET"))
    if found[0] and found[1]:
        return _checked(found[0], found[1], "SPOTIPY_CLIENT_ID or SPOTIPY_CLIENT_SECRET")
    home = Path(os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config")
    usual = home / "lofikit" / "spotify.toml"
    if usual.exists():
        return _read(usual)
    raise SourceError("Spotify asks for the id and secret of an app, and there are none", _HINT)


def _read(path: Path) -> Credentials:
    """Reads a file of credentials; what is wrong with it is told without quoting it."""
    try:
        with path.open("rb") as file:
            about = os.fstat(file.fileno())
            _check_private(path, about)
            values = tomllib.load(file)
    except OSError as error:
        raise SourceError(f"cannot read {path}: {error.strerror}", _HINT) from None
    except (tomllib.TOMLDecodeError, UnicodeDecodeError):
        raise SourceError(
            f"{path} is not a TOML file", 'write two lines: client_id = "..." client_secret = "..."'
        ) from None
    identity, secret = values.get("client_id"), values.get("client_secret")
    if not isinstance(identity, str) or not isinstance(secret, str):
        raise SourceError(
            f"{path} does not give client_id and client_secret",
            'write two lines: client_id = "..." client_secret = "..."',
        )
    return _checked(identity, secret, str(path))


def _check_private(path: Path, about: os.stat_result) -> None:
    if os.name != "posix":  # elsewhere the bits say nothing about who can read
        return
    if about.st_uid != os.getuid():
        raise SourceError(f"{path} belongs to another user", f"copy it to a file of yours: {_HINT}")
    if stat.S_IMODE(about.st_mode) & 0o077:
        raise SourceError(
            f"{path} holds a secret, and other users can read it", f"chmod 600 {path}"
        )


def _checked(identity: str, secret: str, where: str) -> Credentials:
    identity, secret = identity.strip(), secret.strip()
    if not (identity.isascii() and identity.isalnum() and secret.isascii() and secret.isalnum()):
        raise SourceError(f"{where}: ids and secrets of apps are letters and digits", _HINT)
    return Credentials(identity, secret)
