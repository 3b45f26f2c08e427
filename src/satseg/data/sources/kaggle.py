"""A dataset on Kaggle, through Kaggle's own client and the user's API token."""

import contextlib
import io
import os
import re
from pathlib import Path

from satseg.config.sources import KaggleSource
from satseg.data.archives import unpack
from satseg.data.raw import DOWNLOADS
from satseg.errors import UserError
from satseg.files import remove, room

# Kaggle's own tokens, and those that its client logs in with.
TOKEN = r"KG[A-Z]{2}_\w+|(?<=[Bb]earer )\S+|(?<=[Bb]asic )\S+"


def fetch(source: KaggleSource, folder: Path) -> None:
    """Download the dataset's archive and unpack it into `folder`.

    The archive lies in `.downloads` beside `folder` and stays there, for the next call.

    Raises:
        UserError: there are no credentials, or Kaggle refuses the dataset.
    """
    owner, name = source.slug.split("/")
    store = folder.with_name(DOWNLOADS)
    archive = store / f"kaggle-{owner}-{name}.zip"
    if not archive.exists():
        _download(source, archive, name)
    try:
        unpack(archive, folder)
    except UserError as error:
        if error.__cause__ is None:  # the archive is to blame, not the disk
            remove(archive)
            _remove_if_empty(store)
        raise


def _download(source: KaggleSource, archive: Path, name: str) -> None:
    """Make `archive` the dataset's archive, once it is whole."""
    api = _client(source.slug)
    partial = archive.with_name("kaggle.tmp")
    remove(partial)
    partial.mkdir(parents=True)
    try:
        with room(partial):
            api.dataset_download_files(source.slug, path=str(partial), quiet=False)
            (partial / f"{name}.zip").rename(archive)
    except UserError:
        raise
    except Exception as error:  # the client raises its own errors, those of requests and of the OS
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"Kaggle dataset {source.slug}: {_hidden(lines[0], api)}; try again, or set `path` to "
            f"a copy of the data"
        ) from None
    finally:
        remove(partial)
        _remove_if_empty(archive.parent)


def _remove_if_empty(folder: Path) -> None:
    with contextlib.suppress(OSError):
        folder.rmdir()


def _hidden(text: str, api) -> str:
    """The text without the user's key, which the client or the server may repeat."""
    names = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN")
    keys = [os.environ.get(name) for name in names]
    # A token may also come from a file, or from a login in the browser.
    keys += [api.config_values.get(name) for name in (api.CONFIG_NAME_KEY, api.CONFIG_NAME_TOKEN)]

    for key in filter(None, keys):
        text = text.replace(key, "***")
    return re.sub(TOKEN, "***", text)


def _client(slug: str):
    """Kaggle's client, logged in."""
    # The package logs in when it is imported, and prints its help if it cannot.
    with contextlib.redirect_stdout(io.StringIO()):
        try:
            from kaggle.api.kaggle_api_extended import KaggleApi

            api = KaggleApi()
            api.authenticate()
        except (SystemExit, OSError, ValueError):
            raise UserError(
                f"no Kaggle credentials for {slug}; save an API token as ~/.kaggle/kaggle.json "
                f"(kaggle.com → Settings → API), or get the data yourself and set the dataset's "
                f"`path` to its folder or zip"
            ) from None
    return api
