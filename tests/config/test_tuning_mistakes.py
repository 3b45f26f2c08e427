"""Mistakes of a tuning, a teacher, or weights to start from: one line each when the configuration is
read."""

import pytest

from satseg.config.reading import load
from satseg.errors import UserError

ORIGIN = "mine.yaml"
RECIPE = {"split": "groups_test", "loss": {"name": "jdt"}, "epochs": 2, "batch_size": 4}
TUNING = {
    "dataset": "demo",
    "model": "unet_tiny",
    "recipe": "sound",
    "space": {"optimizer.lr": {"low": 1e-4, "high": 1e-2, "log": True}},
    "trials": 4,
    "rungs": [1, 2],
}
UNKNOWN = {"family": "smp", "architecture": "Unet", "encoder": "resnet19"}
DEEP = {
    "family": "unet",
    "widths": [8] * 8,
    "convs": [1] * 8,
    "bottleneck": {"width": 8, "convs": 1},
    "decoder_convs": [1] * 8,
}
RUNS = "results/runs/demo/unet_tiny"


def tuning(name="mine", **changes):
    return {"recipes": {"sound": RECIPE}, "tunings": {name: TUNING | changes}}


def space(**keys):
    """A tuning of these keys, whose dots are written as two underscores."""
    return tuning(space={key.replace("__", "."): values for key, values in keys.items()})


def recipe(name="mine", **changes):
    return {"recipes": {name: RECIPE | changes}}


def shown(**changes):
    """A recipe that a study shows."""
    study = {"datasets": ["demo"], "models": ["unet_tiny"], "recipes": ["mine"]}
    return recipe(**changes) | {"study": {"whole": study}}


def taught(**teacher):
    return {"teacher": {"model": "unet_tiny", "recipe": "demo"} | teacher}


MISTAKES = [
    (
        space(optimizer__lr={"low": 0, "high": 1, "log": True}),
        "tunings.mine.space.optimizer.lr: low: must be above 0 on a logarithmic scale",
    ),
    (
        space(optimizer__lr={"low": 1, "high": 0.1}),
        "tunings.mine.space.optimizer.lr: low: 1 must be below high: 0.1",
    ),
    (
        space(optimizer__lr={"low": 1}),
        "tunings.mine.space.optimizer.lr.high: missing; it has no default",
    ),
    (
        space(loss__name=["jdt", "jdt"]),
        "tunings.mine: space.loss.name: lists a value twice; keep one of them",
    ),
    (
        space(scheduler=[None, {"name": "cosine"}], scheduler__warmup=[0, 1]),
        "tunings.mine: space.scheduler.warmup: is a part of space.scheduler; keep one of them",
    ),
    (
        space(augmentation__hflip={"low": 0, "high": 1}),
        "tunings.mine.space.augmentation.hflip: takes no numbers; give a list of values",
    ),
    (
        space(init_from=[None, f"{RUNS}/demo/seed0/best.pt"]),
        "tunings.mine.space.init_from: stays as it is in the base recipe; choose another key",
    ),
    (
        space(loss__alpha=[1.0, 0.0], loss__beta=[1.0, 0.0]),
        "tunings.mine.space: recipe 'sound' does not take loss.alpha: 0.0 with loss.beta: 0.0 "
        "(alpha and beta are both 0; jdt would then punish no error)",
    ),
    (
        space(batch_size={"low": 1, "high": 1_000_000}),
        "tunings.mine.space.batch_size: a batch of 128² tiles of 'demo' would take 197 GB; choose "
        "a smaller one, got 1000000",
    ),
    (
        tuning(recipe="demo_tuned"),
        "tunings.mine.recipe: 'demo_tuned' is what another tuning finds; name a recipe of "
        "recipes.yaml",
    ),
    (tuning("demo"), "tunings.demo: a recipe has this name; the tuned one needs another"),
    (
        tuning(model="bad") | {"models": {"bad": UNKNOWN}},
        "models.bad.encoder: no such encoder in the library, got 'resnet19'; did you mean "
        "resnet18 or resnet152 or resnet101?",
    ),
    (
        shown(**taught(model="bad")) | {"models": {"bad": UNKNOWN}},
        "models.bad.encoder: no such encoder in the library, got 'resnet19'; did you mean "
        "resnet18 or resnet152 or resnet101?",
    ),
    (
        recipe(**taught(recipe="mine")),
        "recipes.mine.teacher.recipe: recipes that need each other first (mine → mine); name "
        "another one, got 'mine'",
    ),
    (
        {
            "recipes": {
                "mine": RECIPE | taught(recipe="yours"),
                "yours": RECIPE | {"init_from": f"{RUNS}/mine/seed0/best.pt"},
            }
        },
        "recipes.mine.teacher.recipe: recipes that need each other first (mine → yours → mine); "
        "name another one, got 'yours'",
    ),
    (
        {"models": {"mine": {"family": "compact", "encoder": {"stem": 8, "widths": [8, 8]}}}},
        "models.mine.encoder.blocks: missing; it has no default",
    ),
    (
        {"models": {"mine": DEEP | {"skips": {"kind": "sdi", "from_level": 9}}}},
        "models.mine: skips.from_level: 9; widths has 8 levels; give at most that",
    ),
]


@pytest.mark.parametrize(("overrides", "line"), MISTAKES, ids=[line for _, line in MISTAKES])
def test_a_mistake_is_one_line(overrides, line):
    with pytest.raises(UserError) as caught:
        load(overrides=overrides, origin=ORIGIN)
    assert str(caught.value) == f"{ORIGIN}: {line}"


@pytest.mark.parametrize(
    ("overrides", "user"),
    [
        (tuning(model="deep"), "tuning 'mine'"),
        (shown(**taught(model="deep")), "study 'whole'"),
        (shown(evaluate={"ensemble": [{"model": "deep"}]}), "study 'whole'"),
        (
            shown(init_from="results/runs/demo/deep/demo/seed0/best.pt"),
            "study 'whole'",
        ),
    ],
)
def test_whatever_is_trained_must_fit_the_tiles(overrides, user):
    """A tuning's model, a teacher, a member of an ensemble, and weights to start from."""
    with pytest.raises(UserError) as caught:
        load(overrides=overrides | {"models": {"deep": DEEP}}, origin=ORIGIN)
    assert str(caught.value) == (
        f"config/datasets.yaml: datasets.demo.tile_size: {user} trains 'deep' on it, got 128; "
        "allowed: multiples of 256; nearest: 256"
    )


def test_a_drawn_colour_needs_three_bands():
    grey = load().datasets["demo"].model_dump() | {"pixels": {"bands": [1]}}
    drawn = space(augmentation__hue={"low": 0, "high": 0.1})
    drawn["tunings"]["mine"]["dataset"] = "grey"
    with pytest.raises(UserError) as caught:
        load(overrides=drawn | {"datasets": {"grey": grey}}, origin=ORIGIN)
    assert str(caught.value) == (
        f"{ORIGIN}: tunings.mine.space.augmentation.hue: needs images of 3 bands; 'grey' has 1; "
        "use 0, or choose three with the dataset's pixels.bands"
    )


@pytest.mark.parametrize(
    "changes",
    [
        {"rungs": [3]},
        {"trials": 1},
        {"keep": 1e-9},
        {"keep": 1},
        {"space": {"loss.alpha": {"low": 0, "high": 1}, "loss.beta": {"low": 0, "high": 1}}},
        {"space": {"batch_size": {"low": 1, "high": 4, "log": True}}},
        {"space": {"scheduler": [None, {"name": "cosine", "warmup": 1}]}},
    ],
)
def test_odd_tunings_that_are_sound(changes):
    config = load(overrides=tuning(**changes))
    assert config.recipes["mine"].epochs == config.tunings["mine"].rungs[-1]
