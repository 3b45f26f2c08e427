"""Reading YAML as data."""

from pathlib import Path
from typing import Any

import yaml

from satseg.errors import UserError

MERGE = "tag:yaml.org,2002:merge"  # what `<<` is
MOST = 10**6  # values of a file


class _Loader(yaml.SafeLoader):
    """YAML as data: no tag runs code, and no key may occur twice, because the first would be lost
    silently."""

    def compose_mapping_node(self, anchor: str | None) -> yaml.MappingNode:
        """A mapping of distinct keys, as it stands in the file: merge keys are resolved later."""
        node = super().compose_mapping_node(anchor)
        seen: set[str] = set()
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode) or key.tag == MERGE:
                continue
            if key.value in seen:
                problem = f"key {key.value!r} occurs twice; keep one of them"
                raise yaml.MarkedYAMLError(problem=problem, problem_mark=key.start_mark)
            seen.add(key.value)
        return node

    def construct_document(self, node: yaml.Node) -> Any:
        """A file's content, unless its aliases stand for more than memory holds."""
        _size(node, {})
        return super().construct_document(node)

    def construct_object(self, node: yaml.Node, deep: bool = False) -> Any:
        """A value, or a mistake with its line: no date has a 13th month."""
        try:
            return super().construct_object(node, deep)
        except (ValueError, OverflowError):
            raise yaml.MarkedYAMLError(
                problem=f"{str(node.value)[:40]!r} is no such number or date; put a text in quotes",
                problem_mark=node.start_mark,
            ) from None

    def construct_undefined(self, node: yaml.Node) -> None:
        """A tag such as `!!python/object`."""
        raise yaml.MarkedYAMLError(
            problem=f"tag {node.tag!r} is not read; write plain text, numbers, lists and keys",
            problem_mark=node.start_mark,
        )


def _size(node: yaml.Node, known: dict[int, int]) -> int:
    """Number of values that a node stands for, with every alias written out."""
    if id(node) in known:
        return known[id(node)]
    if isinstance(node, yaml.ScalarNode):
        return 1

    known[id(node)] = MOST + 1  # for an alias of a node within itself
    below = node.value
    if isinstance(node, yaml.MappingNode):
        below = [part for pair in node.value for part in pair]
    size = 1 + sum(_size(part, known) for part in below)

    if size > MOST:
        raise yaml.MarkedYAMLError(
            problem=f"its aliases (`*name`) stand for more than {MOST:,} values; write less",
            problem_mark=node.start_mark,
        )
    known[id(node)] = size
    return size


_Loader.add_constructor(None, _Loader.construct_undefined)


def read_yaml(path: str | Path) -> Any:
    """Parse one YAML file, safely; a mistake in it is a `UserError` with file and line."""
    shown = shown_path(Path(path))
    try:
        return yaml.load(Path(path).read_text(encoding="utf-8"), Loader=_Loader)
    except FileNotFoundError:
        raise UserError(f"{shown}: no such file; put it there, or correct the path") from None
    except OSError as error:
        raise UserError(f"{shown}: not a readable file: {error.strerror}") from None
    except UnicodeDecodeError:
        raise UserError(f"{shown}: not UTF-8 text; save it as UTF-8") from None
    except RecursionError:
        raise UserError(f"{shown}: not valid YAML: nested too deeply") from None
    except yaml.YAMLError as error:
        mark = getattr(error, "problem_mark", None)
        where = f", line {mark.line + 1}" if mark else ""
        problem = " ".join(str(getattr(error, "problem", None) or error).split())
        raise UserError(f"{shown}{where}: not valid YAML: {problem}") from None


def read_mapping(path: Path) -> dict:
    """The keys and values of a YAML file."""
    value = read_yaml(path)
    if not isinstance(value, dict):
        kind = "nothing" if value is None else type(value).__name__
        raise UserError(f"{shown_path(path)}: expected keys and values, found {kind}")
    return value


def shown_path(path: Path) -> str:
    """A path as messages show it: relative to the working folder if it lies below."""
    try:
        return str(path.relative_to(Path.cwd()))
    except ValueError:
        return str(path)
