"""What sources on the web have in common: their options, and patience with their servers."""

from __future__ import annotations

import time
from collections.abc import Callable
from datetime import UTC, datetime
from email.utils import parsedate_to_datetime
from urllib.parse import urlsplit

from lofikit import __version__
from lofikit.errors import OptionError, SourceError
from lofikit.options import Options, option

USER_AGENT = f"lofikit/{__version__} (music collector; one request at a time)"
"""How lofikit names itself to servers."""

TRANSIENT = frozenset({408, 425, 429, 500, 502, 503, 504})
"""Statuses after which the same request may succeed."""

GOES_ON = "give the same command again later: it goes on where it stopped"


class WebOptions(Options):
    """Options of sources on the web."""

    retries: int = option(5, "How often a request that failed is repeated.", ge=0, le=100)
    retry_wait: float = option(
        1.0, "Wait before the first repetition; it doubles each time.", unit="s", ge=0
    )
    longest_wait: float = option(
        120.0, "A server that asks for a longer wait ends the collection.", unit="s", ge=0
    )
    timeout: float = option(30.0, "How long a server may be silent.", unit="s", gt=0)
    pause: float = option(0.2, "Least time between two requests.", unit="s", ge=0)
    largest: float = option(200.0, "Largest file that is downloaded.", unit="MB", gt=0)


class UnavailableError(SourceError):
    """A request that failed as often as it may be repeated."""


class RefusedError(SourceError):
    """An answer that repeating the request would not change: not found, too large, no audio.

    Args:
        message: What was refused and why.
        status: The HTTP status, or 0 if something else is wrong with the answer.
    """

    def __init__(self, message: str, status: int = 0) -> None:
        super().__init__(message)
        self.status = status


class Patience:
    """Waits between requests and after failed ones, and says so.

    Args:
        options: How long and how often.
        note: Told of every wait of a second or more.
    """

    def __init__(self, options: WebOptions, note: Callable[[str], None]) -> None:
        self._options = options
        self._note = note
        self._last = float("-inf")

    def pause(self) -> None:
        """Waits until the next request may be sent."""
        left = self._last + self._options.pause - time.monotonic()
        if left > 0:
            time.sleep(left)
        self._last = time.monotonic()

    def wait(self, failures: int, server: str, reason: str, asked: float | None = None) -> None:
        """Waits before a request is repeated.

        Args:
            failures: How often the request has failed, this time included.
            server: The server's name.
            reason: What was wrong, in a few words.
            asked: The wait that the server asks for in seconds, if it does.

        Raises:
            SourceError: If the server asks for a longer wait than is allowed.
            UnavailableError: If the request was repeated often enough.
        """
        options = self._options
        if asked is not None and asked > options.longest_wait:
            raise SourceError(
                f"{server} asks to be left alone for {duration(asked)} ({reason}), and "
                f"--source.longest-wait is {duration(options.longest_wait)}",
                GOES_ON,
            )
        if failures > options.retries:
            times = "once" if failures == 1 else f"{failures} times"
            raise UnavailableError(f"{server} failed {times}: {reason}", GOES_ON)
        seconds = min(options.retry_wait * 2.0 ** (failures - 1), options.longest_wait)
        if asked is not None:
            seconds = max(seconds, asked)
        if seconds >= 1:
            self._note(
                f"{server}: {reason}; waiting {duration(seconds)} "
                f"(repetition {failures} of {options.retries})"
            )
        time.sleep(seconds)


def retry_after(value: str | None) -> float | None:
    """Reads a Retry-After header (RFC 9110, section 10.2.3).

    Returns:
        The wait in seconds, or ``None`` if there is none or it cannot be understood.
    """
    text = (value or "").strip()
    if not text:
        return None
    if text.isascii() and text.isdigit():
        return float(text)
    try:
        when = parsedate_to_datetime(text)
    except ValueError:
        return None
    if when.tzinfo is None:
        when = when.replace(tzinfo=UTC)
    return max(0.0, (when - datetime.now(UTC)).total_seconds())


def duration(seconds: float) -> str:
    """Returns a duration as a person would say it, for example ``2 h 5 min``."""
    if seconds < 60:
        return f"{seconds:.3g} s"
    minutes = round(seconds / 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours} h {minutes} min" if hours else f"{minutes} min"


def host_of(url: str) -> str:
    """Returns the host of a URL, in lower case and without port; empty if it has none."""
    try:
        return (urlsplit(url).hostname or "").lower()
    except ValueError:
        return ""


def shown(url: str) -> str:
    """Returns a URL as it may be shown and stored: without user, query and fragment."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an address that cannot be read"
    return f"{parts.scheme}://{host_of(url)}{port}{parts.path}"


def one_line(text: object) -> str:
    """Returns a text from outside on one line and without control characters."""
    printable = "".join(c if c.isprintable() else " " for c in str(text))
    return " ".join(printable.split())[:500]


def check_service(url: str, flag: str) -> str:
    """Returns a service's address, if it may be talked to.

    Raises:
        OptionError: If it is no HTTP address, or not encrypted and not on this machine.
    """
    scheme, host = urlsplit(url).scheme, host_of(url)
    if scheme == "https" and host:
        return url
    if scheme == "http" and host in ("127.0.0.1", "localhost", "::1"):
        return url
    raise OptionError(f"{flag} {url}: not an https address", "write it as https://HOST/...")
