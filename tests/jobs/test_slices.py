"""A slice holds what can change a stage's result, and nothing else."""

import json
from pathlib import Path

import pytest

from satseg.config.reading import ROOT, load
from satseg.config.root import Config
from satseg.errors import UserError
from satseg.jobs import slices
from satseg.jobs.arguments import parse

CONFIG = load(ROOT / "config")


PAPER = {
    "title": "?",
    "models": ["unet_*"],
    "tables": [
        {
            "title": "?",
            "device": "?",
            "dataset": "demo",
            "recipe": "demo",
            "columns": [{"metric": "parameters", "classes": 9}],
            "rows": {"unet_*": [1]},
        }
    ],
}


def changed(*path, value) -> Config:
    """The configuration with one value changed or added."""
    tree = CONFIG.model_dump(mode="json")
    place = tree
    for key in path[:-1]:
        place = place[key]
    place[path[-1]] = value
    return Config.model_validate(tree)


def every_slice(config: Config) -> dict[str, str]:
    """Stage → JSON of its slice, for one cell of each kind."""
    found = {
        "download": slices.download_slice(config, "demo"),
        "tile": slices.tile_slice(config, "demo"),
        "split": slices.split_slice(config, "groups_test"),
        "train": slices.train_slice(config, "demo", "unet_tiny", "demo", 0),
        "evaluate": slices.evaluate_slice(config, "demo"),
        "profile": slices.profile_slice(config, "demo", "unet_tiny"),
        "speed": slices.speed_slice(config, "demo", "demo"),
        "study": slices.study_slice(config, "demo"),
    }
    return {stage: spec.model_dump_json() for stage, spec in found.items()}


def test_every_slice_reads_back_as_it_was_written():
    for stage, text in every_slice(CONFIG).items():
        kind = getattr(slices, f"{stage.capitalize()}Slice")
        assert parse(kind, text).model_dump_json() == text


@pytest.mark.parametrize(
    ("path", "value", "affected"),
    [
        (("datasets", "demo", "source", "scenes"), 99, {"download"}),
        (("datasets", "demo", "path"), "scenes.zip", {"download", "profile", "speed"}),
        (("datasets", "demo", "tile_size"), 256, {"tile", "profile", "speed"}),
        (("datasets", "demo", "layout", "images"), "{scene}.tif", {"tile"}),
        (("datasets", "demo", "groups"), [["a*"]], {"tile"}),
        (
            ("datasets", "demo", "official"),
            {"by": "scenes", "field": "scene", "values": {"1": "train", "2": "val"}},
            {"tile"},
        ),
        (("datasets", "demo", "classes", 1, "name"), "Meadow", {"tile", "train", "study"}),
        (("datasets", "demo", "classes", 1, "color"), "#123456", {"study"}),
        (("datasets", "demo", "classes", 1, "unlabelled"), True, {"train", "study"}),
        (("datasets", "demo", "title"), "Other", {"study"}),
        (("splits", "groups_test", "seed"), 5, {"split"}),
        (("models", "unet_tiny", "dropout"), 0.5, {"train", "profile", "speed", "study"}),
        (("recipes", "demo", "epochs"), 99, {"train", "study"}),
        (("recipes", "demo", "evaluate", "weights"), "final", {"evaluate", "study"}),
        (("recipes", "demo", "split"), "groups_test_2", {"study"}),
        (("recipes", "demo", "about"), "Other.", {"study"}),
        (("study", "demo", "seeds"), [0, 1], {"study"}),
        (("models", "another"), CONFIG.models["unet_tiny"].model_dump(), set()),
        (("recipes", "another"), CONFIG.recipes["demo"].model_dump(), set()),
        (("datasets", "another"), CONFIG.datasets["demo"].model_dump(), set()),
        (("study", "another"), CONFIG.study["demo"].model_dump(), set()),
        (("studies",), [], set()),
        (("models", "unet_shallow", "dropout"), 0.9, {"speed", "study"}),
        (("papers", "another"), PAPER, {"profile"}),
        (("papers", "faster_unet", "claims"), {}, set()),
    ],
)
def test_a_change_reaches_only_the_slices_it_can_matter_to(path, value, affected):
    before, after = every_slice(CONFIG), every_slice(changed(*path, value=value))
    assert {stage for stage in before if before[stage] != after[stage]} == affected


def test_mask_colours_matter_only_where_masks_are_colours():
    assert slices.tile_slice(CONFIG, "demo").colors is None
    by_color = slices.tile_slice(
        changed("datasets", "demo", "layout", "mask_values", value="color"), "demo"
    )
    assert by_color.colors == [c.color for c in CONFIG.datasets["demo"].classes]


def test_cells_datasets_first_seeds_last():
    study = CONFIG.study["demo"].model_copy(
        update={"datasets": ["d1", "d2"], "models": ["m1", "m2"], "recipes": ["r"], "seeds": [0, 7]}
    )
    paths = [cell.path for cell in slices.cells(study, {})]
    assert paths == [
        Path(d, m, "r", f"seed{s}") for d in ("d1", "d2") for m in ("m1", "m2") for s in (0, 7)
    ]


def test_a_recipe_may_put_dropout_before_every_head():
    config = changed("recipes", "demo", "head_dropout", value=0.25)
    for model in config.models:
        assert slices.train_slice(config, "demo", model, "demo", 0).model.head_dropout == 0.25
        assert slices.train_slice(CONFIG, "demo", model, "demo", 0).model == CONFIG.models[model]


def test_evaluation_knows_of_augmentation_only_where_it_reaches_the_judged_tiles():
    assert slices.evaluate_slice(CONFIG, "demo").augmentation is None
    config = changed("recipes", "demo", "augmentation", "everywhere", value=True)
    assert slices.evaluate_slice(config, "demo").augmentation == config.recipes["demo"].augmentation


def test_a_study_sees_the_claims_it_tests_and_no_others():
    spec = slices.study_slice(changed("study", "demo", "paper", value="faster_unet"), "demo")
    assert spec.paper == CONFIG.papers["faster_unet"]
    config = changed("study", "demo", "paper", value="faster_unet")
    some = config.study["demo"].model_copy(update={"claims": ["short_is_slowest"]})
    config = config.model_copy(update={"study": {"demo": some}})
    assert list(slices.study_slice(config, "demo").paper.claims) == ["short_is_slowest"]


def test_a_profile_measures_the_sizes_that_papers_printed():
    assert slices.profile_slice(CONFIG, "demo", "unet_base").printed_classes == [5, 8]
    assert slices.profile_slice(CONFIG, "loveda", "unet_base").printed_classes == [5]
    assert slices.profile_slice(CONFIG, "demo", "unet_skinny").printed_classes == [5]
    assert slices.profile_slice(CONFIG, "demo", "unet_tiny").printed_classes == []


def test_path_goes_before_source():
    mine = slices.download_slice(changed("datasets", "demo", "path", value="mine"), "demo")
    assert (mine.path, mine.source) == ("mine", None)


def test_train_slice_takes_the_seed_of_a_file_name():
    assert slices.train_slice(CONFIG, "demo", "unet_tiny", "demo", "3").cell.seed == 3


def test_parse_reads_files_and_run_json(tmp_path):
    spec = slices.split_slice(CONFIG, "random")
    (tmp_path / "a.yaml").write_text("split: {unit: tile, train: 0.8, val: 0.2}\n")
    (tmp_path / "run.json").write_text(json.dumps({"slice": spec.model_dump(), "cell": {}}))
    assert parse(slices.SplitSlice, str(tmp_path / "a.yaml")) == spec
    assert parse(slices.SplitSlice, str(tmp_path / "run.json")) == spec


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ('{"split": {"unit": "tile", "train": 0.8}}', "--slice: split.val: "),
        (
            '{"split": {"unit": "tile", "train": 0.8, "val": 0.2, "seeds": 1}}',
            "--slice: split.seeds: ",
        ),
        ('{"split": ', "--slice: the whole: "),
        ("nowhere.yaml", "nowhere.yaml: no such file"),
    ],
)
def test_parse_says_what_is_wrong(text, said, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError) as caught:
        parse(slices.SplitSlice, text)
    assert str(caught.value).startswith(said)
    assert "\n" not in str(caught.value)
