"""Handing a slice of the configuration to a stage, and reading it there."""

import hashlib
import json
import sys
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from satseg.config.types import Strict
from satseg.config.yaml_files import read_yaml
from satseg.errors import UserError
from satseg.files import atomic, sha256

# A shell's command is one argument of at most 128 KiB, and quoting may make a slice longer.
LONGEST_ARGUMENT = 25_000
SLICES = Path(".snakemake", "satseg")


class Slice(Strict):
    """What a stage sees of the configuration."""

    def argument(self) -> str:
        """The slice as an argument of a command: JSON, or the name of a file of it if the system
        would not take that much, or not these characters."""
        text = self.model_dump_json()
        content = text.encode()
        if len(content) < LONGEST_ARGUMENT and _has_characters(text):
            return text

        digest = hashlib.sha256(content).hexdigest()
        path = SLICES / f"{digest}.json"
        if not path.is_file() or sha256(path) != digest:
            with atomic(path) as temporary:
                temporary.write_bytes(content)
        return str(path)


def _has_characters(text: str) -> bool:
    """Whether the system's encoding, in which it takes arguments, has all of these."""
    try:
        text.encode(sys.getfilesystemencoding())
    except UnicodeEncodeError:
        return False
    return True


def read_file(file: str) -> Any:
    """The content of a JSON or YAML file; a large one is JSON, which is read much faster."""
    path = Path(file)
    if path.suffix == ".json" and path.is_file():
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            pass  # the same mistake as YAML has a line
    return read_yaml(path)


def parse(kind: type[Strict], text: str) -> Any:
    """A slice from JSON, or from a JSON or YAML file.

    Raises:
        UserError: the text is neither, or does not fit `kind`.
    """
    try:
        if text.lstrip().startswith("{"):
            return kind.model_validate_json(text)
        value = read_file(text)
        if isinstance(value, dict):
            value = value.get("slice", value)  # a run.json holds its slice
        return kind.model_validate(value)
    except ValidationError as error:
        first = error.errors()[0]
        key = ".".join(map(str, first["loc"])) or "the whole"
        raise UserError(f"--slice: {key}: {first['msg']} (expected a {kind.__name__})") from None
