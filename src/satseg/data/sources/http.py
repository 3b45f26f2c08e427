"""Archives on the web: verified, resumed after a broken connection, and taken from a second source
if the first fails."""

import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from satseg.config.sources import HttpFile, HttpSource, KaggleSource
from satseg.data.archives import MOST, unpack
from satseg.data.raw import DOWNLOADS
from satseg.errors import UserError
from satseg.files import room
from satseg.progress import Pace, log

TIMEOUT = 60.0  # seconds without a byte before a connection is given up
ATTEMPTS = 6  # in a row that bring no data
BACKOFF = 2.0  # seconds before the second attempt; doubles with each further one
CHUNK = 2**16  # bytes: the most that a broken connection can lose
TRANSIENT = {408, 425, 429, 500, 502, 503, 504}  # statuses after which another attempt may succeed
CONNECTION_ERRORS = (
    requests.Timeout,
    requests.ConnectionError,
    requests.exceptions.ChunkedEncodingError,
)


def fetch(source: HttpSource, folder: Path) -> HttpSource | KaggleSource:
    """Download all archives, then unpack them into `folder`.

    Archives lie in `.downloads` beside `folder` and stay there, so that the next call can resume
    from them.

    Returns:
        The source that delivered: `source`, or its fallback.

    Raises:
        UserError: an archive is unavailable or not the one expected, and the fallback fails too.
    """
    store = folder.with_name(DOWNLOADS)
    store.mkdir(exist_ok=True)
    used: HttpSource | KaggleSource = source

    try:
        with room(store):
            archives = [_archive(file, store) for file in source.files]
        for archive in archives:
            unpack(archive, folder)
    except _Unavailable as problem:
        if source.fallback is None:
            raise UserError(f"{problem}, or set `path` to your own copy of the data") from None

        used = source.fallback
        log.warning("%s; trying %s dataset %s", problem, used.kind, used.slug)
        try:
            import_module(f"satseg.data.sources.{used.kind}").fetch(used, folder)
        except UserError as second:
            raise UserError(f"{problem}; second source: {second}") from None
    finally:
        with suppress(OSError):
            store.rmdir()  # if nothing was downloaded
    return used


class _Unavailable(Exception):
    """An archive is unavailable: its address, what is wrong, what to do."""


class _Interrupted(Exception):
    """An attempt failed, but the next one may not."""


def _archive(file: HttpFile, store: Path) -> Path:
    """The archive in `store`, its checksum verified; an earlier call's partial file is resumed."""
    algorithm, digest = file.checksum.split(":")

    # Named by content: a file of this name is the start of this archive, wherever it came from.
    part = store / f"{digest}.part"
    resumed = part.exists()

    def download(url: str, output: str, _: object) -> None:
        _download(url, part)
        part.replace(output)

    pooch.get_logger().setLevel("ERROR")
    try:
        name = f"{digest}.zip"
        return Path(pooch.retrieve(file.url, file.checksum, name, store, downloader=download))
    except ValueError:
        part.unlink(missing_ok=True)
        if resumed:  # that partial file may have been the wrong start
            log.warning(
                "%s: wrong %s after resuming an earlier download; starting from scratch",
                file.url,
                algorithm,
            )
            return _archive(file, store)
        raise _Unavailable(
            f"{file.url}: the file's {algorithm} is not {digest}: it was damaged in transit or has "
            f"been replaced; try again, correct `source.files`"
        ) from None


def _download(url: str, part: Path) -> None:
    """Make `part` the whole file, in as many attempts as it takes; failures count from the last
    attempt that brought data."""
    failures = 0

    while True:
        have = _size(part)
        try:
            return _attempt(url, part, have)
        except _Interrupted as problem:
            # A server that sends a few bytes at a time would keep us busy for ever.
            failures = 1 if _size(part) >= have + CHUNK else failures + 1
            if failures == ATTEMPTS:
                raise _Unavailable(
                    f"{url}: {problem}, {ATTEMPTS} times in a row; try again later (the download "
                    f"resumes where it stopped)"
                ) from None

            pause = BACKOFF * 2 ** (failures - 1)
            log.info(
                "%s: %s after %.1f MB; next attempt in %g s", url, problem, _size(part) / 1e6, pause
            )
            time.sleep(pause)


def _attempt(url: str, part: Path, have: int) -> None:
    """Request what is missing after the first `have` bytes and append it to `part`."""
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"

    try:
        with requests.get(url, headers=headers, stream=True, timeout=TIMEOUT) as response:
            # 416: nothing is missing; if there is too much, the checksum will tell.
            if have and response.status_code == 416:
                return

            _check(url, response)
            start = f"bytes {have}-"
            sent_range = response.headers.get("Content-Range", start)
            if response.status_code != 206 or not sent_range.startswith(start):
                have = 0  # the server sends the whole file
            _save(response, part, have)
    except CONNECTION_ERRORS as error:
        cause: BaseException = error
        while cause.__context__:
            cause = cause.__context__
        if isinstance(cause, TimeoutError):
            raise _Interrupted(f"no data for {TIMEOUT:g} s") from None
        raise _Interrupted(f"the connection failed ({type(cause).__name__})") from None
    except requests.RequestException as error:
        raise _Unavailable(f"{url}: {error}; correct `source.files`") from None


def _check(url: str, response: requests.Response) -> None:
    """Raise unless the response is the file, or the rest of it."""
    status = f"HTTP {response.status_code} {response.reason}"
    if response.status_code in TRANSIENT:
        raise _Interrupted(status)
    if not response.ok:
        raise _Unavailable(f"{url}: {status}; correct `source.files`")
    if "html" in response.headers.get("Content-Type", ""):
        raise _Unavailable(
            f"{url}: the server sent a web page instead of the file; open the address in a browser "
            f"to see what it says, correct `source.files`"
        )


def _save(response: requests.Response, part: Path, have: int) -> None:
    """Write the response's body into `part` after its first `have` bytes."""
    length = response.headers.get("Content-Length", "")
    total = have + int(length) if length.isascii() and length.isdecimal() else None
    name = response.request.url.rsplit("/", 1)[1]
    pace = Pace(name, total / 1e6 if total else None, "MB", have / 1e6)

    with (
        part.open("ab" if have else "wb") as file,
        tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for chunk in response.iter_content(CHUNK):
            file.write(chunk)
            if file.tell() > MOST:
                raise _Unavailable(
                    f"{response.url}: sends more than {MOST / 1e9:.3g} GB; correct `source.files`"
                )
            pace.at(file.tell() / 1e6)
            bar.update(len(chunk))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
