"""Values at dotted keys of nested dictionaries."""

from collections.abc import Mapping
from typing import Any


def with_keys(tree: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any]:
    """A copy of nested dictionaries in which each dotted key, such as `optimizer.lr`, has this
    value; what is no dictionary on the way is replaced by one."""
    changed = dict(tree)
    for key, value in values.items():
        name, _, below = key.partition(".")
        if below:
            inner = changed.get(name)
            value = with_keys(inner if isinstance(inner, Mapping) else {}, {below: value})
        changed[name] = value
    return changed
