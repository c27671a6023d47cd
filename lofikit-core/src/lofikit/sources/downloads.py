"""Downloading files: politely, resumably, and with bounds on whatever a server may do.

A file is downloaded into a private folder of the user's cache under a name that is made of a
hash, so that nothing a server or a list says becomes a path. What is cut off goes on from where
it stopped (RFC 9110, section 14), in this process or in one that is started after a kill; it is
deleted once the library has it.
"""

from __future__ import annotations

import hashlib
import json
import logging
import re
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urljoin, urlsplit

import httpx

from lofikit.errors import SourceError
from lofikit.sources.partial import READABLE, PartialFile, audio_suffix, claim_folder
from lofikit.sources.web import (
    GOES_ON,
    TRANSIENT,
    USER_AGENT,
    Patience,
    RefusedError,
    UnavailableError,
    WebOptions,
    duration,
    host_of,
    retry_after,
    shown,
)

MOST_FAILURES = 3
"""Files in a row that a server may fail to give before the collection ends."""
LARGEST_ANSWER = 64 << 20
"""Bytes of a JSON answer that are read."""
SHORT_REST = 1 << 12
"""Bytes of an unwanted body that are read rather than opening a new connection."""
SLOWEST = 1024
"""Bytes a second; a slower transfer counts as cut off."""
_REDIRECTS = 5
_AUDIO_TYPES = re.compile(
    r"audio/.+|video/ogg|application/(x-)?(ogg|flac|wav)|(application|binary)/octet-stream"
)
_RANGE = re.compile(r"bytes (\d+)-\d+/(\d+)")


@dataclass(frozen=True)
class Wanted:
    """A file to download.

    Attributes:
        url: Where it is.
        size: Its size in bytes, if that is known.
        digests: Its checksums in hexadecimal by :mod:`hashlib` name, as far as they are known.
    """

    url: str
    size: int | None = None
    digests: Mapping[str, str] = field(default_factory=dict)


class Downloader:
    """An HTTP client that asks for one thing at a time.

    Args:
        options: How patient it is, and how large a file may be.
        note: Told of long waits.
        other_hosts: Follow redirects to any host, not only to the first one and those below it.
    """

    def __init__(
        self, options: WebOptions, note: Callable[[str], None], other_hosts: bool = False
    ) -> None:
        # httpx logs addresses with their queries, which may hold keys.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._options = options
        self._patience = Patience(options, note)
        self._other_hosts = other_hosts
        self._failures = 0
        self._folder, self._lock = claim_folder()
        self._client = httpx.Client(
            headers={"User-Agent": USER_AGENT, "Accept-Encoding": "identity"},
            timeout=options.timeout,
            # One for a service and one for the host that it redirects downloads to.
            limits=httpx.Limits(max_connections=2),
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._client.close()
        self._lock.release()

    def json(self, url: str, params: Mapping[str, str | list[str]] | None = None) -> Any:
        """Returns what a server answers in JSON.

        Raises:
            RefusedError: If the server refuses.
            SourceError: If it cannot be had.
        """

        def read() -> Any:
            with self._open(url, {}, params) as response:
                content = b""
                for block in response.iter_bytes():
                    content += block
                    if len(content) > LARGEST_ANSWER:
                        raise RefusedError(f"{shown(url)}: the answer is too large")
            try:
                return json.loads(content)
            except ValueError as error:
                raise _TransientError("the answer is not JSON") from error

        return self._repeat(url, read)

    @contextmanager
    def file(self, wanted: Wanted) -> Iterator[Path]:
        """Downloads an audio file; it is deleted when the context ends.

        Raises:
            RefusedError: If the server refuses, or gives what is not the file or no audio.
            SourceError: If it cannot be had.
        """
        name = hashlib.sha256(wanted.url.encode()).hexdigest()[:40]
        path = self._complete(wanted, PartialFile(self._folder, name))
        try:
            yield path
        finally:
            path.unlink(missing_ok=True)

    def _complete(self, wanted: Wanted, partial: PartialFile) -> Path:
        """Downloads what is missing of a file, and returns it under a name with a suffix."""
        done = partial.finished
        if done is not None and not _wrong(wanted, done):
            return done
        try:
            self._check_size(wanted.url, wanted.size)
            if not partial.complete:
                self._repeat(wanted.url, lambda: self._transfer(wanted, partial))
            if _wrong(wanted, partial.path):  # damaged on its way, or what was resumed had changed
                partial.drop()
                self._repeat(wanted.url, lambda: self._transfer(wanted, partial))
                if wrong := _wrong(wanted, partial.path):
                    raise RefusedError(f"{shown(wanted.url)}: {wrong}")
            suffix = audio_suffix(partial.path)
            if suffix not in READABLE:
                raise RefusedError(f"{shown(wanted.url)}: not wav, flac, ogg or mp3, but {suffix}")
        except RefusedError:
            partial.drop()
            raise
        return partial.finish(suffix)

    def _transfer(self, wanted: Wanted, partial: PartialFile) -> None:
        have = partial.size if partial.total is not None else 0
        headers = {"Range": f"bytes={have}-"} if have else {}
        if have and partial.validator:
            headers["If-Range"] = partial.validator
        try:
            with self._open(wanted.url, headers) as response:
                self._check_type(wanted.url, response)
                have, total = _place(response, partial, have)
                self._check_size(wanted.url, total)
                if total is not None and wanted.size not in (None, total):
                    raise RefusedError(
                        f"{shown(wanted.url)}: has {total} bytes and should have {wanted.size}"
                    )
                if not have:
                    partial.drop()  # before the new state is noted: a kill must not mix two files
                    partial.begin(_validator(response), total)
                self._receive(wanted.url, response, partial, have)
        except RefusedError as error:
            if error.status == 416:  # what was there is not a part of what the server has now
                partial.drop()
                raise _TransientError("the file has changed") from error
            raise
        if partial.total is not None and partial.size != partial.total:
            raise _TransientError("the connection was cut off")

    def _receive(self, url: str, response: httpx.Response, partial: PartialFile, have: int) -> None:
        window, received = time.monotonic(), 0
        with partial.path.open("r+b" if have else "wb") as file:
            file.truncate(have)
            file.seek(have)
            for block in response.iter_raw():
                file.write(block)
                file.flush()
                have += len(block)
                received += len(block)
                self._check_size(url, have)
                passed = time.monotonic() - window
                if passed > self._options.timeout:
                    if received < SLOWEST * passed:
                        raise _TransientError(f"only {received} bytes in {duration(passed)}")
                    window, received = time.monotonic(), 0

    def _check_size(self, url: str, size: int | None) -> None:
        if size is not None and size > self._options.largest * 1e6:
            raise RefusedError(
                f"{shown(url)}: larger than the {self._options.largest:g} MB of --source.largest"
            )

    def _check_type(self, url: str, response: httpx.Response) -> None:
        kind = response.headers.get("Content-Type", "").partition(";")[0].strip().lower()
        if kind and not _AUDIO_TYPES.fullmatch(kind):
            raise RefusedError(f"{shown(url)}: the server sent {kind}, not audio")

    def _repeat(self, url: str, action: Callable[[], Any]) -> Any:
        """Does something until it succeeds, or has failed too often."""
        failures = 0
        while True:
            try:
                result = action()
            except _TransientError as fault:
                reason, asked = fault.reason, fault.asked
            except httpx.RequestError as error:
                reason, asked = _words(error), None
            except RefusedError:
                self._failures = 0
                raise
            else:
                self._failures = 0
                return result
            failures += 1
            try:
                self._patience.wait(failures, host_of(url), reason, asked)
            except UnavailableError as error:
                self._failures += 1
                if self._failures >= MOST_FAILURES:
                    raise SourceError(
                        f"{error.message}; {self._failures} requests in a row could not be done",
                        GOES_ON,
                    ) from error
                raise

    @contextmanager
    def _open(
        self,
        url: str,
        headers: Mapping[str, str],
        params: Mapping[str, str | list[str]] | None = None,
    ) -> Iterator[httpx.Response]:
        """Sends a request and follows its redirects; the body is not read yet."""
        first = url
        for _ in range(_REDIRECTS + 1):
            self._check_address(first, url)
            self._patience.pause()
            request = self._client.build_request("GET", url, headers=headers, params=params)
            response = self._client.send(request, stream=True)
            try:
                if response.has_redirect_location:
                    # The new address has the query in it, if one is wanted there.
                    url, params = _join(str(request.url), response.headers["Location"]), None
                    continue
                if response.status_code in TRANSIENT:
                    raise _TransientError(
                        f"status {response.status_code} {response.reason_phrase}".strip(),
                        retry_after(response.headers.get("Retry-After")),
                    )
                if response.status_code not in (200, 206):
                    reason = f"status {response.status_code} {response.reason_phrase}".strip()
                    raise RefusedError(f"{shown(first)}: {reason}", response.status_code)
                yield response
                return
            finally:
                _close(response)
        raise RefusedError(f"{shown(first)}: redirected more than {_REDIRECTS} times")

    def _check_address(self, first: str, url: str) -> None:
        try:
            parts = urlsplit(url)
            valid = parts.port != 0 and bool(httpx.URL(url).host)
        except (ValueError, httpx.InvalidURL):
            valid = False
        if not valid or parts.scheme not in ("http", "https"):
            raise RefusedError(f"{shown(url)!r} is not an http or https address")
        scheme, host, home = parts.scheme, host_of(url), host_of(first)
        if urlsplit(first).scheme == "https" and scheme == "http":
            raise RefusedError(f"{shown(first)}: redirects to {host} without encryption")
        if not (self._other_hosts or host == home or host.endswith(f".{home}")):
            raise RefusedError(f"{shown(first)}: redirects to another host, {host}")


class _TransientError(Exception):
    """A failure after which the same request may succeed.

    Args:
        reason: What was wrong, in a few words.
        asked: The wait in seconds that the server asks for.
    """

    def __init__(self, reason: str, asked: float | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.asked = asked


def _place(response: httpx.Response, partial: PartialFile, have: int) -> tuple[int, int | None]:
    """Returns where the body of a response begins in the file, and the whole's size."""
    if response.status_code == 206:
        match = _RANGE.fullmatch(response.headers.get("Content-Range", ""))
        if not match or int(match[1]) != have or int(match[2]) != partial.total:
            partial.drop()
            raise _TransientError("the server sent another part than was asked for")
        return have, partial.total
    length = response.headers.get("Content-Length", "")
    return 0, int(length) if length.isdigit() else None


def _validator(response: httpx.Response) -> str:
    """Returns what tells a changed file: a strong ETag, or else the date of its last change."""
    etag: str = response.headers.get("ETag", "")
    if etag and not etag.startswith("W/"):
        return etag
    modified: str = response.headers.get("Last-Modified", "")
    return modified


def _close(response: httpx.Response) -> None:
    """Ends a response; a short rest is read, so that the connection can be used again."""
    rest = response.headers.get("Content-Length", "")
    if not response.is_stream_consumed and rest.isdigit() and int(rest) < SHORT_REST:
        with suppress(httpx.RequestError):
            response.read()
    response.close()


def _join(url: str, location: str) -> str:
    try:
        return urljoin(url, location)
    except ValueError:
        return location


def _wrong(wanted: Wanted, path: Path) -> str:
    """Returns what a file does not agree with, or an empty text."""
    size = path.stat().st_size
    if wanted.size is not None and size != wanted.size:
        return f"has {size} bytes and should have {wanted.size}"
    for name, expected in wanted.digests.items():
        with path.open("rb") as file:
            if hashlib.file_digest(file, name).hexdigest() != expected.lower():
                return f"its {name} checksum is wrong"
    return ""


def _words(error: httpx.RequestError) -> str:
    if isinstance(error, httpx.TimeoutException):
        return "no answer in time"
    if isinstance(error, httpx.RemoteProtocolError):
        return "the connection was cut off"
    return str(error).strip().splitlines()[0] if str(error).strip() else type(error).__name__
