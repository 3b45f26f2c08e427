"""Every key of the schema, driven through illegal and extreme values: each is refused in one line
or reaches its job as it was written."""

import copy
import json
from functools import cache

import pytest
import yaml

from satseg.config import reading
from satseg.config.annotations import locate
from satseg.config.reading import ROOT, load
from satseg.errors import UserError
from satseg.jobs import slices
from satseg.jobs.arguments import parse

EXTREMES = [
    None,
    -1,
    0,
    2**40,
    10**400,
    1e308,
    1e-320,
    float("nan"),
    float("-inf"),
    "",
    "all",
    "majority",
    "a\rb",
    "\ud800",
    "x" * 200_000,
    "}{",
    "../..",
    [],
    [None],
    {"a": {}},
    {1: 2},
    b"\x00",
]
# One entry of each kind is enough.
ENTRIES = {
    "datasets": ["demo", "loveda"],
    "models": ["unet_tiny", "linknet_resnet18"],
    "recipes": ["demo"],
}


@cache
def raw():
    """A small configuration with all sections but papers."""
    tree = {"studies": ["demo"], "papers": {}}
    for section, names in ENTRIES.items():
        entries = yaml.safe_load((ROOT / f"config/{section}.yaml").read_text())[section]
        tree[section] = {name: entries[name] for name in names}
    tree["splits"] = yaml.safe_load((ROOT / "config/splits.yaml").read_text())["splits"]
    tree["recipes"]["demo"]["scheduler"] = {"name": "plateau", "patience": 1, "factor": 0.5}
    tree["datasets"]["demo"]["pixels"] = {"bands": [1, 2, 3], "scale": [[0.0, 255.0]]}
    tree["predictions"] = {
        "maps": {"scenes": "*.tif", "dataset": "demo", "model": "unet_tiny", "recipe": "demo"}
    }
    figure = {"dataset": "demo", "model": "unet_tiny", "recipe": "demo", "metric": "miou_d"}
    tree["study"] = {
        "demo": {
            "title": "Mine",
            "datasets": ["demo"],
            "models": ["unet_tiny", "linknet_resnet18"],
            "recipes": ["demo"],
            "seeds": [0],
            "published": [{**figure, "value": 0.5}],
        }
    }
    return tree


def keys(tree, key=()):
    """The path of every value."""
    for name, value in tree.items() if isinstance(tree, dict) else enumerate(tree):
        yield (*key, name)
        if isinstance(value, dict | list):
            yield from keys(value, (*key, name))


def one_of_each():
    """A path for each key that a section of the schema declares."""
    paths = {}
    for key in keys(raw()):
        _, section, _ = locate(key, raw())
        name = "item" if isinstance(key[-1], int) else key[-1]
        paths.setdefault((section, name if section else key[:-1]), key)
    return list(paths.values())


def replaced(key, value):
    tree = copy.copy(raw())
    place = tree
    for part in key[:-1]:
        place[part] = copy.copy(place[part])
        place = place[part]
    place[key[-1]] = value
    return tree


@pytest.fixture
def configured(monkeypatch):
    """Load this tree as if it stood in `config/`."""

    def configure(tree):
        monkeypatch.setattr(reading, "_read_folder", lambda folder: tree)
        return load(ROOT / "config")

    return configure


def test_the_small_configuration_is_sound(configured):
    assert list(configured(raw()).study) == ["demo"]


@pytest.mark.parametrize("key", one_of_each(), ids=lambda key: ".".join(map(str, key)))
def test_a_value_is_refused_or_reaches_its_job(configured, key):
    for value in EXTREMES:
        try:
            config = configured(replaced(key, value))
        except UserError as error:
            assert len(str(error)) < 10_000
            continue

        jobs = [slices.study_slice(config, name) for name in config.study]
        for study in config.study.values():
            cell = slices.cells(study, config.folds)[0]
            jobs += [
                slices.train_slice(config, cell.dataset, cell.model, cell.recipe, cell.seed),
                slices.tile_slice(config, cell.dataset),
                slices.download_slice(config, cell.dataset),
            ]
        for job in jobs:
            text = job.model_dump_json()
            json.loads(text, parse_constant=pytest.fail)
            assert parse(type(job), text) == job
