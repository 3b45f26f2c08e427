"""Reading the configuration: files, overrides, checks."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from satseg.config.annotations import selected, step
from satseg.config.checks import check_names
from satseg.config.grid import check_cells
from satseg.config.messages import explain, mistake_line
from satseg.config.root import Config
from satseg.config.tuned import with_tuned_recipes
from satseg.config.values import check_truths, check_values
from satseg.config.yaml_files import read_mapping, shown_path
from satseg.errors import UserError

FILES = {
    "studies": "config.yaml",
    "logger": "config.yaml",
    "predictions": "config.yaml",
    "datasets": "datasets.yaml",
    "splits": "splits.yaml",
    "models": "models.yaml",
    "recipes": "recipes.yaml",
    "tunings": "tunings.yaml",
    "papers": "papers.yaml",
}
# What a project of one's own need not have.
OPTIONAL = {"tunings.yaml"}


ROOT = Path(__file__).resolve().parents[3]


def load(
    folder: str | Path | None = None, overrides: dict | None = None, origin: str = "--configfile"
) -> Config:
    """Read, merge and check the configuration.

    Args:
        folder: the folder of `config.yaml` and its siblings; by default `config/` of the working
            directory, or the project's own if there is none.
        overrides: values that override those of the files, as `--configfile` gives them.
        origin: how messages name the place the overrides came from.

    Raises:
        UserError: one line per mistake: file, key, value, what is allowed, nearest match.
    """
    folder = Path(folder or _default_folder())
    overrides = overrides or {}
    place = places(folder, overrides, origin)

    _refuse_unknown(origin, overrides, list(Config.model_fields))
    raw = _merge(_read_folder(folder), overrides, [Config])
    check_values(raw, place)
    check_truths(raw, [Config], place)
    try:
        config = Config.model_validate(raw)
    except ValidationError as error:
        raise UserError("\n".join(explain(error.errors(), raw, place))) from None
    config = with_tuned_recipes(config, place)
    check_names(config, place)
    check_cells(config, place)
    return config


def places(
    folder: str | Path | None = None, overrides: dict | None = None, origin: str = "--configfile"
) -> Callable[[tuple], str]:
    """A function that says which file a path of keys stands in; arguments as of `load`."""
    folder = Path(folder or _default_folder())

    def place(key: tuple) -> str:
        in_study = key[:1] == ("study",)
        if _holds(overrides or {}, key):
            return f"{origin}: study.{key[1]}" if in_study and len(key) > 1 else origin
        if in_study:
            name = key[1] if len(key) > 1 else "<name>"
            return f"{shown_path(folder)}/studies/{name}.yaml"
        section = key[0] if key else "studies"
        return f"{shown_path(folder)}/{FILES.get(section, 'config.yaml')}"

    return place


def load_with(files: list[str]) -> Config:
    """The configuration overridden by these YAML files, as `snakemake --configfile` reads them.

    Raises:
        UserError: as `load`.
    """
    overrides: dict = {}
    for file in files:
        overrides = _merge(overrides, read_mapping(Path(file)), [Config])
    return load(overrides=overrides, origin=", ".join(files))


def _default_folder() -> Path:
    here = Path("config")
    return here if (here / FILES["studies"]).is_file() else ROOT / "config"


def _read_folder(folder: Path) -> dict[str, Any]:
    """Everything under a `config/` folder, unchecked except for the keys of each file."""
    raw: dict[str, Any] = {}
    for name in dict.fromkeys(FILES.values()):
        if name in OPTIONAL and not (folder / name).exists():
            continue
        values = read_mapping(folder / name)
        keys = [key for key, file in FILES.items() if file == name]
        _refuse_unknown(shown_path(folder / name), values, keys)
        raw |= values

    studies = sorted((folder / "studies").glob("*.yaml"))
    raw["study"] = {
        path.stem: read_mapping(path)
        for path in studies
        if not path.name.startswith(".")  # macOS puts files like ._demo.yaml beside its copies
    }
    return raw


def _refuse_unknown(place: str, values: dict, keys: list[str]) -> None:
    for key, value in values.items():
        if key not in keys:
            raise UserError(mistake_line(place, (key,), value, "unknown key", keys))


def _merge(base: Any, over: Any, kinds: list) -> Any:
    """Values over others, key by key; an entry that names its kind, such as a model's family,
    replaces the one of that name."""
    if not isinstance(base, dict) or not isinstance(over, dict) or selected(kinds, over):
        return over

    merged = dict(base)
    for key, value in over.items():
        merged[key] = _merge(base.get(key), value, step(kinds, key))
    return merged


def _holds(tree: dict, key: tuple) -> bool:
    """Whether the value at `key` came from the overrides `tree`; anything but a mapping is replaced
    as a whole."""
    for part in key:
        if not isinstance(tree, dict):
            return True
        if part not in tree:
            return False
        tree = tree[part]
    return bool(key)
