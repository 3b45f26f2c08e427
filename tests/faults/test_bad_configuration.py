"""Mistakes of configuration that used to end a job after minutes or hours: each is found when the
configuration is read."""

import math

import pytest
import yaml

from satseg.config.reading import ROOT, load, load_with
from satseg.errors import UserError

AREA = "Configuration"
ORIGIN = "mine.yaml"
LAYOUT = {
    "images": "{n}.tif",
    "masks": "{n}.png",
    "scene": "{n}",
    "mask_values": "index",
}
DATASET = {
    "title": "Mine",
    "licence": "CC0",
    "path": "mine",
    "layout": LAYOUT,
    "classes": [{"name": "a", "color": "#000000"}, {"name": "b", "color": "#FFFFFF"}],
    "tile_size": 64,
}
STUDY = {"datasets": ["demo"], "models": ["unet_tiny"], "recipes": ["demo"]}
SMP = {"family": "smp", "architecture": "Unet", "encoder": "resnet18"}
FIGURE = {"dataset": "demo", "model": "unet_tiny", "recipe": "demo", "metric": "miou_d", "value": 1}


def dataset(**changes):
    return {"datasets": {"mine": DATASET | changes}}


def recipe(**changes):
    return {"recipes": {"demo": changes}}


def study(name="mine", **changes):
    return {"study": {name: STUDY | changes}}


def model(spec, name="mine"):
    return {"models": {name: spec}, **study(models=[name])}


def classes(**changes):
    return [DATASET["classes"][0], DATASET["classes"][1] | changes]


def published(**changes):
    return study(published=[FIGURE | changes])


MISTAKES = [
    ("a study named like a rule", study("train"), "study.train: is a rule or a folder of results"),
    ("a study named like a folder of results", study("runs"), "study.runs: is a rule or a folder"),
    ("a model named like the baseline", model(SMP, "majority"), "models.majority: the name of the"),
    ("a class named all", dataset(classes=classes(name="all")), "name 'all' stands for the mean"),
    ("a class named ALL", dataset(classes=classes(name="ALL")), "name 'all' stands for the mean"),
    ("a class without a name", dataset(classes=classes(name="")), "expected a text of one line"),
    (
        "a carriage return in a name",
        dataset(classes=classes(name="a\rb")),
        r"must not contain the character '\r', got 'a\rb'",
    ),
    ("half a character", study(title="\ud800"), r"must not contain the character '\ud800'"),
    ("an infinite learning rate", recipe(optimizer={"lr": math.inf}), "lr: must be a finite"),
    ("a share that is no number", {"splits": {"random": {"train": math.nan}}}, "a finite number"),
    (
        "no number among a model's arguments",
        {
            "models": {
                "mine": {
                    "family": "python",
                    "file": "own.py",
                    "name": "Own",
                    "arguments": {"share": [1, math.nan]},
                }
            }
        },
        "models.mine.arguments.share.1: must be a finite number, got nan",
    ),
    ("colours of gaps for masks of indices", dataset(gaps=["#010203"]), "gaps: must be whole"),
    (
        "values of gaps for masks of colours",
        dataset(gaps=[7], layout=LAYOUT | {"mask_values": "color"}),
        "gaps: must be colours such as",
    ),
    ("a gap that is a class", dataset(gaps=[1]), "gaps: 1 stands under classes too"),
    ("a negative seed", study(seeds=[-1]), "seeds.0: must be greater than or equal to 0"),
    ("a seed beyond 32 bits", study(seeds=[2**32]), "seeds.0: must be less than or equal to"),
    ("a seed of a split beyond 32 bits", {"splits": {"random": {"seed": 2**40}}}, "must be less"),
    ("tiles of a million pixels a side", dataset(tile_size=10**6), "tile_size: must be less than"),
    ("a batch that nobody can hold", recipe(batch_size=10**6), "tiles of 'demo' would take"),
    ("a million epochs and one", recipe(epochs=10**6 + 1), "epochs: must be less than or equal"),
    (
        "a U-Net of a million channels",
        {"models": {"unet_tiny": {"bottleneck": {"width": 10**6}}}},
        "width: must be less than or equal to",
    ),
    ("jdt without a term", recipe(loss={"name": "jdt", "miou_d": 0}), "miou_c are all 0"),
    (
        "a published value of a metric there is none of",
        published(metric="miou"),
        "published.0.metric: unknown metric of scores.csv, got 'miou'",
    ),
    (
        "a published value of a class there is none of",
        published(metric="iou", class_name="Watr"),
        "published.0.class_name: unknown class of 'demo', got 'Watr'",
    ),
    (
        "a published value of an epoch never reached",
        published(metric="val_loss", epoch=1000),
        "published.0.epoch: recipe 'demo' trains",
    ),
    (
        "an architecture there is none of",
        model(SMP | {"architecture": "Unett"}),
        "mine.yaml: models.mine.architecture: unknown architecture, got 'Unett'",
    ),
    (
        "an encoder there is none of",
        model(SMP | {"encoder": "resnet19"}),
        "mine.yaml: models.mine.encoder: no such encoder in the library, got 'resnet19'",
    ),
    (
        "an encoder of timm there is none of",
        model(SMP | {"encoder": "tu-efficientnet_lit0"}),
        "did you mean tu-efficientnet_lite0",
    ),
    (
        "an encoder that the architecture refuses",
        model(SMP | {"architecture": "Linknet", "encoder": "mit_b0"}),
        "models.mine.encoder: Linknet does not take it",
    ),
    (
        "encoder weights there are none of",
        model(SMP | {"encoder_weights": "imagenett"}),
        "models.mine.encoder_weights: neither weights of the library",
    ),
    (
        "a file of encoder weights that is not there",
        model(SMP | {"encoder_weights": "mine.pt"}),
        "models.mine.encoder_weights: no such file",
    ),
    ("masks of other fields", dataset(layout=LAYOUT | {"masks": "{m}.png"}), "the same fields as"),
    ("a pattern with half a field", dataset(layout=LAYOUT | {"images": "{n.tif"}), "has a brace"),
    ("studies for study", {"studies": STUDY}, "what studies consist of stands under `study`"),
    ("study for studies", {"study": ["demo"]}, "those to build are listed under `studies`"),
    ("true for a seed", study(seeds=[True]), "seeds.0: must be a number, got True"),
    ("true for a learning rate", recipe(optimizer={"lr": True}), "lr: must be a number, got True"),
    ("true for a share", {"splits": {"random": {"train": True}}}, "train: must be a number"),
    ("false for a mask's value", dataset(gaps=[False]), "gaps.0: must be a number, got False"),
    (
        "true among an architecture's arguments",
        model(SMP | {"arguments": {"encoder_depth": True}}),
        "models.mine.arguments.encoder_depth: must be a valid integer, got True",
    ),
    (
        "a text for a number among an architecture's arguments",
        model(SMP | {"arguments": {"encoder_depth": "5"}}),
        "models.mine.arguments.encoder_depth: must be a valid integer, got '5'",
    ),
    ("a date for a text", study(title=yaml.safe_load("2020-01-01")), "put a text in quotes"),
]


@pytest.mark.parametrize(
    ("tried", "overrides", "words"), MISTAKES, ids=[mistake[0] for mistake in MISTAKES]
)
def test_a_mistake_is_found_when_it_is_read(fault, tried, overrides, words):
    with pytest.raises(UserError) as caught:
        load(ROOT / "config", overrides, ORIGIN)
    message = str(caught.value)
    assert words in message
    assert message.startswith(ORIGIN) and "\n" not in message
    fault(AREA, tried, message)


FILES = [
    (
        "aliases that stand for a billion values",
        "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
        + "".join(
            f"{name}: &{name} [{', '.join([f'*{above}'] * 10)}]\n"
            for above, name in zip("abcdefgh", "bcdefghi", strict=True)
        ),
        "stand for more than 1,000,000 values",
    ),
    ("an alias within itself", "a: &a [1, *a]\n", "stand for more than"),
    ("a month that is not there", "title: 2020-13-45\n", "line 1: not valid YAML: '2020-13-45'"),
    ("a number of ten thousand digits", f"seed: {'9' * 10_000}\n", "line 1: not valid YAML"),
]


@pytest.mark.parametrize(("tried", "text", "words"), FILES, ids=[file[0] for file in FILES])
def test_a_file_that_would_fill_the_memory_or_end_in_a_traceback(
    fault, tmp_path, tried, text, words
):
    path = tmp_path / "mine.yaml"
    path.write_text(text)
    with pytest.raises(UserError) as caught:
        load_with([str(path)])
    message = str(caught.value)
    assert words in message and "\n" not in message
    assert message.startswith(str(path))
    fault(AREA, tried, message)


OWN = "import torch\n\n\nclass Own(torch.nn.Module):\n    def __init__(self, num_classes, {}):\n"
CODE = [
    ("a Python file with a mistake", "class Own(:\n", "line 1: not valid Python"),
    ("a Python file without the class", "class Owm: ...\n", "does not define 'Own'; it has Owm"),
    (
        "a Python class without the bands",
        OWN.format("width") + "        pass\n",
        "Own takes no argument 'in_channels'; it takes self, num_classes, width",
    ),
]


@pytest.mark.parametrize(("tried", "code", "words"), CODE, ids=[case[0] for case in CODE])
def test_a_model_of_ones_own_is_looked_at_without_running_it(
    fault, tmp_path, monkeypatch, tried, code, words
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(code)
    spec = {"family": "python", "file": "own.py", "name": "Own"}
    with pytest.raises(UserError) as caught:
        load(ROOT / "config", model(spec), ORIGIN)
    assert str(caught.value).startswith(f"{ORIGIN}: models.mine.file: ")
    assert words in str(caught.value)
    fault(AREA, tried, str(caught.value))

    sound = OWN.format("in_channels") + "        open('ran', 'w')\n"
    (tmp_path / "own.py").write_text(sound)
    load(ROOT / "config", model(spec), ORIGIN)
    assert not (tmp_path / "ran").exists()


def test_a_shipped_model_of_another_family_is_replaced():
    spec = load(ROOT / "config", {"models": {"unet_tiny": SMP}}, ORIGIN).models["unet_tiny"]
    assert spec.model_dump(exclude_unset=True) == SMP
    kept = load(ROOT / "config", {"models": {"unet_tiny": {"dropout": 0.5}}}, ORIGIN)
    assert kept.models["unet_tiny"].dropout == 0.5
    assert kept.models["unet_tiny"].widths == load(ROOT / "config").models["unet_tiny"].widths
