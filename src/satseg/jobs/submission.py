"""The configuration that jobs go by: what it was when the run that submitted them began.

A job on a cluster may wait for days, and starts Snakemake anew. What has been edited meanwhile is
for the next run.
"""

import hashlib
import os
from pathlib import Path

from pydantic import ValidationError

from satseg.config.root import Config
from satseg.errors import UserError

VARIABLE = "SATSEG_CONFIGURATION"  # its value is the file; jobs inherit it
FOLDER = Path(".snakemake", "configuration")


def submit(config: Config) -> None:
    """Keep the configuration for the jobs that this process is going to start."""
    text = config.model_dump_json()
    file = FOLDER / f"{hashlib.sha256(text.encode()).hexdigest()[:16]}.json"
    FOLDER.mkdir(parents=True, exist_ok=True)
    file.write_text(text, encoding="utf-8")
    os.environ[VARIABLE] = str(file.resolve())


def submitted() -> Config | None:
    """The configuration that this job was submitted with; None if it was not submitted.

    Raises:
        UserError: the file of it is gone or damaged.
    """
    if VARIABLE not in os.environ:
        return None
    file = Path(os.environ[VARIABLE])
    try:
        return Config.model_validate_json(file.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValidationError):
        raise UserError(
            f"{file}: the configuration this job was submitted with is gone or damaged; run the "
            f"same command again"
        ) from None
