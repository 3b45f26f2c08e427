"""The generated documents in config/ are those the classes make, and the schema holds for the
files."""

import json

import pytest

from satseg.config import docs
from satseg.config.reading import ROOT, load
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
