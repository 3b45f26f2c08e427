"""The keys for data and models of one's own: what is accepted, and what each mistake is answered
by."""

import pytest

from satseg.config.reading import ROOT, load
from satseg.errors import UserError
from satseg.jobs.slices import tile_slice

DATASET = {
    "title": "Mine",
    "licence": "CC0",
    "path": "mine",
    "layout": {
        "images": "{area}/{n}.tif",
        "masks": "{area}/{n}.png",
        "scene": "{area}_{n}",
        "mask_values": "index",
    },
    "classes": [{"name": "a", "color": "#000000"}, {"name": "b", "color": "#FFFFFF"}],
    "tile_size": 64,
}
RECIPE = {"split": "groups_test", "loss": {"name": "jdt"}, "epochs": 1, "batch_size": 2}
OWN = {"family": "python", "file": "nets/own.py", "name": "Own"}


def mine(dataset=None, recipe=None, model=None, **study):
    """Overrides with a dataset, recipe, model and study, all called `mine`."""
    named = {
        "datasets": DATASET | (dataset or {}),
        "recipes": RECIPE | (recipe or {}),
        "models": OWN | (model or {}),
        "study": {"datasets": ["mine"], "models": ["unet_tiny"], "recipes": ["mine"]} | study,
    }
    return {section: {"mine": entry} for section, entry in named.items()}


def said(overrides) -> str:
    with pytest.raises(UserError) as caught:
        load(ROOT / "config", overrides, "mine.yaml")
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_study_with_all_it_needs_may_come_from_one_file():
    config = load(
        ROOT / "config", mine({"pixels": {"bands": [4, 1], "scale": [0, 3000]}}), "mine.yaml"
    )
    assert config.study["mine"].models == ["unet_tiny"]
    spec = tile_slice(config, "mine")
    assert spec.pixels.bands == [4, 1] and spec.values is None


def test_mask_values_reach_the_tiling_where_they_are_not_the_indices():
    classes = [
        land | extra
        for land, extra in zip(DATASET["classes"], ({"value": 1}, {"value": 0}), strict=True)
    ]
    assert tile_slice(load(ROOT / "config", mine({"classes": classes})), "mine").values == [1, 0]
    partly = [DATASET["classes"][0], DATASET["classes"][1] | {"value": 255}]
    assert tile_slice(load(ROOT / "config", mine({"classes": partly})), "mine").values == [0, 255]


def classes(**extra):
    return [DATASET["classes"][0], DATASET["classes"][1] | extra]


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            {"pixels": {"scale": [9, 9]}},
            "mine.yaml: datasets.mine.pixels: scale: [9.0, 9.0] is not a low value and",
        ),
        (
            {"pixels": {"scale": [[0, 9], [1]]}},
            "mine.yaml: datasets.mine.pixels: scale: [1.0] is not a low value and",
        ),
        (
            {"pixels": {"bands": [0]}},
            "mine.yaml: datasets.mine.pixels.bands.0: must be greater than or equal to 1",
        ),
        (
            {"pixels": {"bands": [1, 2, 3], "scale": [[0, 9]] * 2}},
            "mine.yaml: datasets.mine.pixels: scale: 2 pairs for",
        ),
        (
            {"pixels": {"band": [1]}},
            "mine.yaml: datasets.mine.pixels.band: unknown key; allowed: bands, scale;",
        ),
        ({"classes": classes(value=0)}, "mine.yaml: datasets.mine: classes: value 0 occurs twice"),
        (
            {"classes": classes(value=1), "layout": DATASET["layout"] | {"mask_values": "color"}},
            "mine.yaml: datasets.mine: classes: value is for masks of indices",
        ),
        (
            {"classes": classes(value=9), "gaps": [7, 9]},
            "mine.yaml: datasets.mine: gaps: 9 stands under classes too",
        ),
        (
            {"classes": classes(aliases=[7]), "gaps": [7]},
            "mine.yaml: datasets.mine: classes: b: aliases: 7 stands under gaps too",
        ),
        (
            {"layout": DATASET["layout"] | {"masks": "masks/{area}.png"}},
            "mine.yaml: datasets.mine.layout: masks: must have the same fields as images (area, n)",
        ),
        (
            {"layout": DATASET["layout"] | {"scene": "{name}"}},
            "mine.yaml: datasets.mine: layout.scene: 'name' is not a field of layout.images; allowed: area, n",
        ),
        (
            {
                "official": {
                    "by": "lists",
                    "lists": {"train": "a", "val": "b"},
                    "name": "{scene}/{x}",
                }
            },
            "mine.yaml: datasets.mine: official.name: 'x' is not a field of layout.images; allowed: area, n",
        ),
        (
            {"official": {"by": "lists", "lists": {"train": "a"}}},
            "mine.yaml: datasets.mine: official: it needs both train and val; training uses both",
        ),
        (
            {"official": {"by": "list"}},
            "mine.yaml: datasets.mine.official.by: unknown value, got 'list'; allowed: lists,",
        ),
    ],
)
def test_a_mistake_in_a_dataset(changes, expected):
    assert said(mine(changes)).startswith(expected)


@pytest.mark.parametrize(
    ("recipe", "key"),
    [({"scaling": "imagenet"}, "scaling"), ({"augmentation": {"hue": 0.1}}, "augmentation.hue")],
)
def test_a_recipe_for_three_bands_is_refused_for_others(recipe, key):
    text = said(mine({"pixels": {"bands": [1, 2, 3, 4]}}, recipe))
    assert text.startswith(
        f"mine.yaml: recipes.mine.{key}: needs images of 3 bands; 'mine' has 4; use "
    )
    load(ROOT / "config", mine({"pixels": {"bands": [4, 3, 2]}}, recipe))


@pytest.mark.parametrize(
    "file", ["../own.py", "/tmp/own.py", "nets/../../own.py", "own.txt", "nets/.hidden/../own.py"]
)
def test_a_file_elsewhere_is_no_model(file):
    text = said(mine(model={"file": file}))
    assert text.startswith(
        "mine.yaml: models.mine.file: expected the path of a .py file below the working folder, got "
    )


def test_a_model_without_its_file_stops_only_the_study_that_wants_it(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    load(ROOT / "config", mine())
    assert said(mine(models=["mine"])).startswith("mine.yaml: models.mine.file: no such file in ")
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/own.py").write_text("class Own: ...\n")
    load(ROOT / "config", mine(models=["mine"]))
    assert "study 'mine' uses it for 'mine'" in said(
        mine(recipe={"head_dropout": 0.5}, models=["mine"])
    )


def test_a_mistake_in_a_study_of_ones_own_names_the_study():
    text = said(mine(models=["unet_tinny"]))
    assert text.startswith(
        "mine.yaml: study.mine: models.0: unknown model, got 'unet_tinny'; allowed: "
    )
    assert text.endswith("did you mean 'unet_tiny'?")
