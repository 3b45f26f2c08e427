"""Figures of a small study on disk: what is drawn against the files, and what is said of files that
do not fit."""

import base64
import io
import itertools
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import numpy as np
import pandas as pd
import pytest
from matplotlib.colors import to_hex
from PIL import Image

from satseg.config.datasets import LandClass
from satseg.config.recipes import Augmentation
from satseg.errors import UserError
from satseg.figures import style
from satseg.figures import tiles as pictures
from satseg.jobs.slices import StudySlice
from satseg.paths import FIGURES, PANELS, USUAL_FIGURES
from satseg.stages import figures as figures_stage
from satseg.stages import tables
from satseg.study import figures, panels
from satseg.study.augmentations import changed_tiles
from satseg.study.inputs import StudyInputs
from study_tree import CLASSES, SIZE, draw_masks, study_slice, tile_table, write_csv, write_tree

PUBLISHED = [
    {
        "dataset": "toy",
        "model": "beta",
        "recipe": "leaky",
        "metric": "train_loss",
        "epoch": 2,
        "value": 0.7,
    },
    {
        "dataset": "toy",
        "model": "beta",
        "recipe": "leaky",
        "metric": "val_jaccard",
        "epoch": 2,
        "value": 0.5,
    },
]
NAMES = [name for name, _, _ in CLASSES]
RUN = "results/runs/toy/beta/apart/seed0"


def build(root: Path, **study) -> StudySlice:
    """data/ and results/ with everything `figures` reads, and no figure."""
    spec = study_slice(**study)
    data, results = write_tree(root, spec)
    for stale in (root / "results/mine/figures").iterdir():
        stale.unlink()
    masks = draw_masks(np.random.default_rng(5), len(CLASSES))
    written = pd.read_csv(root / "data/tiles/toy/tiles.csv")[[f"pixels_{name}" for name in NAMES]]
    assert written.equals(tile_table(masks, NAMES)[list(written)]), (
        "these are not the masks of the tree"
    )
    rng = np.random.default_rng(6)
    np.save(root / "data/tiles/toy/masks.npy", masks)
    np.save(root / "data/tiles/toy/images.npy", rng.integers(0, 256, (*masks.shape, 3), np.uint8))
    for cell in spec.cells:
        split = pd.read_csv(root / f"data/splits/toy/{spec.recipes[cell.recipe].split}.csv")
        tiles = split.loc[split["subset"] == "test", "tile"].to_numpy()[:4]
        guesses = rng.integers(1, len(CLASSES), (len(tiles), SIZE, SIZE), np.uint8)
        path = root / "results/runs" / cell.path / "panels.npz"
        np.savez_compressed(path, tiles=tiles, predictions=guesses, hard=["", "", "Lake", ""])
    tables.run(spec, data, results)
    return spec


def draw(root: Path, spec: StudySlice) -> Path:
    figures_stage.run(spec, str(root / "data"), str(root / "results"))
    return root / "results" / spec.name / "figures"


def inputs(root: Path, spec: StudySlice) -> StudyInputs:
    return StudyInputs(spec, root / "data", root / "results")


@pytest.fixture(scope="module")
def tree(tmp_path_factory) -> tuple[Path, StudySlice]:
    """Three models, two recipes with different splits, two seeds; read only."""
    root = tmp_path_factory.mktemp("study")
    return root, build(root, seeds=[0, 1], published=PUBLISHED)


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> tuple[Path, StudySlice]:
    """Two models, one seed."""
    root = tmp_path_factory.mktemp("original")
    return root, build(root, models=("alpha", "beta"))


@pytest.fixture
def small(original, tmp_path) -> tuple[Path, StudySlice]:
    """A copy of the original, to be spoilt."""
    root, spec = original
    return shutil.copytree(root, tmp_path / "copy"), spec


# --- files ----------------------------------------------------------------------------------------


def test_every_figure_of_the_configuration_can_be_drawn():
    assert list(figures.DRAW) == list(FIGURES)


def test_a_tile_under_every_change(tree):
    root, spec = tree
    most = {
        "hue": 0.1, "brightness": 0.1, "contrast": 0.2, "gamma": 0.2, "saturation": 0.3,
        "season": 0.5, "exchange": 1.0, "scale": 0.25, "rot90": True, "hflip": True, "vflip": True,
    }  # fmt: skip
    recipes = dict(spec.recipes)
    recipes["apart"] = recipes["apart"].model_copy(update={"augmentation": Augmentation(**most)})
    given = inputs(root, spec.model_copy(update={"recipes": recipes}))
    (group,) = changed_tiles(given)
    views = dict(zip(group.names, group.images, strict=True))
    assert len(views) == 1 + 3 + 2 * 6 + 3 + 2  # unchanged, mirrored, factors, seasons, scenes
    assert {"hue -0.10", "hue +0.10", "autumn", "winter", "low sun", "scale 1.25"} <= set(views)
    before = views["unchanged"]
    assert np.array_equal(views["hflip"], before[:, ::-1])
    assert np.array_equal(views["rot90"], np.rot90(before))
    brighter = np.rint(np.minimum(before * 1.1, 255)).astype(int)
    assert np.abs(views["brightness 1.1"].astype(int) - brighter).max() <= 1
    figure = figures.draw_augmentations(given)
    assert len(figure.axes) >= len(views)
    assert changed_tiles(inputs(root, spec)) == []  # no recipe changes its tiles


def test_all_figures_are_written_whole_and_alike_twice(tree, tmp_path):
    root, spec = tree
    folder = draw(root, spec)
    assert {p.name for p in folder.iterdir()} == {
        f"{name}.{FIGURES[name]}" for name in USUAL_FIGURES
    } | {PANELS}
    first = {p.name: p.read_bytes() for p in folder.iterdir()}
    draw(root, spec)
    assert {p.name: p.read_bytes() for p in folder.iterdir()} == first
    for path in folder.glob("*.png"):
        with Image.open(path) as image:
            image.load()
            assert image.width == round(style.WIDTH * 150)
        assert path.stat().st_size < 1.5e6
    for path in folder.glob("*.svg"):
        svg = ElementTree.parse(path).getroot()
        assert svg.get("width") == f"{style.WIDTH * 72:g}pt"
        shown = {t.text for t in svg.iter("{http://www.w3.org/2000/svg}text")}
        wanted = {"classes": set(NAMES), "per_class": set(NAMES[1:])}.get(
            path.stem, {"alpha", "beta", "gamma"}
        )
        words = {re.split("  | ≈", text)[0] for text in shown if text}
        assert wanted <= words | shown, path.name


def test_the_pictures_apart_show_what_the_figure_shows(tree):
    """Decoded again, each is its mask or prediction in the class colours, and the accuracy is
    counted by hand."""
    root, spec = tree
    blocks = json.loads((draw(root, spec) / PANELS).read_text(encoding="utf-8"))["blocks"]
    known = panels.evaluated_tiles(inputs(root, spec))
    assert [block["title"] for block in blocks] == [group.title for group in known]
    for block, group in zip(blocks, known, strict=True):
        assert block["layers"] == ["Truth", "alpha", "beta", "gamma"]
        assert len(block["tiles"]) == len(group.images) > 1
        for row, tile in enumerate(block["tiles"]):
            mask = group.masks[row]
            alike = np.corrcoef(decoded(tile["image"]).ravel(), group.images[row].ravel())[0, 1]
            assert alike > 0.5  # noise as a JPEG
            assert (tile["note"], tile["hard"]) == (group.notes[row], "hard" in group.notes[row])
            truth, *guesses = tile["layers"]
            assert truth["accuracy"] is truth["errors"] is None
            assert np.array_equal(decoded(truth["picture"]), pictures.painted(mask, group.classes))
            for guess, predicted in zip(guesses, group.predictions.values(), strict=True):
                predicted = predicted[row]
                counted = [i in group.counted for i in mask.ravel()]
                right = sum(
                    a == b
                    for a, b, c in zip(predicted.ravel(), mask.ravel(), counted, strict=True)
                    if c
                )
                assert guess["accuracy"] == pytest.approx(right / sum(counted), abs=1e-4)
                inside = ~pictures.padding(mask)
                expected = pictures.painted(predicted, group.classes)
                assert np.array_equal(decoded(guess["picture"])[inside], expected[inside])
                wrong = decoded(guess["errors"], "RGBA")
                assert np.array_equal(
                    wrong[..., 3] == 0, (predicted == mask) & np.isin(mask, group.counted)
                )
                pink = (wrong == (*bytes.fromhex(pictures.WRONG[1:]), 255)).all(-1)
                assert np.array_equal(pink, (predicted != mask) & np.isin(mask, group.counted))


def decoded(uri: str, mode: str = "RGB") -> np.ndarray:
    """The pixels of a picture in a data URI, uint8 [H, W, 3 or 4]."""
    content = base64.b64decode(uri.split(";base64,")[1])
    return np.asarray(Image.open(io.BytesIO(content)).convert(mode))


def test_only_the_figures_of_the_study_are_made(small):
    root, spec = small
    chosen = spec.model_copy(
        update={"study": spec.study.model_copy(update={"figures": ["losses", "samples"]})}
    )
    for unneeded in (root / "results/runs").rglob("panels.npz"):
        unneeded.unlink()
    assert sorted(p.name for p in draw(root, chosen).iterdir()) == ["losses.svg", "samples.png"]


def test_command_line(small, tmp_path):
    root, spec = small
    chosen = spec.study.model_copy(update={"figures": ["leakage"]})
    (tmp_path / "slice.json").write_text(
        spec.model_copy(update={"study": chosen}).model_dump_json()
    )
    command = [
        sys.executable,
        "-m",
        "satseg.stages.figures",
        "--slice",
        str(tmp_path / "slice.json"),
    ]
    command += ["--data", str(root / "data"), "--results", str(root / "results")]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert (done.returncode, "leakage" in done.stderr) == (0, True)
    (root / "results/mine/tables/summary.csv").unlink()
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    summary = root / "results/mine/tables/summary.csv"
    assert done.stderr.strip() == f"error: {summary}: no such file; run the stage that writes it"


# --- numbers --------------------------------------------------------------------------------------


def test_class_shares_are_counted_from_the_masks(tree):
    root, spec = tree
    figure = figures.draw_classes(inputs(root, spec))
    masks = np.load(root / "data/tiles/toy/masks.npy")
    table = pd.read_csv(root / "data/tiles/toy/tiles.csv")
    assert len(figure.axes) == 2
    for axes, split in zip(figure.axes, ["by_leaky", "by_apart"], strict=True):
        subset = pd.read_csv(root / f"data/splits/toy/{split}.csv")["subset"]
        whole = table["whole"] == 1
        for name, chosen in [
            ("all", whole),
            *((s, whole & (subset == s)) for s in ("train", "val", "test")),
        ]:
            labels = masks[chosen]
            labels = labels[labels != 255]
            shares = [(labels == i).mean() for i in range(len(NAMES))]
            lines = {line.get_label(): line.get_xdata() for line in axes.lines}
            drawn = [bar.get_width() for bar in axes.patches] if name == "all" else lines[name]
            assert list(drawn) == pytest.approx(shares), (split, name)
        assert [to_hex(bar.get_facecolor()).upper() for bar in axes.patches] == [
            c for _, c, _ in CLASSES
        ]
        assert f"{whole.sum()} whole tiles" in axes.get_title(loc="left")


def test_padded_tiles_count_where_the_recipe_uses_them(tree):
    root, spec = tree
    recipes = {
        name: r.model_copy(update={"padded_tiles": True}) for name, r in spec.recipes.items()
    }
    figure = figures.draw_classes(inputs(root, spec.model_copy(update={"recipes": recipes})))
    masks = np.load(root / "data/tiles/toy/masks.npy")
    shares = [(masks[masks != 255] == i).mean() for i in range(len(NAMES))]
    assert [bar.get_width() for bar in figure.axes[0].patches] == pytest.approx(shares)


def test_samples_are_diverse_whole_and_of_different_scenes():
    rng = np.random.default_rng(2)
    lands = [LandClass(name=n, color=c) for n, c, _ in CLASSES]
    pixels = {f"pixels_{n}": rng.integers(0, 50, 40) * rng.integers(0, 2, 40) for n in NAMES}
    table = pd.DataFrame(
        {"tile": range(40), "scene": np.arange(40) // 5, "whole": rng.integers(0, 2, 40)} | pixels
    )
    best = {}
    for row in table.to_dict("records"):
        counts = [row[f"pixels_{n}"] for n in NAMES]
        parts = [c / sum(counts) for c in counts if c]
        key = (row["whole"], -sum(p * np.log(p) for p in parts))
        best[row["scene"]] = max(best.get(row["scene"], (-1, -1, 0)), (*key, row["tile"]))
    expected = sorted(tile for _, _, tile in sorted(best.values(), reverse=True)[:4])
    assert panels.diverse_tiles(table, lands, 4).tolist() == expected
    assert len(panels.diverse_tiles(table, lands, 30)) == 8


def test_sample_images_are_those_of_the_store(tree):
    root, spec = tree
    figure = figures.draw_samples(inputs(root, spec))
    images = np.load(root / "data/tiles/toy/images.npy")
    shown = [axes.images[0].get_array() for axes in figure.axes[::2]]
    assert len(shown) == 6
    assert all(any(np.array_equal(picture, image) for image in images) for picture in shown)


def test_predictions_show_the_first_seed_of_every_model_by_recipe(tree):
    root, spec = tree
    figure = figures.draw_predictions(inputs(root, spec))
    assert len(figure.axes) == 2 * 4 * (2 + 3)
    masks = np.load(root / "data/tiles/toy/masks.npy")
    lands = spec.datasets["toy"].classes
    for block, recipe in enumerate(["leaky", "apart"]):
        for column, model in enumerate(["alpha", "beta", "gamma"]):
            with np.load(root / f"results/runs/toy/{model}/{recipe}/seed0/panels.npz") as arrays:
                tile = arrays["tiles"][2]  # the hard one, which comes last
                guess = arrays["predictions"][2]
            axes = figure.axes[block * 20 + 15 : block * 20 + 20]
            assert np.array_equal(
                axes[1].images[0].get_array(), pictures.painted(masks[tile], lands)
            )
            guess = np.where(pictures.padding(masks[tile]), 255, guess)
            assert np.array_equal(
                axes[2 + column].images[0].get_array(), pictures.painted(guess, lands)
            )


def test_percentiles_of_shown_tiles_are_those_of_the_models_mean(tree):
    """Counted by hand from counts.csv: the mean over models, seeds and the classes of the mask."""
    root, spec = tree
    group = panels.evaluated_tiles(inputs(root, spec))[1]
    frames = []
    for model, seed in itertools.product(spec.models, (0, 1)):
        counts = pd.read_csv(root / f"results/runs/toy/{model}/apart/seed{seed}/counts.csv")
        counts["iou"] = counts["tp"] / (counts["tp"] + counts["fp"] + counts["fn"])
        frames.append(counts[counts["tp"] + counts["fn"] > 0])
    runs = [frame.groupby("tile")["iou"].mean() for frame in frames]
    means = pd.concat(runs, axis=1).mean(axis=1)
    with np.load(root / "results/runs/toy/alpha/apart/seed0/panels.npz") as arrays:
        hard = arrays["tiles"][2]
        typical = np.delete(arrays["tiles"], 2)
    ranks = {tile: 100 * ((means < means[tile]).sum() + 0.5) / len(means) for tile in typical}
    assert means.is_unique
    written = [float(note.split()[-1]) for note in group.notes]
    assert sorted(written[:3]) == sorted(np.floor(list(ranks.values())))
    below = 100 * ((means < means[hard]).sum() + 0.5) / len(means)
    assert (group.hard, group.notes[3]) == (1, f"hard: odd Lake, percentile {np.floor(below):.0f}")


def test_histories_are_read_by_cell_and_losses_meet_the_report(tree):
    root, spec = tree
    figure = figures.draw_losses(inputs(root, spec))
    assert [axes.get_title(loc="left") for axes in figure.axes] == ["alpha", "beta", "gamma"] * 2
    marks = [
        (i, line)
        for i, a in enumerate(figure.axes)
        for line in a.lines
        if line.get_label() == "published"
    ]
    assert [(i, tuple(line.get_xydata()[0])) for i, line in marks] == [(1, (2, 0.7))]
    for axes, (recipe, model) in zip(
        figure.axes, [(r, m) for r in ("leaky", "apart") for m in spec.models], strict=True
    ):
        drawn = [line.get_ydata() for line in axes.lines if line.get_label() == "validation"]
        for seed, values in enumerate(drawn):
            history = pd.read_csv(
                root / f"results/runs/toy/{model}/{recipe}/seed{seed}/history.csv"
            )
            assert np.array_equal(values, history["val_loss"])
        assert len(drawn) == 2


def test_leakage_shows_the_row_the_recipe_is_evaluated_on(tree):
    root, spec = tree
    shared, _ = figures.draw_leakage(inputs(root, spec)).axes
    expected = []
    for split in ("by_leaky", "by_apart"):
        rows = pd.read_csv(root / f"data/splits/toy/{split}.leakage.csv")
        row = rows[(rows["pool"] == "whole") & (rows["subset"] == "test")].iloc[0]
        if row["exposed"]:
            expected += [row["scene_shared"] / row["tiles"], row["exposed"] / row["tiles"]]
    assert [bar.get_width() for bar in shared.patches] == pytest.approx(expected)


def test_cost_and_per_class_take_the_scores_of_their_recipe(tree):
    root, spec = tree
    scores = pd.read_csv(root / "results/mine/tables/scores.csv")
    models = pd.read_csv(root / "results/mine/tables/models.csv").set_index(["model", "recipe"])
    cost = figures.draw_cost(inputs(root, spec)).axes
    dots = figures.draw_per_class(inputs(root, spec)).axes
    assert (len(cost), len(dots)) == (2 * 3, 2 * 3)
    for block, recipe in enumerate(["leaky", "apart"]):
        mine = scores[(scores["recipe"] == recipe) & (scores["model"] == "beta")]
        value = mine.loc[mine["metric"] == "miou_d", "value"].mean()
        points = [
            tuple(line.get_xydata()[0])
            for line in cost[3 * block + 1].lines
            if line.get_marker() == "o"
        ]
        names = {t.get_text() for t in cost[3 * block + 1].texts}
        # Four groups of tested tiles tell no model from the best; ten tell the worst one.
        assert names & {"beta ≈", "gamma ≈"} == (
            {"beta ≈", "gamma ≈"} if block else names & {"beta ≈"}
        )
        assert points[1] == pytest.approx((models.loc[("beta", recipe), "latency_ms"], value))
        iou = mine.loc[(mine["metric"] == "iou") & (mine["class"] == "Wood"), "value"]
        marks = [
            p
            for line in dots[3 * block + 1].lines
            if line.get_marker() == "o"
            for p in line.get_xydata().tolist()
        ]
        assert [pytest.approx(iou.mean()), 1.0] in marks


def test_architecture_takes_size_and_classes_from_the_store(tree):
    root, spec = tree
    shown = {t.get_text() for t in figures.draw_architecture(inputs(root, spec)).axes[0].texts}
    assert {"16²", "8²", "4"} <= shown
    assert any(t.startswith("2.47 M parameters") for t in shown)  # of the second model's profile


# --- what does not fit ----------------------------------------------------------------------------


def fails(root: Path, spec: StudySlice, figure: str) -> str:
    with pytest.raises(UserError) as caught:
        figures.DRAW[figure](inputs(root, spec))
    assert "\n" not in str(caught.value)
    return str(caught.value)


@pytest.mark.parametrize(
    ("figure", "path"),
    [
        ("samples", "data/tiles/toy/tiles.csv"),
        ("samples", "data/tiles/toy/masks.npy"),
        ("classes", "data/splits/toy/by_apart.csv"),
        ("architecture", "data/tiles/toy/images.npy"),
        ("architecture", "results/mine/tables/models.csv"),
        ("metrics", f"{RUN}/history.csv"),
        ("losses", f"{RUN}/history.csv"),
        ("predictions", f"{RUN}/panels.npz"),
        ("predictions", f"{RUN}/counts.csv"),
        ("per_class", "results/mine/tables/scores.csv"),
        ("leakage", "data/splits/toy/by_apart.leakage.csv"),
        ("cost", "results/mine/tables/models.csv"),
    ],
)
def test_a_missing_file_is_named(small, figure, path):
    root, spec = small
    (root / path).unlink()
    assert fails(root, spec, figure) == f"{root / path}: no such file; run the stage that writes it"


@pytest.mark.parametrize(
    ("figure", "path", "column"),
    [
        ("classes", "data/tiles/toy/tiles.csv", "pixels_Wood"),
        ("metrics", f"{RUN}/history.csv", "val_dice"),
        ("per_class", "results/mine/tables/summary.csv", "high"),
        ("cost", "results/mine/tables/differences.csv", "low"),
        ("cost", "results/mine/tables/models.csv", "latency_ms"),
    ],
)
def test_a_missing_column_is_named(small, figure, path, column):
    root, spec = small
    write_csv(root / path, pd.read_csv(root / path).drop(columns=column))
    assert f"{root / path}: column {column!r} is missing" in fails(root, spec, figure)


@pytest.mark.parametrize("content", [b"", b"not an array", b"PK\x03\x04 torn"])
def test_damaged_arrays_are_named(small, content):
    root, spec = small
    (root / RUN / "panels.npz").write_bytes(content)
    assert fails(root, spec, "predictions").startswith(f"{root / RUN / 'panels.npz'}: ")
    (root / "data/tiles/toy/images.npy").write_bytes(content)
    assert fails(root, spec, "samples").startswith(f"{root / 'data/tiles/toy/images.npy'}: ")


def test_panels_of_other_tiles_are_refused(small):
    root, spec = small
    path = root / RUN / "panels.npz"
    with np.load(path) as arrays:
        tiles = arrays["tiles"]
        guesses = arrays["predictions"]
    np.savez(path, tiles=tiles + 1, predictions=guesses, hard=[""] * 4)
    assert "its tiles are not those of the other models" in fails(root, spec, "predictions")
    np.savez(path, tiles=tiles, predictions=guesses[:, :8], hard=[""] * 4)
    assert "its tiles are not those of the tile store" in fails(root, spec, "predictions")
    np.savez(path, tiles=tiles)
    assert "'predictions' is missing" in fails(root, spec, "predictions")


def test_a_tile_store_of_another_size_is_refused(small):
    root, spec = small
    path = root / "data/tiles/toy/images.npy"
    np.save(path, np.load(path)[:-1])
    assert fails(root, spec, "samples") == f"{path}: 119 tiles, but tiles.csv has 120; tile again"


def test_scores_without_a_model_are_refused(small):
    root, spec = small
    path = root / "results/mine/tables/scores.csv"
    scores = pd.read_csv(path)
    write_csv(path, scores[scores["model"] != "beta"])
    assert f"{path}: no score of 'beta' on 'toy' with 'leaky'" in fails(root, spec, "per_class")


def test_an_audit_without_the_evaluated_subset_is_refused(small):
    root, spec = small
    path = root / "data/splits/toy/by_leaky.leakage.csv"
    rows = pd.read_csv(path)
    write_csv(path, rows[rows["subset"] != "test"])
    refusal = f"{path}: not of the split beside it; delete the file and build it again"
    assert fails(root, spec, "leakage") == refusal


def test_an_empty_history_is_refused(small):
    root, spec = small
    path = root / RUN / "history.csv"
    write_csv(path, pd.read_csv(path).head(0))
    assert (
        fails(root, spec, "losses") == f"{path}: it has no epoch; delete the file and train again"
    )


def test_nothing_half_written_stays(small):
    root, spec = small
    (root / RUN / "panels.npz").unlink()
    with pytest.raises(UserError):
        draw(root, spec)
    assert not any((root / "results/mine/figures").iterdir())
