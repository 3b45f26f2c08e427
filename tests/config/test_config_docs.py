"""The generated documents in config/ are those the classes make, and the schema holds for the
files."""

import json
from types import SimpleNamespace

import pytest
import yaml

from satseg.config import docs
from satseg.config.reading import ROOT, _merge, load
from satseg.config.root import Config


@pytest.mark.parametrize(
    ("name", "made"), [("README.md", docs.readme), ("schema.json", docs.schema)]
)
def test_documents_are_up_to_date(name, made):
    assert (ROOT / "config" / name).read_text(encoding="utf-8") == made(), "run `make docs`"


def test_every_key_is_documented():
    text = docs.readme()
    definitions = json.loads(docs.schema())["$defs"]
    assert set(definitions) > {
        "Dataset",
        "UNetSpec",
        "SmpSpec",
        "Recipe",
        "Study",
        "PlateauScheduler",
    }
    for section, definition in definitions.items():
        part = text.split(f"\n## {section}\n")[1].split("\n## ")[0]
        rows = [
            line.strip("| ").split(" | ") for line in part.split("\n") if line.startswith("| `")
        ]
        assert [row[0].strip("`") for row in rows] == list(definition["properties"])
        assert all(len(row) == 4 and row[3] for row in rows), f"{section}: a key has no docstring"


def test_links_lead_somewhere():
    text = docs.readme()
    targets = {part.split(")")[0] for part in text.split("](#")[1:]}
    assert targets == {line[3:].lower() for line in text.split("\n") if line.startswith("## ")}


def test_schema_accepts_the_configuration():
    jsonschema = pytest.importorskip("jsonschema")
    jsonschema.validate(load().model_dump(mode="json"), Config.model_json_schema())


def test_every_section_has_an_example():
    assert set(docs.EXAMPLES) == set(json.loads(docs.schema())["$defs"])
    assert all(len(text.splitlines()) == 2 for text in docs.EXAMPLES.values())


def test_examples_are_a_configuration_and_hold_their_section(tmp_path, monkeypatch):
    """Over the project's own configuration; the file of a model is made where it must be."""
    (tmp_path / "my_models").mkdir()
    (tmp_path / "my_models/squeeze.py").write_text("class SqueezeNet: ...\n", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    examples = {section: yaml.safe_load(text) for section, text in docs.EXAMPLES.items()}
    for together in compatible(examples):
        overrides = {}
        for section in together:
            overrides = _merge(overrides, examples[section], [])
        config = load(ROOT / "config", overrides)
        for section in together:
            assert section in names_within(config, examples[section]), section


def compatible(examples):
    """Names of the examples, in lists of such that set no key twice: reading takes a second."""
    rounds = []
    for section, example in examples.items():
        keys = leaves(example, 4)
        fitting = [one for one in rounds if not keys & one.keys]
        if not fitting:
            fitting = [SimpleNamespace(names=[], keys=set())]
            rounds += fitting
        fitting[0].names.append(section)
        fitting[0].keys |= keys
    return [one.names for one in rounds]


def leaves(tree, depth, above=()):
    """Paths of a tree's keys, down to a depth."""
    if not isinstance(tree, dict) or not depth:
        return {above}
    return set().union(*(leaves(tree[key], depth - 1, (*above, key)) for key in tree))


def names_within(value, example):
    """Names of the sections that an example's keys hold."""
    if isinstance(example, list):
        pairs = list(zip(value, example, strict=False))  # one pair of a scale is wrapped
    elif isinstance(example, dict):
        held = value if isinstance(value, dict) else vars(value)
        pairs = [(held[key], inner) for key, inner in example.items()]
    else:
        pairs = []
    return {type(value).__name__}.union(*(names_within(*pair) for pair in pairs))
