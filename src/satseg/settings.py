"""The file of the values that a tuning draws: dotted keys of a recipe, in YAML."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import yaml

from satseg.readers import reading


def read_settings(path: str | Path) -> dict[str, Any]:
    """The values of a recipe's dotted keys.

    Raises:
        UserError: there is no such file, or it does not hold keys and values.
    """
    with reading(path, "keys and values") as file:
        try:
            settings = yaml.safe_load(file.read_text(encoding="utf-8"))
        except yaml.YAMLError:
            raise ValueError("not valid YAML") from None
        if not isinstance(settings, dict) or not all(isinstance(key, str) for key in settings):
            raise ValueError("it holds something else")
        return settings


def settings_text(settings: Mapping[str, Any]) -> str:
    """What the file holds, the same for the same values."""
    return yaml.safe_dump(dict(settings), sort_keys=False, allow_unicode=True)
