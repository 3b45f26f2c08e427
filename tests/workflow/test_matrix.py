"""Every key that a study uses, changed: the jobs that can come out otherwise run again and no
other, whatever has become of Snakemake's notes and of the files' dates."""

import os
import shutil
from types import SimpleNamespace

import pytest
import tiny_study
import yaml
from tiny_study import CELL, Server

from satseg.config.reading import load
from satseg.jobs import plan, slices
from satseg.records import load_record

FIRST = {
    "download": "data/raw/demo/manifest.json",
    "tile": "data/tiles/demo/tiles.csv",
    "split": "data/splits/demo/thirds.csv",
    "train": f"{CELL}/run.json",
    "evaluate": f"{CELL}/counts.csv",
    "profile": "results/profiles/demo/mini.json",
    "speed": "results/tiny/speed/demo.json",
    "tables": "results/tiny/tables/pages.json",
    "figures": "results/tiny/figures",
    "report": "results/tiny/report.html",
}
PAGES = "tables figures report"
TRAINED = f"train {PAGES}"
MODEL = f"train profile speed {PAGES}"


def aside(**changes):
    """The demo's classes, the last one changed."""
    classes = [*tiny_study.datasets()["demo"]["classes"]]
    classes[-1] = classes[-1] | changes
    return classes


# Key → another value, or several keys that only go together, and the jobs whose slice that changes.
DATASET = {
    "layout.images": ("images/{scene}.png", "tile"),
    "layout.masks": ("masks/{scene}.png", "tile"),
    "layout.scene": ("{scene}_1", "tile"),
    "layout.mask_values": ("color", "tile"),
    "classes.color": ({"classes": aside(color="#123456")}, PAGES),
    "classes.name": ({"classes": aside(name="House")}, f"tile {TRAINED}"),
    "classes.unlabelled": ({"classes": aside(unlabelled=True)}, TRAINED),
    "classes.value": ({"classes": aside(value=9)}, f"tile {PAGES}"),
    "classes.aliases": ({"classes": aside(aliases=[9])}, f"tile {PAGES}"),
    "pixels.bands": ([3, 2, 1], "tile"),
    "pixels.scale": ([[0, 100]] * 3, "tile"),
    "gaps": ([7], "tile"),
    "tile_size": (32, "tile profile speed"),
    "groups": ([["scene_0", "scene_1"]], "tile"),
    "title": ("Another", PAGES),
    "licence": ("none", PAGES),
    "url": ("https://example.org", PAGES),
    "path": ("elsewhere", "download profile speed"),
    "source.scenes": (7, "download"),
    "source.size": (192, "download"),
    "source.seed": (1, "download"),
    "expected": ({"expected": {"scenes": 6, "pixels": 98304}}, ""),
}
UNET = {
    "widths": ([12, 20], MODEL),
    "convs": ([1, 2], MODEL),
    "bottleneck.width": (40, MODEL),
    "bottleneck.convs": (2, MODEL),
    "decoder_convs": ([2, 1], MODEL),
    "skips": ({"skips": {"kind": "sdi", "from_level": 1}}, MODEL),
    "batch_norm": (False, MODEL),
    "dropout": (0.1, MODEL),
    "head_dropout": (0.1, MODEL),
    "head_dropout_channels": (True, MODEL),
}
RECIPE = {
    "padded_tiles": (False, TRAINED),
    "count_unlabelled": (True, TRAINED),
    "scaling": ("imagenet", TRAINED),
    **{f"augmentation.{name}": (True, TRAINED) for name in ("hflip", "vflip", "rot90")},
    **{
        f"augmentation.{name}": (0.2, TRAINED)
        for name in (
            [
                "probability",
                "scale",
                "hue",
                "brightness",
                "contrast",
                "saturation",
                "gamma",
                "season",
                "exchange",
            ]
        )
    },
    "augmentation.everywhere": (True, f"evaluate {TRAINED}"),
    "loss.name": ("jdt", TRAINED),
    **{
        f"loss.{name}": ({"loss": {"name": "jdt", name: 0.5}}, TRAINED)
        for name in [
            "miou_d",
            "miou_i",
            "miou_c",
            "alpha",
            "beta",
            "gamma",
            "smooth",
            "cross_entropy",
        ]
    },
    "loss.class_weights": ("inverse", TRAINED),
    "optimizer.name": ("sgd", TRAINED),
    "optimizer.lr": (0.002, TRAINED),
    "optimizer.weight_decay": (0.1, TRAINED),
    "optimizer.encoder_lr": (0.5, TRAINED),
    "scheduler": ({"scheduler": {"name": "cosine"}}, TRAINED),
    "epochs": (3, TRAINED),
    "epoch_tiles": (8, TRAINED),
    "batch_size": (2, TRAINED),
    "accumulate": (2, TRAINED),
    "monitor": ("val_jaccard", TRAINED),
    "early_stopping": (5, TRAINED),
    "means.train": ("batches", TRAINED),
    "means.val": ("batches", TRAINED),
    "means.classes": ("micro", TRAINED),
    "precision": ("32", TRAINED),
    "compile": (True, TRAINED),
    "deterministic": (False, TRAINED),
    "ema": (0.9, TRAINED),
    "auxiliary": (0.4, TRAINED),
    "full_precision_evaluation": (True, TRAINED),
    "devices": (2, TRAINED),
    "about": ("Quick.", PAGES),
    "head_dropout": (0.1, TRAINED),
    "head_dropout_channels": ({"head_dropout": 0.1, "head_dropout_channels": True}, TRAINED),
    "evaluate.subset": ("val", f"evaluate {PAGES}"),
    "evaluate.weights": ("final", f"evaluate {PAGES}"),
    "evaluate.tta": ("flips", f"evaluate {PAGES}"),
    "evaluate.calibrate": (True, PAGES),
    "stop_after": (1, TRAINED),
}
SPLIT = {
    "unit": ("tile", "split"),
    "train": ({"train": 0.4, "val": 0.35}, "split"),
    "test": ({"test": 0.4, "val": 0.1}, "split"),
    "block": ({"unit": "block", "block": 2}, "split"),
    "buffer": (1, "split"),
    "keep_official": (True, "split"),
    "test_from_val": (0.1, "split"),
    "test_apart": ({"unit": "tile", "test_apart": True}, "split"),
    "seed": (1, "split"),
}
STUDY = {
    "title": ("Another", PAGES),
    "about": ("More.", PAGES),
    "figures": (["samples"], PAGES),
}
SECTIONS = {
    ("datasets", "demo"): DATASET,
    ("models", "mini"): UNET,
    ("recipes", "quick"): RECIPE,
    ("splits", "thirds"): SPLIT,
    ("study", "tiny"): STUDY,
}
KEYS = {
    f"{section}.{key}": (section, name, key, value, jobs)
    for (section, name), keys in SECTIONS.items()
    for key, (value, jobs) in keys.items()
}


def overrides(section, name, key, value):
    """The configuration that changes a key."""
    if not isinstance(value, dict):
        for part in reversed(key.split(".")):
            value = {part: value}
    return {section: {name: value}}


def argument(config, stage):
    """What this stage is given of a configuration."""
    of = {
        "download": lambda: slices.download_slice(config, "demo"),
        "tile": lambda: slices.tile_slice(config, "demo"),
        "split": lambda: slices.split_slice(config, "thirds"),
        "train": lambda: slices.train_slice(config, "demo", "mini", "quick", 0),
        "evaluate": lambda: slices.evaluate_slice(config, "quick", "mini"),
        "profile": lambda: slices.profile_slice(config, "demo", "mini"),
        "speed": lambda: slices.speed_slice(config, "tiny", "demo"),
    }
    return of.get(stage, lambda: slices.study_slice(config, "tiny"))().argument()


class Input(str):
    """An input as Snakemake has it."""

    is_ancient = False


def verdicts(config) -> dict[str, str]:
    """What the plan says of each job, from its record and files."""
    said = {}
    for stage, output in FIRST.items():
        record = load_record(output)
        params = SimpleNamespace(slice=argument(config, stage), code=record["code"])
        inputs = [Input(name) for name in record["inputs"]]
        job = SimpleNamespace(output=[output], input=inputs, params=params)
        said[stage] = plan.judge(job)[0]
    return said


@pytest.fixture(scope="module")
def project(tmp_path_factory):
    """A copy of the built study, for all conditions one after the other, and Snakemake in it."""
    base = tmp_path_factory.getbasetemp()
    folder = shutil.copytree(tiny_study.build(base)[0], base / "matrix", symlinks=True)
    server = Server(folder)
    yield folder, server
    server.close()


def date_everything(folder, seconds):
    """Give every file below data and results this date."""
    for place in ("data", "results"):
        for path in (folder / place).rglob("*"):
            os.utime(path, (seconds, seconds))


@pytest.fixture(scope="module", params=["as built", "without notes", "in 1980", "in the future"])
def condition(project, request):
    """The project after something that changes no content."""
    folder, server = project
    if request.param != "as built":
        shutil.rmtree(folder / ".snakemake")
    if request.param == "in 1980":
        date_everything(folder, 320_000_000)
    if request.param == "in the future":
        date_everything(folder, 4_000_000_000)
    return folder, server


def test_every_key_of_the_study_is_here(project):
    """Those left out name other entries, hold nothing but a kind, or are for masks of polygons."""
    config = load(project[0] / "config")
    left_out = {
        "datasets": {"official", "scenes_of", "source.kind", "classes", "layout.attribute"},
        "models": {"family"},
        "recipes": {
            *("teacher", "init_from", "split", "loss.class_weights_scale", "evaluate.ensemble")
        },
        "splits": {"val", "folds", "among", "test_of"},
        "study": {"datasets", "models", "recipes", "seeds", "published", "paper", "claims"},
    }

    def leaves(value, key=""):
        if not isinstance(value, dict):
            return {key}
        below = [leaves(inner, f"{key}.{name}" if key else name) for name, inner in value.items()]
        return set().union(*below)

    for (section, name), keys in SECTIONS.items():
        known = leaves(getattr(config, section)[name].model_dump())
        named = {key for key in keys if not key.startswith("classes.")}
        assert named | left_out[section] == known


def test_a_slice_changes_where_its_key_counts(condition, monkeypatch):
    folder, _ = condition
    monkeypatch.chdir(folder)
    wrong = {}
    for key, (section, name, path, value, jobs) in KEYS.items():
        said = verdicts(load(folder / "config", overrides(section, name, path, value)))
        expected = {stage: plan.STALE if stage in jobs.split() else plan.FRESH for stage in FIRST}
        if said != expected:
            wrong[key] = {stage for stage in FIRST if said[stage] != expected[stage]}
    assert not wrong


CELL_JOBS = "train demo/mini/quick/0, evaluate demo/mini/quick/0"
COSTS = "profile demo/mini, speed tiny/demo"
LAST = "tables tiny, figures tiny, report tiny"
PLANNED = {
    None: "",
    "datasets.source.seed": f"download demo, tile demo, split demo/thirds, {CELL_JOBS}, {LAST}",
    "datasets.tile_size": f"tile demo, split demo/thirds, {COSTS}, {CELL_JOBS}, {LAST}",
    "splits.seed": f"split demo/thirds, {CELL_JOBS}, {LAST}",
    "models.widths": f"{COSTS}, {CELL_JOBS}, {LAST}",
    "recipes.epochs": f"{CELL_JOBS}, {LAST}",
    "recipes.evaluate.subset": f"evaluate demo/mini/quick/0, {LAST}",
    "study.title": LAST,
    "datasets.expected": "",
}


def test_what_depends_on_it_is_planned_too(condition, request):
    """All of them as built; where notes or dates are lost, enough to see that they decide
    nothing."""
    folder, server = condition
    as_built = "as built" in request.node.name
    keys = PLANNED if as_built else (None, "datasets.source.seed", "recipes.evaluate.subset")
    for key in keys:
        jobs = PLANNED[key]
        tree = overrides(*KEYS[key][:4]) if key else {}
        (folder / "mine.yaml").write_text(yaml.safe_dump(tree))
        planned = server.planned("--configfile", "mine.yaml")
        assert planned == set(filter(None, jobs.split(", "))), key


def test_a_dry_run_says_why(project):
    folder, server = project
    (folder / "mine.yaml").write_text(yaml.safe_dump({"recipes": {"quick": {"epochs": 3}}}))
    assert "train: made with another configuration\n" in server.run(
        "-n", "--configfile", "mine.yaml"
    )


@pytest.mark.parametrize(
    ("name", "first"),
    [
        ("data/tiles/demo/images.npy", "tile"),
        ("data/splits/demo/thirds.csv", "split"),
        (f"{CELL}/best.pt", "train"),
        (f"{CELL}/panels.npz", "evaluate"),
        ("results/tiny/figures/losses.svg", "figures"),
    ],
)
def test_a_file_swapped_by_hand_is_made_again(project, name, first):
    """With one of the same size and date."""
    folder, server = project
    path = folder / name
    before = path.read_bytes()
    state = path.stat()
    path.write_bytes(before[:-1] + bytes([before[-1] ^ 1]))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    said = server.run("-n")
    path.write_bytes(before)
    assert f"{first}: changed since they were made: {name}\n" in said
    assert f"rule {first}:" in said


def test_a_figure_that_was_deleted_is_drawn_again(project):
    folder, server = project
    figure = folder / "results/tiny/figures/losses.svg"
    kept = figure.rename(folder / "losses.svg")
    planned = server.planned()
    kept.rename(figure)
    assert planned == {"figures tiny", "report tiny"}
    assert server.planned() == set()
