"""The HTTP session that spotipy sends its requests through."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any
from urllib.parse import urljoin, urlsplit

import requests

from lofikit.errors import SourceError
from lofikit.sources.web import (
    GOES_ON,
    TRANSIENT,
    USER_AGENT,
    Patience,
    RefusedError,
    WebOptions,
    host_of,
    retry_after,
)

LARGEST_ANSWER = 32 << 20
"""Bytes that an answer may claim to have."""
_FAULTS = (
    requests.ConnectionError,
    requests.Timeout,
    requests.exceptions.ChunkedEncodingError,
    requests.exceptions.ContentDecodingError,
)


class PatientSession(requests.Session):
    """Repeats requests after faults that pass, with bounded waits, and keeps to its hosts.

    spotipy's own session sleeps as long as a Retry-After header says, however long that is, and
    a session that is passed to it gets no retries; so the rules are here.

    Args:
        options: How patient it is.
        note: Told of long waits.
    """

    def __init__(self, options: WebOptions, note: Callable[[str], None]) -> None:
        super().__init__()
        self.headers["User-Agent"] = USER_AGENT
        self._options = options
        self._patience = Patience(options, note)

    def send(self, request: requests.PreparedRequest, **kwargs: Any) -> requests.Response:
        """Sends a request until it is answered.

        Raises:
            SourceError: If the service fails too often, or does not want to be asked any more.
            RefusedError: If the answer is too large, or leads to another host.
        """
        host = host_of(request.url or "")
        kwargs |= {"stream": True, "timeout": self._options.timeout}
        failures = 0
        while True:
            self._patience.pause()
            asked = None
            try:
                response = super().send(request, **kwargs)
                _check_length(host, response)
                _ = response.content  # reads it, so that a cut connection shows here
            except _FAULTS as fault:
                reason = _words(fault)
            else:
                if response.status_code in TRANSIENT:
                    reason = explain(response)
                    asked = retry_after(response.headers.get("Retry-After"))
                elif response.ok and not _is_json(response):
                    reason = "the answer is not JSON"
                else:
                    return response
            failures += 1
            self._patience.wait(failures, host, reason, asked)

    def get_redirect_target(self, resp: requests.Response) -> str | None:
        """Returns where a response redirects to; an access token goes to no other host."""
        target: str | None = super().get_redirect_target(resp)
        if target is not None:
            there, here = urlsplit(urljoin(resp.url, target)), urlsplit(resp.url)
            if (there.scheme, there.netloc) != (here.scheme, here.netloc):
                raise RefusedError(f"{here.hostname} redirects to another host, {there.hostname}")
        return target


def _check_length(host: str, response: requests.Response) -> None:
    length = response.headers.get("Content-Length", "")
    if length.isdigit() and int(length) > LARGEST_ANSWER:
        response.close()
        raise RefusedError(f"{host}: the answer is too large")


def explain(response: requests.Response) -> str:
    """Returns what a failing response means, in a few words.

    Raises:
        SourceError: If a quota is used up, which no short wait helps against.
    """
    said = message(response)
    if response.status_code != 429:
        return f"status {response.status_code}" + (f" {said}" if said else "")
    if "quota" in said.lower():
        raise SourceError(
            f"Spotify says that the quota of your app is used up (429: {said})",
            f"{GOES_ON}; quotas of apps in development mode are small, and shared by all endpoints",
        )
    return f"rate limit of your app (429{': ' + said if said else ''})"


def message(response: requests.Response) -> str:
    """Returns the message in an error of the Web API, or an empty text."""
    try:
        error = response.json().get("error", "")
    except (ValueError, AttributeError):
        return ""
    said = error.get("message", "") if isinstance(error, dict) else error
    return " ".join(str(said).split())[:200]


def _is_json(response: requests.Response) -> bool:
    try:
        response.json()
    except ValueError:
        return False
    return True


def _words(fault: Exception) -> str:
    if isinstance(fault, requests.Timeout):
        return "no answer in time"
    if isinstance(fault, requests.exceptions.ChunkedEncodingError):
        return "the connection was cut off"
    text = str(fault).lower()
    if "refused" in text:
        return "connection refused"
    if "name" in text and "resol" in text:
        return "the name is not known; is there a network?"
    return "the connection was cut off"
