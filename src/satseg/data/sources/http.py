"""Archives on the web: checked, continued where a connection broke, from a second source where the
first fails."""

import shutil
import time
from contextlib import suppress
from importlib import import_module
from pathlib import Path

import pooch
import requests
from tqdm import tqdm

from satseg.config.datasets import HttpFile, HttpSource, KaggleSource
from satseg.data.archives import unpack
from satseg.errors import UserError
from satseg.files import room
from satseg.progress import Pace, log

TIMEOUT = 60.0  # seconds without a byte before a connection is given up
ATTEMPTS = 6  # in a row that bring nothing
BACKOFF = 2.0  # seconds before the second attempt; doubles with each further one
CHUNK = 2**16  # bytes: what a broken connection can lose
PASSING = {408, 425, 429, 500, 502, 503, 504}  # statuses that another attempt may not meet


def fetch(source: HttpSource, folder: Path) -> HttpSource | KaggleSource:
    """Download all archives, then unpack them into `folder`.

    What came over lies in `.downloads` beside `folder` until all is unpacked, so that the next call
    goes on from there.

    Returns:
        The source that delivered: `source`, or its fallback.

    Raises:
        UserError: an archive cannot be had, or is not the one expected, and the fallback fails too.
    """
    store = folder.with_name(".downloads")
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
            store.rmdir()  # where nothing came over
    if store.exists():
        shutil.rmtree(store)
    return used


class _Unavailable(Exception):
    """An archive cannot be had: its address, what is wrong, what to do."""


class _Interrupted(Exception):
    """An attempt failed, but the next one may not."""


def _archive(file: HttpFile, store: Path) -> Path:
    """The archive in `store`, its checksum verified; what an earlier call left there is used."""
    algorithm, digest = file.checksum.split(":")
    # Named by content: what lies there under this name is the start of this archive, wherever it
    # came from.
    part = store / f"{digest}.part"
    resumed = part.exists()

    def download(url: str, output: str, _: object) -> None:
        _download(url, part)
        part.replace(output)

    pooch.get_logger().setLevel("ERROR")
    try:
        return Path(
            pooch.retrieve(file.url, file.checksum, f"{digest}.zip", store, downloader=download)
        )
    except ValueError:
        if resumed:  # what was left may have been the wrong start; it is gone now
            log.warning(
                "%s: wrong %s after continuing an earlier download; starting anew",
                file.url,
                algorithm,
            )
            return _archive(file, store)
        raise _Unavailable(
            f"{file.url}: the file has not the {algorithm} {digest}: it was damaged on the way or is another one; "
            f"try again, correct `source.files`"
        ) from None


def _download(url: str, part: Path) -> None:
    """Make `part` the whole file, in as many attempts as it takes; one that brought something
    counts as the first."""
    failures = 0
    while True:
        have = _size(part)
        try:
            return _attempt(url, part, have)
        except _Interrupted as problem:
            failures = 1 if _size(part) > have else failures + 1
            if failures == ATTEMPTS:
                raise _Unavailable(
                    f"{url}: {problem}, {ATTEMPTS} times in a row; try again later (it goes on where it stopped)"
                ) from None
            pause = BACKOFF * 2 ** (failures - 1)
            log.info(
                "%s: %s after %.1f MB; next attempt in %g s", url, problem, _size(part) / 1e6, pause
            )
            time.sleep(pause)


def _attempt(url: str, part: Path, have: int) -> None:
    """Ask for what is missing after the first `have` bytes and append it to `part`."""
    wanted = {"Accept-Encoding": "identity"} | ({"Range": f"bytes={have}-"} if have else {})
    try:
        with requests.get(url, headers=wanted, stream=True, timeout=TIMEOUT) as answer:
            if (
                have and answer.status_code == 416
            ):  # nothing is missing; if too much is there, the checksum says so
                return
            _check(url, answer)
            start = f"bytes {have}-"
            if answer.status_code != 206 or not answer.headers.get(
                "Content-Range", start
            ).startswith(start):
                have = 0  # the server sends the whole file
            _save(answer, part, have)
    except (
        requests.Timeout,
        requests.ConnectionError,
        requests.exceptions.ChunkedEncodingError,
    ) as error:
        cause: BaseException = error
        while cause.__context__:
            cause = cause.__context__
        silent = isinstance(cause, TimeoutError)
        what = (
            f"no data for {TIMEOUT:g} s"
            if silent
            else f"the connection failed ({type(cause).__name__})"
        )
        raise _Interrupted(what) from None
    except requests.RequestException as error:
        raise _Unavailable(f"{url}: {error}; correct `source.files`") from None


def _check(url: str, answer: requests.Response) -> None:
    """Raise unless the answer is the file, or the rest of it."""
    status = f"HTTP {answer.status_code} {answer.reason}"
    if answer.status_code in PASSING:
        raise _Interrupted(status)
    if not answer.ok:
        raise _Unavailable(f"{url}: {status}; correct `source.files`")
    if "html" in answer.headers.get("Content-Type", ""):
        raise _Unavailable(
            f"{url}: a web page came instead of the file; open the address in a browser to see what it says, "
            f"correct `source.files`"
        )


def _save(answer: requests.Response, part: Path, have: int) -> None:
    """Write the answer's body into `part` behind its first `have` bytes."""
    length = answer.headers.get("Content-Length")
    total = have + int(length) if length else None
    name = answer.request.url.rsplit("/", 1)[1]
    pace = Pace(name, total / 1e6 if total else None, "MB", have / 1e6)
    with (
        part.open("ab" if have else "wb") as file,
        tqdm(desc=name, initial=have, total=total, unit="B", unit_scale=True, disable=None) as bar,
    ):
        for chunk in answer.iter_content(CHUNK):
            file.write(chunk)
            pace.at(file.tell() / 1e6)
            bar.update(len(chunk))


def _size(part: Path) -> int:
    return part.stat().st_size if part.exists() else 0
