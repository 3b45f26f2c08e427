"""Why a finished cell is out of date: from what Snakemake noted of its jobs, without asking it to
plan the whole study."""

import ast
import base64
import json
from collections.abc import Iterator
from pathlib import Path

from satseg.config.root import Config
from satseg.files import sha256
from satseg.jobs.arguments import Slice
from satseg.jobs.cells import Cell
from satseg.jobs.dependencies import digest, model_code, weights_files
from satseg.jobs.slices import evaluate_slice, train_slice
from satseg.jobs.targets import foreign_start

NOTES = Path(".snakemake", "metadata")
LONGEST_NAME = 254  # characters; beyond, Snakemake divides a name
# Data of a cell whose content Snakemake compares: the small files that change with large ones.
DATA = ("digests.json", "tiles.csv", "origin.json")
SHOWN = 3  # changed keys that are named


class Staleness:
    """Compares cells with the configuration and the code at hand; what several of them share is
    looked at once."""

    def __init__(self, config: Config):
        self.config = config
        self.codes: dict[tuple[str, str, str], str] = {}
        self.contents: dict[str, str] = {}

    def of(self, cell: Cell, folder: Path) -> str:
        """What has changed since a cell was trained or evaluated; empty if nothing shows."""
        names = (cell.dataset, cell.model, cell.recipe, cell.seed, cell.fold)
        wanted = train_slice(self.config, *names)
        reason = self._reason("train", cell, folder / "run.json", wanted)
        if reason or not (folder / "counts.csv").is_file():
            return reason

        wanted = evaluate_slice(self.config, cell.recipe, cell.model)
        reason = self._reason("evaluate", cell, folder / "counts.csv", wanted)
        return reason and f"to be evaluated again: {reason}"

    def _reason(self, rule: str, cell: Cell, output: Path, wanted: Slice) -> str:
        note = noted(output)
        if not note:
            return ""

        texts = [_unquoted(text) for text in note.get("params", [])]
        before = next((text for text in texts if text.startswith("{")), None)
        if before is not None:
            keys = list(changes(_parsed(before), json.loads(wanted.model_dump_json())))
            if keys:
                more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
                return ", ".join(keys[:SHOWN]) + more

        checksums = note.get("input_checksums", {})
        if self._code(rule, cell) not in texts:
            sources = [name for name in checksums if name.endswith(".py")]
            changed = [name for name in sources if self._differs(name, checksums[name])]
            return f"{changed[0]} has changed" if changed else "its code has changed"

        for name, checksum in checksums.items():
            is_split = name.startswith("data/splits/")
            if (is_split or Path(name).name in DATA) and self._differs(name, checksum):
                return f"{name} has changed"
        return ""

    def _code(self, rule: str, cell: Cell) -> str:
        """Digest of a rule's source files, as the rule takes it."""
        key = (rule, cell.model, cell.recipe)
        if key not in self.codes:
            model = self.config.models[cell.model]
            files = model_code(rule, model)
            if rule == "train":
                files = [*files, *weights_files(model), *foreign_start(self.config, cell.recipe)]
            self.codes[key] = digest(files)
        return self.codes[key]

    def _differs(self, name: str, checksum: str) -> bool:
        """Whether a file is there with another content."""
        if name not in self.contents:
            is_there = Path(name).is_file()
            self.contents[name] = f"sha256:{sha256(name)}" if is_there else ""
        return self.contents[name] not in ("", checksum)


def noted(output: Path) -> dict:
    """What Snakemake noted when a job wrote a file; empty if it did not, or notes it otherwise."""
    name = base64.urlsafe_b64encode(str(output).encode()).decode()
    place = NOTES
    while len(name) > LONGEST_NAME:
        place = place / f"@{name[:LONGEST_NAME]}"
        name = name[LONGEST_NAME:]
    try:
        note = json.loads((place / name).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return note if isinstance(note, dict) else {}


def changes(before: object, after: object, key: str = "") -> Iterator[str]:
    """Each key whose value differs, as `training.epochs: 2 → 3`; keys that only one side has do not
    count, because a new default changes no result."""
    if isinstance(before, dict) and isinstance(after, dict):
        for name in before.keys() & after.keys():
            yield from sorted(changes(before[name], after[name], f"{key}.{name}".strip(".")))
    elif before != after:
        yield f"{key}: {_short(before)} → {_short(after)}"


def _short(value: object) -> str:
    text = json.dumps(value, ensure_ascii=False)
    return text if len(text) <= 30 else text[:29] + "…"


def _unquoted(text: str) -> str:
    """A parameter as the rule has it; Snakemake notes what Python's `repr` makes of it."""
    try:
        value = ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
    return value if isinstance(value, str) else text


def _parsed(text: str) -> object:
    """A slice from its JSON; of a slice that went by file, nothing."""
    try:
        return json.loads(text)
    except ValueError:
        return {}
