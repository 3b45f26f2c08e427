"""A mistake in the configuration is answered by one line: where it is, and what would be right."""

import functools
import operator
import shutil

import pytest
import yaml

from satseg.config.annotations import recipe_key
from satseg.config.models import UNetSpec
from satseg.config.reading import ROOT, load
from satseg.config.recipes import Training, counted_classes
from satseg.errors import UserError
from satseg.jobs import targets
from satseg.paths import FIGURES, USUAL_FIGURES

DATASETS, SPLITS, MODELS = "datasets.yaml", "splits.yaml", "models.yaml"
ARCHITECTURES = [
    "DPT", "DeepLabV3", "DeepLabV3Plus", "FPN", "Linknet", "MAnet", "PAN", "PSPNet", "Segformer",
    "UPerNet", "Unet", "UnetPlusPlus",
]  # fmt: skip
RECIPES, STUDY, LAB = "recipes.yaml", "studies/demo.yaml", "studies/lab_report.yaml"
GONE = object()


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A copy of config/, in the working directory."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(ROOT / "config", "config")
    return tmp_path / "config"


def edit(folder, file, key, value):
    """Set `key` (dotted) of a file; `GONE` takes it away."""
    tree = yaml.safe_load((folder / file).read_text(encoding="utf-8"))
    place = tree
    *above, last = [int(part) if part.isdigit() else part for part in key.split(".")]
    for part in above:
        place = place[part]
    if value is GONE:
        del place[last]
    else:
        place[last] = value
    (folder / file).write_text(yaml.safe_dump(tree), encoding="utf-8")


def without_tunings(folder):
    """Take away the tuning of the demo's recipe, and the study that shows it."""
    edit(folder, "tunings.yaml", "tunings.demo_tuned", GONE)
    (folder / "studies" / "demo_tuning.yaml").unlink()


def complaint(folder, *arguments, **keywords):
    with pytest.raises(UserError) as caught:
        load(folder, *arguments, **keywords)
    return str(caught.value)


def test_reads_the_configuration_of_the_project():
    config = load()
    assert config.datasets["demo"].classes[3].name == "Water"
    assert config.recipes["lab_report"].optimizer.lr == 0.0001
    assert config.recipes["groups"].loss == config.recipes["random"].loss
    assert config.files_of("dubai_lab_report") == "dubai"
    assert config.study["demo"].figures == USUAL_FIGURES
    assert set(config.studies) <= set(config.study)


@pytest.mark.parametrize(
    ("file", "key", "near"),
    [
        (RECIPES, "recipes.demo.epoch", "epochs"),
        (RECIPES, "recipes.demo.augmentation.hflips", "hflip"),
        (RECIPES, "recipes.demo.scheduler.warm_up", "warmup"),
        (RECIPES, "recipes.demo.optimizer.l_r", "lr"),
        (DATASETS, "datasets.demo.tilesize", "tile_size"),
        (DATASETS, "datasets.demo.source.scene", "scenes"),
        (DATASETS, "datasets.demo.classes.2.colour", "color"),
        (DATASETS, "datasets.demo.layout.mask", "masks"),
        (MODELS, "models.unet_tiny.width", "widths"),
        (MODELS, "models.unet_tiny.bottleneck.conv", "convs"),
        (MODELS, "models.linknet_resnet18.encoders", "encoder"),
        (SPLITS, "splits.random.units", "unit"),
        (SPLITS, "split", "splits"),
        (STUDY, "seed", "seeds"),
        (LAB, "published.0.metrics", "metric"),
    ],
)
def test_unknown_key(folder, file, key, near):
    edit(folder, file, key, 1)
    text = complaint(folder)
    assert text.startswith(f"config/{file}: {key}: unknown key; allowed: ")
    assert text.endswith(f"; did you mean {near!r}?")
    assert near in text.split("allowed: ")[1].split("; ")[0].split(", ")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("file", "key", "value", "allowed", "near"),
    [
        (RECIPES, "recipes.demo.monitor", "val_los", ["val_jaccard", "val_loss"], "val_loss"),
        (RECIPES, "recipes.demo.loss.name", "jtd", ["cross_entropy", "jdt"], "jdt"),
        (RECIPES, "recipes.demo.evaluate", {"subset": "tset"}, ["test", "train", "val"], "test"),
        (RECIPES, "recipes.demo.scheduler.name", "cosin", ["cosine", "plateau"], "cosine"),
        (RECIPES, "recipes.demo.split", "group_test", sorted(load().splits), "groups_test"),
        (DATASETS, "datasets.demo.source.kind", "kagle", ["demo", "http", "kaggle"], "kaggle"),
        (MODELS, "models.unet_tiny.family", "unett", ["compact", "python", "smp", "unet"], "unet"),
        (MODELS, "models.linknet_resnet18.architecture", "Linkent", ARCHITECTURES, "Linknet"),
        (STUDY, "figures", ["sample"], sorted(FIGURES), "samples"),
        (LAB, "published.0.recipe", "lab_repot", ["lab_report"], "lab_report"),
    ],
)
def test_unknown_value(folder, file, key, value, allowed, near):
    edit(folder, file, key, value)
    text = complaint(folder)
    wrong = (
        value
        if isinstance(value, str)
        else next(iter(value.values() if isinstance(value, dict) else value))
    )
    assert text.startswith(f"config/{file}: {key}")
    assert f", got {wrong!r}; allowed: {', '.join(allowed)}; did you mean {near!r}?" in text
    assert "\n" not in text


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (
            {"decoder_chanels": [64, 32, 16, 8, 8]},
            "decoder_chanels: unknown key; allowed: decoder_attention_type, decoder_channels, "
            "decoder_interpolation, decoder_use_norm, encoder_depth; did you mean "
            "'decoder_channels'?",
        ),
        ({"classes": 3}, "classes: unknown key; allowed: "),  # the dataset decides
        ({"decoder_channels": "wide"}, "decoder_channels: "),
        ({"encoder_depth": "deep"}, "encoder_depth: must be a valid integer"),
    ],
)
def test_arguments_of_an_architecture(folder, arguments, said):
    edit(folder, MODELS, "models.unet_resnet18.arguments", arguments)
    text = complaint(folder)
    assert text.startswith(f"config/models.yaml: models.unet_resnet18.arguments.{said}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("teacher", "said"),
    [
        (
            {"model": "unet_tny", "recipe": "demo"},
            "model: unknown model, got 'unet_tny'; allowed: ",
        ),
        ({"model": "unet_tiny", "recipe": "dem"}, "recipe: unknown recipe, got 'dem'; allowed: "),
        (
            {"model": "unet_tiny", "recipe": "random"},
            "recipe: 'random' has split: 'random', this recipe 'groups_test'; give both the same",
        ),
        (
            {"model": "unet_tiny", "recipe": "demo"},
            "recipe: recipes that need each other first (demo → demo); name another one",
        ),
    ],
)
def test_teachers(folder, teacher, said):
    edit(folder, RECIPES, "recipes.demo.teacher", teacher)
    text = complaint(folder)
    assert text.startswith(f"config/recipes.yaml: recipes.demo.teacher.{said}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("kind", "wrong", "near"),
    [
        ("datasets", "dubay", "dubai"),
        ("models", "unet_tny", "unet_tiny"),
        ("recipes", "demmo", "demo"),
    ],
)
def test_unknown_name_in_a_study(folder, kind, wrong, near):
    edit(folder, STUDY, kind, [wrong])
    allowed = ", ".join(sorted(getattr(load(ROOT / "config"), kind)))
    expected = f"unknown {kind[:-1]}, got {wrong!r}; allowed: {allowed}; did you mean {near!r}?"
    assert complaint(folder) == f"config/studies/demo.yaml: {kind}.0: {expected}"


def test_unknown_study(folder):
    edit(folder, "config.yaml", "studies", ["lab_reports"])
    text = complaint(folder)
    assert text.startswith(
        "config/config.yaml: studies.0: unknown study, got 'lab_reports'; allowed: "
    )
    assert text.endswith("; did you mean 'lab_report'?")


@pytest.mark.parametrize(
    ("file", "key", "value", "problem"),
    [
        (RECIPES, "recipes.demo.epochs", "many", "must be a valid integer, got 'many'"),
        (RECIPES, "recipes.demo.epochs", 0, "must be greater than or equal to 1, got 0"),
        (
            RECIPES,
            "recipes.demo.augmentation.hue",
            0.9,
            "must be less than or equal to 0.5, got 0.9",
        ),
        (RECIPES, "recipes.demo.optimizer", "adam", "expected keys and values, got 'adam'"),
        (RECIPES, "recipes.demo.scheduler", "cosine", "expected keys and values, got 'cosine'"),
        (RECIPES, "recipes.demo", None, "expected keys and values, got None"),
        (DATASETS, "datasets.demo.path", 3, "must be a valid string, got 3"),
        (
            DATASETS,
            "datasets.demo.classes.0.color",
            "black",
            "expected a colour such as '#3C1098', got 'black'",
        ),
        (
            DATASETS,
            "datasets.demo.gaps",
            ["black"],
            "expected a colour such as '#3C1098', got 'black'",
        ),
        (DATASETS, "datasets.demo.gaps", [70000], "must be less than or equal to 65535, got 70000"),
        (DATASETS, "datasets.demo.gaps", "black", "must be a valid list, got 'black'"),
        (MODELS, "models.unet_tiny.widths", ["a", 1, 1, 1], "must be a valid integer, got 'a'"),
        (STUDY, "seeds", [-1], "must be greater than or equal to 0, got -1"),
        (STUDY, "seeds", [0, 1, 0], "listed twice, got 0"),
        (STUDY, "models", ["unet_tiny", "unet_tiny"], "listed twice, got 'unet_tiny'"),
    ],
)
def test_value_that_does_not_fit(folder, file, key, value, problem):
    edit(folder, file, key, value)
    text = complaint(folder)
    assert text.startswith(f"config/{file}: {key}")
    assert text.endswith(f": {problem}")
    assert "\n" not in text


@pytest.mark.parametrize(
    ("file", "key", "said"),
    [
        (RECIPES, "recipes.demo.epochs", "recipes.demo.epochs: missing; it has no default"),
        (
            RECIPES,
            "recipes.demo.scheduler.name",
            "recipes.demo.scheduler.name: missing; allowed: cosine, plateau",
        ),
        (RECIPES, "recipes", "recipes: missing; it has no default"),
        (
            MODELS,
            "models.unet_tiny.family",
            "models.unet_tiny.family: missing; allowed: compact, python, smp, unet",
        ),
        (STUDY, "models", "models: missing; it has no default"),
    ],
)
def test_missing_key(folder, file, key, said):
    edit(folder, file, key, GONE)
    assert complaint(folder) == f"config/{file}: {said}"


@pytest.mark.parametrize(
    ("file", "section", "right", "wrong"),
    [
        (RECIPES, "recipes.demo", "epochs", "epoch"),
        (DATASETS, "datasets.demo.layout", "images", "image"),
        (MODELS, "models.unet_tiny.bottleneck", "width", "widht"),
        (SPLITS, "splits.random", "unit", "units"),
        (STUDY, "", "datasets", "dataset"),
    ],
)
def test_a_misspelt_key_is_not_missing_too(folder, file, section, right, wrong):
    tree = yaml.safe_load((folder / file).read_text(encoding="utf-8"))
    keys = [key for key in section.split(".") if key]
    place = functools.reduce(operator.getitem, keys, tree)
    place[wrong] = place.pop(right)
    (folder / file).write_text(yaml.safe_dump(tree), encoding="utf-8")
    text = complaint(folder)
    key = ".".join([*keys, wrong])
    assert text.startswith(f"config/{file}: {key}: unknown key; allowed: ")
    assert text.endswith(f"; did you mean {right!r}?") and "\n" not in text


def test_one_line_for_each_mistake(folder):
    edit(folder, RECIPES, "recipes.demo.epochs", 0)
    edit(folder, MODELS, "models.unet_tiny.width", 1)
    lines = complaint(folder).split("\n")
    assert len(lines) == 2
    assert {line.split(": ")[1] for line in lines} == {
        "recipes.demo.epochs",
        "models.unet_tiny.width",
    }


def test_name_that_is_none(folder):
    edit(folder, SPLITS, "splits.Half-Half", {"unit": "tile", "train": 0.5, "val": 0.5})
    assert complaint(folder) == (
        "config/splits.yaml: splits.Half-Half: expected a name of a-z, 0-9 and _, got 'Half-Half'"
    )


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        (
            SPLITS,
            "splits.random.train",
            0.5,
            "splits.random: train + val + test is 0.7; it must be 1",
        ),
        (
            MODELS,
            "models.unet_tiny.convs",
            [1, 1],
            "models.unet_tiny: convs has 2 entries; widths has 4",
        ),
        (
            DATASETS,
            "datasets.demo.classes.1.name",
            "Water",
            "datasets.demo: classes: name 'Water' occurs twice; each must be unique",
        ),
    ],
)
def test_values_that_do_not_fit_each_other(folder, file, key, value, said):
    edit(folder, file, key, value)
    assert complaint(folder) == f"config/{file}: {said}"


def test_tile_size_no_model_divides(folder):
    edit(folder, STUDY, "models", ["linknet_resnet18"])
    edit(folder, DATASETS, "datasets.demo.tile_size", 100)
    assert complaint(folder) == (
        "config/datasets.yaml: datasets.demo.tile_size: study 'demo' trains 'linknet_resnet18' on it, "
        "got 100; allowed: multiples of 32; nearest: 96"
    )


def test_subset_the_split_lacks(folder):
    edit(folder, RECIPES, "recipes.demo.split", "groups")
    assert complaint(folder) == (
        "config/recipes.yaml: recipes.demo.evaluate.subset: unknown subset of split 'groups', got 'test'; "
        "allowed: train, val"
    )


def test_folds_are_evaluated_on_their_test_tiles(folder):
    recipe = "recipes.faster_unet_folds"
    edit(folder, RECIPES, f"{recipe}.evaluate", {"subset": "val"})
    assert complaint(folder) == (
        f"config/recipes.yaml: {recipe}.evaluate.subset: unknown subset of split 'five_folds', got 'val'; "
        "allowed: test"
    )


@pytest.mark.parametrize(
    ("recipe", "fold", "allowed"),
    [
        ("faster_unet_folds", 6, "1, 2, 3, 4, 5"),
        ("faster_unet_folds", None, "1, 2"),
        ("demo", 1, "null"),
    ],
)
def test_a_prediction_names_a_fold_of_its_recipe(recipe, fold, allowed):
    maps = {
        "scenes": "*.tif",
        "dataset": "demo",
        "model": "unet_tiny",
        "recipe": recipe,
        "fold": fold,
    }
    with pytest.raises(UserError) as caught:
        load(overrides={"predictions": {"harbour": maps}})
    said = str(caught.value)
    assert f"predictions.harbour.fold: not a fold of recipe {recipe!r}" in said
    assert f"allowed: {allowed}" in said
    config = load(
        overrides={"predictions": {"harbour": maps | {"recipe": "faster_unet_folds", "fold": 2}}}
    )
    weights = targets.prediction_weights(config, "harbour")
    assert weights.parts[-2:] == ("fold2", "best.pt")


def test_too_few_classes_count(folder):
    classes = [
        {"name": "Void", "color": "#000000", "unlabelled": True},
        {"name": "Land", "color": "#FFFFFF"},
    ]
    edit(folder, DATASETS, "datasets.demo.classes", classes)
    text = complaint(folder)
    assert text.startswith(
        "config/datasets.yaml: datasets.demo.classes: fewer than two classes count"
    )
    assert "recipe 'demo'" in text
    assert "\n" not in text
    shipped = load(ROOT / "config")
    on_demo = [study for study in shipped.study.values() if "demo" in study.datasets]
    recipes = {recipe for study in on_demo for recipe in study.recipes}
    for recipe in recipes - set(shipped.tunings):
        edit(folder, RECIPES, f"recipes.{recipe}.count_unlabelled", True)
    assert counted_classes(load(folder).datasets["demo"], load(folder).recipes["demo"]) == [0, 1]


def test_dataset_that_comes_from_nowhere(folder):
    edit(folder, DATASETS, "datasets.demo.source", GONE)
    text = complaint(folder)
    assert text.startswith("config/datasets.yaml: datasets.demo.path: give the folder or zip")


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("recipes: [1, 2\n", "config/recipes.yaml, line 2: not valid YAML: "),
        ("", "config/recipes.yaml: expected keys and values, found nothing"),
        ("- demo\n", "config/recipes.yaml: expected keys and values, found list"),
    ],
)
def test_file_that_is_no_configuration(folder, text, said):
    (folder / RECIPES).write_text(text, encoding="utf-8")
    assert complaint(folder).startswith(said)


def test_file_that_is_not_there(folder):
    (folder / MODELS).unlink()
    assert complaint(folder).endswith(
        "config/models.yaml: no such file; put it there, or correct the path"
    )


def test_overrides_go_over_the_files_key_by_key(folder):
    config = load(folder, {"datasets": {"demo": {"source": {"scenes": 4}}}, "studies": ["demo"]})
    assert config.datasets["demo"].source.scenes == 4
    assert config.datasets["demo"].source.size == load(folder).datasets["demo"].source.size
    assert config.studies == ["demo"]


def test_an_entry_that_names_its_kind_replaces_the_one_of_that_name(folder):
    """A model redefined in the same family keeps nothing of the shipped one."""
    shipped = load(folder).models["lab_unet"]
    keys = ("widths", "convs", "bottleneck", "decoder_convs")
    entry = {key: value for key, value in shipped.model_dump().items() if key in keys}
    assert load(folder, {"models": {"lab_unet": entry}}).models["lab_unet"] == shipped
    mine = load(folder, {"models": {"lab_unet": entry | {"family": "unet"}}}).models["lab_unet"]
    assert mine == UNetSpec(family="unet", **entry) != shipped


@pytest.mark.parametrize(
    ("overrides", "said"),
    [
        ({"recipes": {"demo": {"epoch": 1}}}, "mine.yaml: recipes.demo.epoch: unknown key; "),
        ({"recipes": {"demo": {"epochs": 0}}}, "mine.yaml: recipes.demo.epochs: must be "),
        (
            {"datasets": {"demo": {"tile_size": 100}}},
            "mine.yaml: datasets.demo.tile_size: study 'demo' ",
        ),
        ({"studies": ["dem"]}, "mine.yaml: studies.0: unknown study, got 'dem'; "),
        (
            {"recipe": {}},
            "mine.yaml: recipe: unknown key; allowed: datasets, logger, models, papers, predictions, recipes, splits, studies",
        ),
        (
            {"splits": {"half": {"unit": "tile", "train": 1}}},
            "mine.yaml: splits.half.val: missing; ",
        ),
    ],
)
def test_mistake_in_an_override_names_where_it_came_from(folder, overrides, said):
    text = complaint(folder, overrides, "mine.yaml")
    assert text.startswith(said)
    assert "\n" not in text


def test_mistake_beside_an_override_names_the_file(folder):
    edit(folder, RECIPES, "recipes.demo.epochs", 0)
    text = complaint(folder, {"recipes": {"demo": {"batch_size": 2}}}, "mine.yaml")
    assert text.startswith("config/recipes.yaml: recipes.demo.epochs: ")


def test_counted_classes():
    config = load()
    demo = config.datasets["demo"]
    training = Training(loss={"name": "cross_entropy"}, epochs=1, batch_size=1)
    assert counted_classes(demo, training) == [1, 2, 3, 4, 5]
    assert counted_classes(demo, training.model_copy(update={"count_unlabelled": True})) == [
        0,
        1,
        2,
        3,
        4,
        5,
    ]


# --- official splits ------------------------------------------------------------------------------


def test_official_split_of_a_dataset_that_has_none(folder):
    edit(folder, RECIPES, "recipes.demo.split", "official")
    assert complaint(folder) == (
        "config/datasets.yaml: datasets.demo.official: the dataset has no official split of 128² tiles, but recipe "
        "'demo' of study 'demo' needs one; give the recipe a split by tile or group"
    )


def test_official_split_without_the_subset_to_be_judged(folder):
    without_tunings(folder)  # their recipes are made of the demo's
    edit(folder, STUDY, "datasets", ["loveda"])
    edit(folder, RECIPES, "recipes.demo.split", "official")
    assert complaint(folder) == (
        "config/recipes.yaml: recipes.demo.evaluate.subset: unknown subset of the official split of 'loveda', "
        "got 'test'; allowed: train, val"
    )
    edit(folder, RECIPES, "recipes.demo.evaluate", {"subset": "val"})
    assert load(folder).datasets["loveda"].official_here.subsets == {"train", "val"}


def test_official_lists_of_tiles_of_another_size(folder):
    without_tunings(folder)
    edit(folder, STUDY, "datasets", ["landcoverai"])
    edit(folder, RECIPES, "recipes.demo.split", "official")
    assert load(folder).datasets["landcoverai"].official_here.subsets == {"train", "val", "test"}
    edit(folder, DATASETS, "datasets.landcoverai.tile_size", 256)
    text = complaint(folder)
    assert text.startswith(
        "config/datasets.yaml: datasets.landcoverai.official: the dataset has no official split "
    )
    assert text.endswith("; give the recipe a split by tile or group, or set tile_size: 512")


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        (
            SPLITS,
            "splits.official.val",
            0.5,
            "splits.official.val: an official split has its own shares; leave this",
        ),
        (
            SPLITS,
            "splits.official.test",
            0.5,
            "splits.official.test: an official split has its own shares; leave this",
        ),
        (SPLITS, "splits.random.train", None, "splits.random.train: missing; it has no default"),
        (
            DATASETS,
            "datasets.loveda.official.field",
            "sub",
            "datasets.loveda: official.field: 'sub' is not a field of ",
        ),
        (
            DATASETS,
            "datasets.loveda.official.values",
            {"Train": "train"},
            "datasets.loveda: official: it needs both train and val; training uses both",
        ),
        (
            DATASETS,
            "datasets.loveda.official.values.Val",
            "vall",
            "datasets.loveda.official.values.Val: unknown value, got 'vall'; allowed: test, train, val; did you",
        ),
        (
            DATASETS,
            "datasets.loveda.official.by",
            "tile",
            "datasets.loveda.official.by: unknown value, got 'tile'; ",
        ),
        (
            DATASETS,
            "datasets.landcoverai.official.tile",
            "{scene}_{n}",
            "datasets.landcoverai.official.tile: expected a name with {scene} followed by {k}, got '{scene}_{n}'",
        ),
        (
            DATASETS,
            "datasets.loveda.source.files.0.checksum",
            "md5:12",
            "datasets.loveda.source.files.0.checksum: expected md5: or sha256:, then the digest in hex, got 'md5:12'",
        ),
        (
            DATASETS,
            "datasets.loveda.source.files.1.url",
            "Val.zip",
            "datasets.loveda.source.files.1.url: expected the http or https address of a file, got 'Val.zip'",
        ),
    ],
)
def test_official_splits_and_web_sources_are_checked(folder, file, key, value, said):
    edit(folder, file, key, value)
    text = complaint(folder)
    assert text.startswith(f"config/{file}: {said}")
    assert "\n" not in text


# --- papers ---------------------------------------------------------------------------------------

PAPERS, TABLE, CLAIMS = "papers.yaml", "papers.faster_unet.tables.0", "papers.faster_unet.claims"


@pytest.mark.parametrize(
    ("file", "key", "value", "said"),
    [
        (
            STUDY,
            "paper",
            "fast_unet",
            "paper: unknown paper, got 'fast_unet'; allowed: faster_unet, lab_report; did you mean ",
        ),
        (STUDY, "claims", ["short"], "claims.0: unknown claim of this study's paper, got 'short'"),
        (
            PAPERS,
            "papers.faster_unet.models",
            ["x*"],
            "papers.faster_unet: tables.0.rows: 'deeplabv3plus*' is not one of models (",
        ),
        (
            PAPERS,
            "papers.faster_unet.models.1",
            "unet_shrt",
            "papers.faster_unet: tables.0.rows: 'unet_short' is not ",
        ),
        (
            PAPERS,
            f"{TABLE}.dataset",
            "lovda",
            f"{TABLE}.dataset: unknown dataset, got 'lovda'; allowed: ",
        ),
        (
            PAPERS,
            f"{TABLE}.recipe",
            "faster_net",
            f"{TABLE}.recipe: unknown recipe, got 'faster_net'; allowed: ",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.8.class_name",
            "Watr",
            f"{TABLE}.columns.8.class_name: unknown class that counts in 'loveda', got 'Watr'; allowed: Agriculture, ",
        ),
        (
            PAPERS,
            f"{TABLE}.rows.unet_short",
            [1, 2],
            f"{TABLE}: rows: unet_short has 2 figures, the table 12 columns",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.0",
            {"metric": "parameters"},
            f"{TABLE}.columns.0: parameters: `classes` is for ",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.3",
            {"metric": "miou_d", "classes": 5},
            f"{TABLE}.columns.3: miou_d: `classes` is for parameters and memory_mb, and needed there",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.3",
            {"metric": "miou_d", "class_name": "Water"},
            f"{TABLE}.columns.3: miou_d: there is none of class 'Water'",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.3",
            {"metric": "iou"},
            f"{TABLE}.columns.3: iou: there is none of class 'all'",
        ),
        (
            PAPERS,
            f"{TABLE}.columns.3.metric",
            "miou",
            f"{TABLE}.columns.3.metric: unknown value, got 'miou'; allowed: ",
        ),
        (
            PAPERS,
            f"{TABLE}.rows.unet_base",
            [1, 2, {"value": 3, "classes": 8}, *range(9)],
            f"{TABLE}: rows: unet_base: epoch_seconds does not depend on the number of classes",
        ),
        (
            PAPERS,
            "papers.faster_unet.protocol.0.keys",
            {"epoch": 50},
            "papers.faster_unet.protocol.0.keys.epoch: unknown key of a recipe, got 'epoch'; allowed: ",
        ),
        (
            PAPERS,
            "papers.faster_unet.protocol.4.keys",
            {"scheduler.patients": 2},
            "papers.faster_unet.protocol.4.keys.scheduler.patients: unknown key of a recipe, got 'scheduler.patients'",
        ),
        (
            PAPERS,
            f"{CLAIMS}.short_is_slowest.test",
            "rang",
            f"{CLAIMS}.short_is_slowest.test: unknown value, got 'rang'; allowed: above, beats_majority, converges, ",
        ),
        (
            PAPERS,
            f"{CLAIMS}.short_is_slowest.model",
            "unet",
            "papers.faster_unet: claims.short_is_slowest.model: 'unet'",
        ),
        (
            PAPERS,
            f"{CLAIMS}.short_is_slowest.place",
            0,
            f"{CLAIMS}.short_is_slowest.place: must be greater than or ",
        ),
        (
            PAPERS,
            f"{CLAIMS}.short_is_slowest.by",
            ["epochs"],
            f"{CLAIMS}.short_is_slowest.by.0: unknown value, got 'epochs'; allowed: ",
        ),
        (
            PAPERS,
            f"{CLAIMS}.no_tuning_helps.baseline",
            "x",
            f"{CLAIMS}.no_tuning_helps.baseline: unknown recipe, got 'x'",
        ),
        (
            PAPERS,
            f"{CLAIMS}.no_tuning_helps.recipes",
            "tunning_*",
            f"{CLAIMS}.no_tuning_helps.recipes: unknown recipe, got 'tunning_*'; allowed: ",
        ),
    ],
)
def test_papers_are_checked(folder, file, key, value, said):
    edit(folder, file, key, value)
    text = complaint(folder)
    assert text.startswith(f"config/{file}: {said}")
    assert "\n" not in text


def test_a_model_of_a_paper_that_nothing_matches(folder):
    edit(folder, PAPERS, "papers.other", {"title": "?", "models": ["unet_*", "segformer*"]})
    text = complaint(folder)
    assert text.startswith(
        "config/papers.yaml: papers.other.models.1: unknown model, got 'segformer*'; allowed: "
    )


def test_a_row_is_found_for_variants_of_a_model():
    table = load().papers["faster_unet"].tables[0]
    assert table.row("deeplabv3plus_scratch") == table.row("deeplabv3plus")
    assert [figure.value for figure in table.row("deeplabv3plus")[:3]] == [22438485, 872.63, 22.512]
    assert [figure.classes for figure in table.row("unet_base")[:3]] == [8, 5, None]
    assert table.row("unet_tiny") == []
    assert table.column("miou_published")["unet_skinny"] == 0.2639
    assert table.column("miou_d") == {}


def test_keys_of_recipes():
    known = ["epochs", "loss.gamma", "scheduler.warmup", "scheduler.factor", "logical_batch_size"]
    assert all(recipe_key(key) for key in known)
    assert not any(
        recipe_key(key) for key in ("loss.epochs", "gamma", "scheduler.x", "logical_batch")
    )
    recipe = load().recipes["demo"].model_copy(update={"batch_size": 4, "accumulate": 3})
    assert recipe.logical_batch_size == 12
