"""A dataset on Kaggle, through Kaggle's own client and the user's API token."""

import contextlib
import io
import os
from pathlib import Path

from satseg.config.sources import KaggleSource
from satseg.data.archives import unpack
from satseg.errors import UserError
from satseg.files import room


def fetch(source: KaggleSource, folder: Path) -> None:
    """Download the dataset's archive and unpack it into `folder`.

    Raises:
        UserError: there are no credentials, or Kaggle refuses the dataset.
    """
    api = _client(source.slug)
    try:
        with room(folder):
            api.dataset_download_files(source.slug, path=str(folder), quiet=False)
    except UserError:
        raise
    except Exception as error:  # the client raises its own errors, those of requests and of the OS
        lines = str(error).strip().splitlines() or [type(error).__name__]
        raise UserError(
            f"Kaggle dataset {source.slug}: {_hidden(lines[0], api)}; try again, or set `path` to "
            f"a copy of the data"
        ) from None

    archive = folder / f"{source.slug.split('/')[1]}.zip"
    unpack(archive, folder)
    archive.unlink()


def _hidden(text: str, api) -> str:
    """The text without the user's key, which the client or the server may repeat."""
    names = ("KAGGLE_KEY", "KAGGLE_API_TOKEN", "KAGGLE_API_V1_TOKEN")
    keys = [os.environ.get(name) for name in names]
    keys.append(api.config_values.get(api.CONFIG_NAME_KEY))

    for key in filter(None, keys):
        text = text.replace(key, "***")
    return text


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
