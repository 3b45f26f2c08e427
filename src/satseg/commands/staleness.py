"""Why a finished cell is out of date: from the records beside its files, without asking Snakemake
to plan the whole study."""

import json
from collections.abc import Iterator
from pathlib import Path

from satseg.config.root import Config
from satseg.jobs.arguments import Slice
from satseg.jobs.cells import Cell
from satseg.jobs.dependencies import digest, model_code, weights_files
from satseg.jobs.slices import evaluate_slice, train_slice
from satseg.jobs.targets import foreign_start
from satseg.records import current, digest_of, load_record, record_of

# Inputs that are not compared, as in the workflow: what matters of them changes others too.
IGNORED = ("manifest.json", "images.npy", "masks.npy")
SHOWN = 3  # changed keys that are named


class Staleness:
    """Compares cells with the configuration and the code at hand; what several of them share is
    looked at once."""

    def __init__(self, config: Config):
        self.config = config
        self.codes: dict[tuple[str, str, str], str] = {}

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
        record = load_record(output)
        if record is None:
            return ""
        if not record:
            return f"{record_of(output)} is damaged"
        if record["slice"] != digest_of(wanted.argument()):
            return changed_keys(_slice_of(output), wanted)
        if record["code"] not in (None, self._code(rule, cell)):
            return "its code has changed"
        for name, before in record["inputs"].items():
            if Path(name).name not in IGNORED and current(name) not in (None, before):
                return f"{name} has changed"
        return ""

    def _code(self, rule: str, cell: Cell) -> str:
        """Digest of a rule's source files, as the rule takes it."""
        key = (rule, cell.model, cell.recipe)
        if key not in self.codes:
            model = self.config.models[cell.model]
            weights = []
            if rule == "train":
                weights = [*weights_files(model), *foreign_start(self.config, cell.recipe)]
            self.codes[key] = digest([*model_code(rule, model), *weights])
        return self.codes[key]


def _slice_of(output: Path) -> dict:
    """The configuration that a run says it was made with; empty of any other file."""
    try:
        return json.loads(output.read_text(encoding="utf-8"))["slice"]
    except (OSError, ValueError, KeyError, TypeError):
        return {}


def changed_keys(before: dict, wanted: Slice) -> str:
    """The first keys of a configuration that have changed."""
    keys = list(changes(before, json.loads(wanted.model_dump_json())))
    more = f" and {len(keys) - SHOWN} more" if len(keys) > SHOWN else ""
    return ", ".join(keys[:SHOWN]) + more or "its configuration has changed"


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
