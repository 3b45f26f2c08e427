"""Handing a slice of the configuration to a stage."""

import hashlib
import json
from pathlib import Path
from typing import Any

from satseg.config.types import Strict
from satseg.config.yaml_files import read_yaml
from satseg.files import atomic, sha256

# A shell's command is one argument of at most 128 KiB, and quoting may make a slice longer.
LONGEST_ARGUMENT = 25_000
SLICES = Path(".snakemake", "satseg")


class Slice(Strict):
    """What a stage sees of the configuration."""

    def argument(self) -> str:
        """The slice as an argument of a command: JSON, or the name of a file of it if the kernel
        would not take that much."""
        text = self.model_dump_json()
        content = text.encode()
        if len(content) < LONGEST_ARGUMENT:
            return text

        digest = hashlib.sha256(content).hexdigest()
        path = SLICES / f"{digest}.json"
        if not path.is_file() or sha256(path) != digest:
            with atomic(path) as temporary:
                temporary.write_bytes(content)
        return str(path)


def read_file(file: str) -> Any:
    """The content of a JSON or YAML file; a large one is JSON, which is read much faster."""
    path = Path(file)
    if path.suffix == ".json" and path.is_file():
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except ValueError:
            pass  # the same mistake as YAML has a line
    return read_yaml(path)
