"""Reading the configuration: files, overrides, checks."""

from pathlib import Path
from typing import Any

from pydantic import (
    ValidationError,
)

from satseg.config.checks import check_cells, check_names
from satseg.config.messages import explain, mistake_line
from satseg.config.root import Config
from satseg.config.yaml_files import read_mapping, shown_path
from satseg.errors import UserError

FILES = {
    "studies": "config.yaml",
    "predictions": "config.yaml",
    "datasets": "datasets.yaml",
    "splits": "splits.yaml",
    "models": "models.yaml",
    "recipes": "recipes.yaml",
    "papers": "papers.yaml",
}


ROOT = Path(__file__).resolve().parents[3]


def load(
    folder: str | Path | None = None, overrides: dict | None = None, origin: str = "--configfile"
) -> Config:
    """Read, merge and check the configuration.

    Args:
        folder: the folder of `config.yaml` and its siblings; by default `config/` of the working
            directory, or the project's own where that has none.
        overrides: values that go over those of the files (what `--configfile` brought).
        origin: how messages name the place the overrides came from.

    Raises:
        UserError: one line per mistake: file, key, value, what is allowed, nearest match.
    """
    here = Path("config")
    folder = Path(folder or (here if (here / FILES["studies"]).is_file() else ROOT / "config"))
    raw: dict[str, Any] = {}
    for name in dict.fromkeys(FILES.values()):
        raw |= _read(folder / name, [key for key, file in FILES.items() if file == name])
    raw["study"] = {
        path.stem: read_mapping(path) for path in sorted((folder / "studies").glob("*.yaml"))
    }

    def place(key: tuple) -> str:
        if _holds(overrides or {}, key):
            return f"{origin}: study.{key[1]}" if key[0] == "study" and len(key) > 1 else origin
        if key and key[0] == "study":
            return f"{shown_path(folder)}/studies/{key[1]}.yaml"
        return f"{shown_path(folder)}/{FILES.get(key[0], 'config.yaml') if key else 'config.yaml'}"

    for key in overrides or {}:
        if key not in Config.model_fields:
            raise UserError(
                mistake_line(
                    origin, (key,), (overrides or {})[key], "unknown key", list(Config.model_fields)
                )
            )
    raw = _merge(raw, overrides or {})
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(explain(error.errors(), raw, place))) from None
    check_names(config, place)
    check_cells(config, place)
    return config


def load_with(files: list[str]) -> Config:
    """The configuration with these YAML files over it, as `snakemake --configfile` reads them.

    Raises:
        UserError: as `load`.
    """
    overrides: dict = {}
    for file in files:
        overrides = _merge(overrides, read_mapping(Path(file)))
    return load(overrides=overrides, origin=", ".join(files))


def _read(path: Path, keys: list[str]) -> dict:
    values = read_mapping(path)
    for found in values:
        if found not in keys:
            raise UserError(
                mistake_line(shown_path(path), (found,), values[found], "unknown key", keys)
            )
    return values


def _merge(base: Any, over: Any) -> Any:
    if isinstance(base, dict) and isinstance(over, dict):
        return base | {key: _merge(base.get(key), value) for key, value in over.items()}
    return over


def _holds(tree: dict, key: tuple) -> bool:
    """Whether the value at `key` came from the overrides `tree`; all but mappings is replaced as a
    whole."""
    for part in key:
        if not isinstance(tree, dict):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return bool(key)
