"""How lines read: no packed assignments, no nested comprehensions, no chained conditionals."""

import ast

import pytest

from satseg.config.reading import ROOT

COMPREHENSIONS = (ast.ListComp, ast.SetComp, ast.DictComp, ast.GeneratorExp)


def python_files():
    return [path for folder in ("src", "benchmarks") for path in (ROOT / folder).rglob("*.py")]


def packs(node: ast.AST) -> bool:
    """Whether it assigns unrelated values in one statement; a swap relates them."""
    if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.Tuple):
        return False
    texts = sorted(ast.unparse(value) for value in node.value.elts)
    targets = [target for target in node.targets if isinstance(target, ast.Tuple)]
    return any(sorted(ast.unparse(name) for name in target.elts) != texts for target in targets)


def nests(node: ast.AST, kinds: type | tuple[type, ...]) -> bool:
    """Whether it is of these kinds and has another of them inside."""
    inside = (inner for inner in ast.walk(node) if inner is not node)
    return isinstance(node, kinds) and any(isinstance(inner, kinds) for inner in inside)


@pytest.mark.parametrize("path", python_files(), ids=lambda path: str(path.relative_to(ROOT)))
def test_lines_breathe(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        place = f"{path.relative_to(ROOT)}:{getattr(node, 'lineno', 0)}"
        assert not packs(node), f"{place}: unrelated values in one assignment; write one per line"
        assert not nests(node, COMPREHENSIONS), f"{place}: a comprehension in another; name one"
        assert not nests(node, ast.IfExp), f"{place}: a conditional in another; use if statements"
