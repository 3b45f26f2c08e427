"""Figures are judged by what is drawn: positions, widths and texts against numbers computed another
way."""

import itertools
import re
from math import log2
from xml.etree import ElementTree

import matplotlib
import numpy as np
import pandas as pd
import pytest
import torch
from matplotlib.axes import Axes
from matplotlib.axis import Tick
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.colors import to_hex
from matplotlib.figure import Figure
from matplotlib.patches import FancyBboxPatch, Rectangle
from matplotlib.text import Annotation, Text

from satseg.config.datasets import LandClass
from satseg.config.models import CompactSpec, SmpSpec, UNetSpec
from satseg.figures import (
    architecture,
    classes,
    cost,
    curves,
    dark,
    leakage,
    loss_curves,
    metric_curves,
    outlines,
    per_class,
    predictions,
    samples,
    saving,
    scales,
    slabs,
    style,
)
from satseg.figures import tiles as pictures
from satseg.measures import CURVES, MAJORITY
from satseg.models import build_model
from satseg.statistics.front import pareto_front

CLASSES = [
    LandClass(name="Void", color="#000000", unlabelled=True),
    LandClass(name="Field", color="#FFFFFF"),
    LandClass(name="Wood", color="#267300"),
]
MODELS = [
    "unet_base",
    "unet_short",
    "unet_skinny",
    "unet_less_conv",
    "plusplus",
    "deep_three",
    "small",
]
COLORS = style.model_colors(MODELS)


def unet(widths=(8, 16), convs=(1, 3), decoder=(2, 1), **more) -> UNetSpec:
    deepest = {"width": 24, "convs": 2}
    return UNetSpec(
        family="unet", widths=widths, convs=convs, bottleneck=deepest, decoder_convs=decoder, **more
    )


COMPACT = CompactSpec(family="compact", encoder={"stem": 4, "widths": [8, 16], "blocks": [1, 1]})


def texts(figure: Figure) -> list[Text]:
    """Every text that is seen, once the figure is laid out."""
    FigureCanvasAgg(figure)
    figure.draw_without_rendering()
    # Ticks outside an axis' limits exist, but are not drawn.
    axes = [
        axis for each in figure.findobj(Axes) if each.axison for axis in (each.xaxis, each.yaxis)
    ]
    drawn = {id(tick) for axis in axes for tick in axis._update_ticks()}
    hidden = {
        id(t) for tick in figure.findobj(Tick) if id(tick) not in drawn for t in tick.findobj(Text)
    }
    found = figure.findobj(
        lambda a: isinstance(a, Text) and a.get_visible() and a.get_text().strip()
    )
    return [t for t in found if id(t) not in hidden]


def words(figure: Figure) -> set[str]:
    return {t.get_text() for t in texts(figure)}


def names(axes: Axes) -> list[str]:
    """What is written in axes; a line that leads to a name has no words."""
    return [t.get_text() for t in axes.texts if t.get_text()]


def overlapping(figure: Figure) -> list[tuple[str, str]]:
    """Pairs of texts that lie over each other, and texts that reach over the figure's edge."""
    boxes = [(t.get_text(), t.get_window_extent()) for t in texts(figure)]
    pairs = [
        (a, b)
        for (a, x), (b, y) in itertools.combinations(boxes, 2)
        if x.padded(-1).overlaps(y.padded(-1))
    ]
    edge = figure.bbox.padded(2)
    return pairs + [
        (name, "the edge") for name, box in boxes if edge.count_contains(box.corners()) < 4
    ]


def dots(axes) -> list[tuple[float, float]]:
    """Positions of all markers."""
    lines = [line for line in axes.lines if line.get_marker() not in ("None", None)]
    return [tuple(point) for line in lines for point in line.get_xydata()]


# --- photographs and masks ------------------------------------------------------------------------


def test_masks_take_their_class_colours_and_no_label_none_of_them():
    mask = np.random.default_rng(0).choice([0, 1, 2, 255], size=(64, 64)).astype(np.uint8)
    picture = pictures.painted(mask, CLASSES)
    for i, land in enumerate(CLASSES):
        assert {to_hex(c / 255).upper() for c in np.unique(picture[mask == i], axis=0)} == {
            land.color
        }
    stripes = {tuple(c) for c in np.unique(picture[mask == 255], axis=0)}
    assert stripes == {(190, 190, 190), (245, 245, 245)}


@pytest.mark.parametrize(("height", "width"), [(16, 16), (10, 16), (16, 3), (5, 7), (0, 0)])
def test_padding_is_what_lies_beyond_the_scene(height, width):
    mask = np.full((16, 16), 255, np.uint8)
    mask[:height, :width] = 1
    mask[2:4, 1:3] = 255  # a gap in the labels is no padding
    if height == 0:
        mask[:] = 255
    expected = np.ones((16, 16), bool)
    expected[:height, :width] = False
    assert np.array_equal(pictures.padding(mask), expected)


def test_images_of_any_number_of_bands_are_shown():
    image = np.random.default_rng(0).integers(0, 256, (4, 4, 5), np.uint8)
    assert np.array_equal(pictures.photograph(image), image[..., [0, 1, 2]])
    assert np.array_equal(pictures.photograph(image[..., :2]), image[..., [0, 0, 0]])


def test_accuracy_of_a_tile_counts_only_classes_that_count():
    rng = np.random.default_rng(1)
    mask = rng.choice([0, 1, 2, 255], (9, 9))
    guess = rng.choice([1, 2], (9, 9))
    pairs = [(m, g) for m, g in zip(mask.ravel(), guess.ravel(), strict=True) if m in (1, 2)]
    assert pictures.shown_accuracy(guess, mask, [1, 2]) == pytest.approx(
        sum(m == g for m, g in pairs) / len(pairs)
    )
    assert np.isnan(pictures.shown_accuracy(guess, np.zeros((9, 9)), [1, 2]))


def shown_tiles(tiles: int, models: list[str], title="Toy land") -> pictures.ShownTiles:
    rng = np.random.default_rng(3)
    masks = rng.choice([0, 1, 2], (tiles, 32, 32)).astype(np.uint8)
    masks[0, 20:] = 255
    images = rng.integers(0, 256, (tiles, 32, 32, 3), np.uint8)
    guesses = {model: rng.choice([1, 2], masks.shape).astype(np.uint8) for model in models}
    scenes = [f"scene_{i}" for i in range(tiles)]
    return pictures.ShownTiles(title, CLASSES, scenes, images, masks, guesses, [1, 2])


@pytest.mark.parametrize(("blocks", "tiles"), [(1, 6), (1, 2), (2, 4), (3, 3)])
def test_samples_pair_every_tile_with_its_mask(blocks, tiles):
    block = shown_tiles(tiles, [])
    figure = samples.samples_figure([block] * blocks)
    assert len(figure.axes) == 2 * tiles * blocks
    image, mask = figure.axes[:2]
    assert np.array_equal(image.images[0].get_array(), block.images[0])
    assert np.array_equal(mask.images[0].get_array(), pictures.painted(block.masks[0], CLASSES))
    assert mask.get_position().x0 > image.get_position().x1
    assert {"Void", "Field", "Wood", "no label", "scene_0"} <= words(figure)
    assert not overlapping(figure)


@pytest.mark.parametrize(("blocks", "models"), [(1, 1), (2, 1), (1, 3), (2, 7), (5, 2)])
def test_predictions_have_a_row_per_tile_and_a_column_per_model(blocks, models):
    block = shown_tiles(4, MODELS[:models])
    figure = predictions.predictions_figure([block] * blocks)
    assert len(figure.axes) == blocks * 4 * (2 + models)
    columns = {round(a.get_position().x0, 4) for a in figure.axes[: 4 * (2 + models)]}
    rows = {round(a.get_position().y0, 4) for a in figure.axes[: 4 * (2 + models)]}
    assert (len(columns), len(rows)) == (2 + models, 4)
    padded = figure.axes[2].images[0].get_array()
    assert np.array_equal(padded[20:], pictures.painted(block.masks[0], CLASSES)[20:])
    shown = [t.get_text() for t in texts(figure)]
    for tile in range(4):
        right = np.isin(block.masks[tile], [1, 2])
        share = (block.predictions[MODELS[0]][tile] == block.masks[tile])[right].mean()
        assert shown.count(f"{share:.2f}") >= blocks
    assert [name.replace("\n", "") for name in shown if name.replace("\n", "") in MODELS] == MODELS[
        :models
    ] * blocks
    assert not overlapping(figure)


def test_what_stands_left_of_small_tiles_is_whole():
    block = shown_tiles(2, [f"model_number_{i}" for i in range(10)])
    names, notes = ["tile1_part009"] * 2, ["percentile 50", "hard: odd Vegetation, percentile 27"]
    figure = predictions.predictions_figure([block._replace(names=names, notes=notes)])
    left = [t for t in texts(figure) if t.get_rotation() == 90]
    assert len(left) == 4
    assert all(t.get_window_extent().x0 >= 0 for t in left)
    assert not overlapping(figure)


def test_a_tile_without_counted_pixels_has_no_accuracy():
    block = shown_tiles(1, ["small"])
    block.masks[:] = 0
    assert "–" in words(predictions.predictions_figure([block]))


# --- classes --------------------------------------------------------------------------------------


def test_bars_and_marks_are_the_shares():
    overall = np.array([0.004, 0.6, 0.396])
    subsets = {"train": np.array([0.0, 0.7, 0.3]), "test": np.array([0.1, 0.5, 0.4])}
    figure = classes.classes_figure(
        [classes.ClassShares("Toy land", CLASSES, overall, subsets)] * 3
    )
    assert len(figure.axes) == 3
    for axes in figure.axes:
        bars = [p for p in axes.patches if isinstance(p, Rectangle)]
        assert [b.get_width() for b in bars] == pytest.approx(overall)
        assert [to_hex(b.get_facecolor()).upper() for b in bars] == [c.color for c in CLASSES]
        drawn = {line.get_label(): line.get_xdata() for line in axes.lines}
        assert {k: list(v) for k, v in drawn.items()} == {k: list(v) for k, v in subsets.items()}
        assert [t.get_text() for t in axes.get_yticklabels()] == ["Void", "Field", "Wood"]
    assert {"0.4 %", "60 %", "40 %"} <= words(figure)
    assert not overlapping(figure)


def test_a_subset_without_labels_does_not_break_the_shares():
    nothing = np.full(3, np.nan)
    figure = classes.classes_figure(
        [classes.ClassShares("Toy land", CLASSES, np.array([0, 1, 0.0]), {"val": nothing})]
    )
    assert figure.axes[0].get_xlim()[1] == pytest.approx(1.2)


# --- architectures --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "spec",
    [unet(), unet((4,), (2,), (1,)), unet((8, 8, 4), (1, 2, 3), (3, 2, 1), batch_norm=False)],
)
def test_blocks_are_those_of_the_real_model(spec):
    model = build_model(spec, num_classes=5, in_channels=2)
    seen = []
    convs = []
    for name, module in model.named_modules():
        if name.endswith("block") or name == "bottleneck":
            module.register_forward_hook(lambda m, i, o: seen.append((o.shape[1], o.shape[2])))
            convs.append(sum(isinstance(layer, torch.nn.Conv2d) for layer in module.modules()))
    with torch.no_grad():
        logits = model(torch.zeros(1, 2, 32, 32))
    columns = architecture.unet_stages(spec, slabs.ModelInput("Toy land", 32, 2, 5))
    inner = columns[1:-1]
    assert [(c.channels, c.size) for c in inner] == seen
    assert sorted(c.convs for c in inner) == sorted(convs)
    assert [c.convs for c in inner] == [*spec.convs, spec.bottleneck.convs, *spec.decoder_convs]
    assert (columns[0].channels, columns[0].size) == (2, 32)
    assert (columns[-1].channels, columns[-1].size) == (logits.shape[1], logits.shape[2])


def test_a_decoder_takes_what_its_skip_connection_brings():
    sdi = {"kind": "sdi", "channels": 6, "from_level": 3}
    for skips, brought in ((None, [32, 32, 16, 8]), (sdi, [6, 6, 16, 8])):
        spec = unet((8, 16, 32, 32), (1, 1, 1, 1), (1, 1, 1, 1), skips=skips)
        columns = architecture.unet_stages(spec, slabs.ModelInput("Toy land", 32, 2, 5))
        decoder = [column for column in columns if column.kind == "decoder"]
        assert [column.skip for column in decoder] == brought
        levels = build_model(spec, num_classes=5, in_channels=2).decoder
        convs = [
            next(m for m in level.block.modules() if isinstance(m, torch.nn.Conv2d))
            for level in levels
        ]
        assert [c.in_channels for c in convs] == [c.channels + c.skip for c in decoder]


def test_unet_boxes_skips_and_labels():
    spec = unet(dropout=0.2)
    figure = architecture.architecture_figure(
        {"mine": spec}, [slabs.ModelInput("Toy land", 64, 3, 6)], {"mine": 1_234_567}
    )
    axes = figure.axes[0]
    boxes = [p for p in axes.patches if type(p) is Rectangle]
    # Input, encoder, bottleneck, decoder with its skip connection and up-convolution, output.
    assert len(boxes) == 1 + (1 + 3) + 2 + (2 + 2) + (1 + 2) + 1
    heights = sorted({round(b.get_height(), 6) for b in boxes}, reverse=True)
    assert heights == pytest.approx(
        [slabs.BOX * (log2(s) + 1) / (log2(64) + 1) for s in (64, 32, 16)], abs=1e-5
    )
    widths = {round(b.get_width() / boxes[1].get_width(), 4) for b in boxes[1:-1]}
    assert widths == {round(float(np.sqrt(c / 8)), 4) for c in (8, 16, 24)}
    dashed = [b for b in boxes if b.get_linestyle() not in ("-", "solid")]
    assert len(dashed) == len(spec.widths)
    arrows = [a for a in axes.texts if isinstance(a, Annotation)]
    grey = [a for a in arrows if to_hex(a.arrow_patch.get_edgecolor()) == style.MUTED.lower()]
    assert len(grey) == len(spec.widths) + 1  # one is the key's
    assert len(arrows) == len(spec.widths) + 6 + 4
    shown = words(figure)
    assert {"24", "64²", "32²", "16²", "6", "1×1", "mine"} <= shown
    assert any(
        "1.23 M parameters" in t and "dropout 0.2" in t and "batch normalisation" in t
        for t in shown
    )
    assert not overlapping(figure)


def test_infused_skips_meet_in_a_box():
    skips = {"kind": "sdi", "channels": 5, "from_level": 2}
    figure = architecture.architecture_figure(
        {"mine": unet((8, 16, 24), (1, 1, 1), (1, 1, 1), skips=skips)},
        [slabs.ModelInput("Toy land", 64, 3, 6)],
        {},
    )
    arrows = [a for a in figure.axes[0].texts if isinstance(a, Annotation)]
    grey = [a for a in arrows if to_hex(a.arrow_patch.get_edgecolor()) == style.MUTED.lower()]
    assert len(grey) == 1 + 2 * 2 + 1  # a plain one, two in two halves, the key's
    shown = words(figure)
    assert "SDI\n5" in shown and any("levels 2 and deeper meet in SDI" in t for t in shown)
    assert not overlapping(figure)


OUTLINE = {
    "input": 512,
    "encoder": [[12, 256], [16, 128], [24, 64], [32, 32], [40, 16]],
    "decoder": [[24, 16], [24, 32], [24, 64], [24, 128], [12, 256]],
    "output": 256,
}


def test_an_outlined_model_is_drawn_with_the_skips_it_has():
    toy = slabs.ModelInput("Toy land", 128, 4, 6)
    deeplab = OUTLINE | {"encoder": [[8, 256], [8, 128], [9, 64], [10, 32], [11, 32]]}
    deeplab |= {"decoder": [[7, 32], [7, 128]], "output": 128}
    library = SmpSpec(family="smp", architecture="DeepLabV3Plus", encoder="resnet18")
    pyramid = library.model_copy(update={"architecture": "PSPNet"})
    levels = outlines.outline_levels(OUTLINE, toy)
    assert [level.size for level in levels] == [128, 64, 32, 16, 8, 4, 4, 8, 16, 32, 64, 64]
    assert outlines.skip_pairs(levels, COMPACT) == [(4, 7), (3, 8), (2, 9), (1, 10)]
    assert outlines.skip_pairs(outlines.outline_levels(deeplab, toy), library) == [(2, 7)]
    assert outlines.skip_pairs(outlines.outline_levels(deeplab, toy), pyramid) == []

    models = {"swift": COMPACT, "deeplab": library}
    found = {"swift": OUTLINE, "deeplab": deeplab}
    figure = architecture.architecture_figure(models, [toy], {"swift": 1_234_567}, found)
    axes = figure.axes[0]
    assert len([patch for patch in axes.patches if type(patch) is Rectangle]) == 12 + 9
    arrows = [text for text in axes.texts if isinstance(text, Annotation)]
    assert len(arrows) == 11 + 4 + 8 + 1
    shown = words(figure)
    assert any("1.23 M" in text and "logits are enlarged 2-fold" in text for text in shown)
    assert any("logits are enlarged 4-fold" in text for text in shown)
    assert not overlapping(figure)


def test_library_models_get_a_card_and_deep_networks_fit():
    deep = unet((32, 64, 128, 256, 512, 512), (3, 3, 1, 1, 1, 1), (1, 1, 1, 1, 3, 3))
    card = SmpSpec(family="smp", architecture="Linknet", encoder="resnet18")
    given = [
        slabs.ModelInput("Toy land", 512, 3, 6),
        slabs.ModelInput("Other land", 256, 4, 8),
    ]
    models = {"deep": deep, "flat": unet(), "lib": card, "lib2": card, "swift": COMPACT}
    figure = architecture.architecture_figure(models, given, {"lib": float("nan")})
    assert sum(isinstance(p, FancyBboxPatch) for p in figure.axes[0].patches) == 3
    shown = words(figure)
    assert "Linknet, encoder resnet18, random weights" in shown
    assert "compact: encoder 4 8 16, decoder 64 32" in shown
    assert any("Other land: 4 bands, tiles of 256², 8 classes" in t for t in shown)
    right = max(p.get_x() + p.get_width() for p in figure.axes[0].patches if type(p) is Rectangle)
    assert right == pytest.approx(style.WIDTH - slabs.RIGHT)
    assert not overlapping(figure)


def test_only_library_models():
    card = SmpSpec(
        family="smp", architecture="Linknet", encoder="resnet18", encoder_weights="imagenet"
    )
    figure = architecture.architecture_figure(
        {"lib": card}, [slabs.ModelInput("Toy land", 512, 3, 6)], {"lib": 2e6}
    )
    assert "2.00 M parameters; Linknet, encoder resnet18, imagenet weights" in words(figure)


# --- histories ------------------------------------------------------------------------------------


def history(epochs: int, seed: int) -> pd.DataFrame:
    rng = np.random.default_rng(seed)
    columns = [f"{s}_{m}" for s in ("train", "val") for m in ["loss", *CURVES]]
    frame = pd.DataFrame(rng.uniform(0.2, 0.9, (epochs, len(columns))), columns=columns)
    return frame.assign(epoch=range(1, epochs + 1))


def study_runs(groups: int, models: int, seeds: int, epochs: int = 12) -> list[curves.ModelRuns]:
    return [
        curves.ModelRuns(
            f"Toy land {g}", model, [history(epochs - s, g * 100 + s) for s in range(seeds)]
        )
        for g in range(groups)
        for model in MODELS[:models]
    ]


@pytest.mark.parametrize(("groups", "models", "seeds"), [(2, 1, 1), (1, 3, 1), (1, 7, 3)])
def test_metrics_draw_every_history(groups, models, seeds):
    runs = study_runs(groups, models, seeds)
    figure = metric_curves.metrics_figure(runs, COLORS)
    assert len(figure.axes) == 5 * len(runs)
    for i, run in enumerate(runs):
        for axes, metric in zip(figure.axes[5 * i : 5 * i + 5], CURVES, strict=True):
            assert len(axes.lines) == 2 * seeds
            assert {line.get_color() for line in axes.lines} == {COLORS[run.model]}
            for line, (h, subset) in zip(
                axes.lines, itertools.product(run.histories, ("train", "val")), strict=True
            ):
                assert np.array_equal(line.get_xydata(), h[["epoch", f"{subset}_{metric}"]])
            last = np.mean([h[f"val_{metric}"].iloc[-1] for h in run.histories])
            assert [t.get_text() for t in axes.texts] == [f"{last:.2f}"]
    assert not overlapping(figure)


@pytest.mark.parametrize(
    ("groups", "models", "seeds", "shape"),
    [(2, 1, 1, (1, 2)), (2, 3, 2, (2, 3)), (1, 7, 3, (2, 4))],
)
def test_losses_draw_every_history(groups, models, seeds, shape):
    runs = study_runs(groups, models, seeds)
    figure = loss_curves.losses_figure(runs, COLORS)
    assert len(figure.axes) == len(runs)
    places = [a.get_subplotspec().get_gridspec().get_geometry() for a in figure.axes]
    rows = places[0][0] * (1 if models == 1 else groups)
    assert (rows, places[0][1]) == shape
    for axes, run in zip(figure.axes, runs, strict=True):
        values = np.concatenate([line.get_ydata() for line in axes.lines])
        expected = np.concatenate(
            [h[["train_loss", "val_loss"]].to_numpy().T.ravel() for h in run.histories]
        )
        assert np.array_equal(values, expected)
    assert not overlapping(figure)


def test_published_losses_are_marked_at_their_epoch():
    run = curves.ModelRuns(
        "Toy land", "small", [history(25, 0)], [("train_loss", 1, 1.67), ("val_loss", 25, 0.1)]
    )
    figure = loss_curves.losses_figure([run], COLORS)
    marks = [line for line in figure.axes[0].lines if line.get_label() == "published"]
    assert [tuple(m.get_xydata()[0]) for m in marks] == [(1, 1.67), (25, 0.1)]
    assert {"published 1.67", "published 0.1"} <= words(figure)
    low, high = figure.axes[0].get_ylim()
    assert low < 0.1 and high > 1.67
    assert not overlapping(figure)


def test_one_epoch_and_missing_values_are_drawn():
    short = history(1, 0)
    short["val_jaccard"] = np.nan
    run = curves.ModelRuns("Toy land", "small", [short])
    figure = metric_curves.metrics_figure([run], COLORS)
    assert all(line.get_marker() == "o" for line in figure.axes[0].lines)
    assert not figure.axes[0].texts
    assert loss_curves.losses_figure([run], COLORS).axes


# --- scores ---------------------------------------------------------------------------------------


def score_rows(models: list[str], seeds: int, labels=("Field", "Wood")) -> pd.DataFrame:
    rng = np.random.default_rng(8)
    rows = []
    for model in [*models, MAJORITY]:
        for seed in range(seeds if model != MAJORITY else 1):
            for metric, label in [("miou_d", "all"), *(("iou", name) for name in labels)]:
                value = rng.uniform(0.1, 0.95)
                rows.append([model, seed, metric, label, value, value - 0.05, value + 0.04])
    return pd.DataFrame(rows, columns=["model", "seed", "metric", "class", "value", "low", "high"])


def over_runs(rows: pd.DataFrame) -> pd.DataFrame:
    """The same over all seeds, with ends of its own: not the means of those of the seeds."""
    keys = ["model", "metric", "class"]
    means = rows.groupby(keys, sort=False)["value"].mean().reset_index()
    return means.assign(low=means["value"] - 0.02, high=means["value"] + 0.01)


@pytest.mark.parametrize(("models", "seeds"), [(1, 1), (7, 3)])
def test_dots_stand_at_the_mean_over_seeds(models, seeds):
    names = MODELS[:models]
    rows = score_rows(names, seeds)
    figure = per_class.per_class_figure(
        [per_class.ClassScores("Toy land", CLASSES[1:], over_runs(rows), rows)] * 2,
        style.model_colors(names),
    )
    assert len(figure.axes) == 4
    assert [t.get_text() for t in figure.axes[0].get_yticklabels()] == [*names, MAJORITY]
    for axes, label in zip(figure.axes, ["Field", "Wood"] * 2, strict=True):
        assert axes.get_title(loc="left") == label
        drawn = dots(axes)
        for place, model in enumerate([*names, MAJORITY]):
            values = [
                r.value for r in rows.itertuples() if (r.model, r[4], r[3]) == (model, label, "iou")
            ]
            assert (pytest.approx(sum(values) / len(values)), place) in drawn
            if len(values) > 1:
                assert all((v, place + 0.27) in drawn for v in values)
            lines = [line for line in axes.lines if line.get_transform() == axes.transData]
            bars = [line.get_xdata() for line in lines if list(line.get_ydata()) == [place, place]]
            middle = sum(values) / len(values)
            assert [list(b) for b in bars] == [pytest.approx([middle - 0.02, middle + 0.01])]
    assert not overlapping(figure)


def test_a_class_that_is_absent_says_so():
    rows = score_rows(["small"], 1)
    rows.loc[rows["class"] == "Wood", ["value", "low", "high"]] = np.nan
    figure = per_class.per_class_figure(
        [per_class.ClassScores("Toy land", CLASSES[1:], over_runs(rows), rows)],
        style.model_colors(["small"]),
    )
    assert [t.get_text() for t in figure.axes[1].texts] == ["absent", "absent"]
    assert not figure.axes[0].texts


def test_scores_without_intervals_are_drawn_without_lines():
    rows = score_rows(["small"], 1)
    bare = over_runs(rows).assign(low=np.nan, high=np.nan)
    figure = per_class.per_class_figure(
        [per_class.ClassScores("Toy land", CLASSES[1:], bare, rows)], style.model_colors(["small"])
    )
    assert "interval" not in figure.get_suptitle()
    values = rows.loc[(rows["model"] == "small") & (rows["metric"] == "iou"), "value"]
    for axes, value in zip(figure.axes, values, strict=True):
        assert (pytest.approx(value), 0) in dots(axes)

    given = audit()
    bare = {name: rows.assign(low=np.nan, high=np.nan) for name, rows in given.scores.items()}
    figure = leakage.leakage_figure([given._replace(scores=bare)], COLORS)
    main = bare["clean"][bare["clean"]["metric"] == "miou_d"]
    for model in MODELS:
        mean = main.loc[main["model"] == model, "value"].mean()
        assert f"{model}  {mean:.3f}" in words(figure)
    assert not overlapping(figure)

    rows = cost_rows().assign(low=np.nan, high=np.nan)
    figure = cost.cost_figure([cost.CostScores("Toy land", rows)], COLORS)
    assert "95 % interval" not in words(figure)
    for axes in figure.axes:
        assert sorted(names(axes)) == sorted(MODELS)
        bottom, top = axes.get_ylim()
        assert bottom < rows["value"].min() and rows["value"].max() < top
    assert not overlapping(figure)


def test_many_classes_wrap():
    lands = [LandClass(name=f"Class {i}", color=f"#0000{i:02X}") for i in range(11)]
    rows = score_rows(["small"], 1, [land.name for land in lands])
    figure = per_class.per_class_figure(
        [per_class.ClassScores("Toy land", lands, over_runs(rows), rows)],
        style.model_colors(["small"]),
    )
    assert len(figure.axes) == 11
    assert not overlapping(figure)


def audit(splits=("random", "groups")) -> leakage.Audit:
    rows = pd.DataFrame({"recipe": ["leaky", "clean"], "split": splits, "subset": "val"})
    rows = rows.assign(tiles=[8, 5], scene_shared=[6, 0], exposed=[8, 1])
    return leakage.Audit(
        "Toy land", rows, {name: over_runs(score_rows(MODELS, 3)) for name in ("leaky", "clean")}
    )


def test_leakage_bars_are_shares_and_scores_stand_beside_them():
    given = audit()
    figure = leakage.leakage_figure([given], COLORS)
    shared, scores = figure.axes
    assert [bar.get_width() for bar in shared.patches] == pytest.approx([6 / 8, 8 / 8, 0, 1 / 5])
    assert {"75 % (6 of 8)", "100 % (8 of 8)", "0 % (0 of 5)", "20 % (1 of 5)"} <= words(figure)
    drawn = [round(x, 9) for x, _ in dots(scores)]
    for recipe in ("leaky", "clean"):
        rows = given.scores[recipe]
        main = rows[rows["metric"] == "miou_d"]
        for model in MODELS:
            mean = main.loc[main["model"] == model, "value"].mean()
            assert round(mean, 9) in drawn
            assert f"{model}  {mean:.3f}" in words(figure)
    assert len(drawn) == 2 * len(MODELS)
    assert not overlapping(figure)


def test_one_split_shows_the_audit_alone():
    figure = leakage.leakage_figure([audit(("random", "random"))] * 2, COLORS)
    assert len(figure.axes) == 2
    assert not overlapping(figure)


def test_no_axis_says_that_nothing_is_shared():
    given = audit(("groups", "groups"))
    rows = given.rows.assign(scene_shared=0, exposed=0)
    figure = leakage.leakage_figure([given._replace(rows=rows)], COLORS)
    (axes,) = figure.axes
    assert not axes.patches and not axes.xaxis.get_visible() and not figure.legends
    assert {"none of the 8 tiles", "none of the 5 tiles"} <= words(figure)
    assert not any("%" in word for word in words(figure) if axes.xaxis.get_visible())


# --- cost -----------------------------------------------------------------------------------------


def test_the_front_of_a_panel_takes_what_is_alike():
    rows = cost_rows()
    same = {cost.COSTS[1]: np.full((7, 7), True)}
    figure = cost.cost_figure([cost.CostScores("Toy land", rows, alike=same)], COLORS)
    points = [line for line in figure.axes[1].lines if line.get_marker() == "o"]
    filled = [p.get_ydata()[0] for p in points if p.get_markerfacecolor() != style.PAPER]
    assert filled == [rows["value"].max()]
    others = [line for line in figure.axes[0].lines if line.get_marker() == "o"]
    assert sum(p.get_markerfacecolor() != style.PAPER for p in others) > 1


def cost_rows(spread: float = 1.0) -> pd.DataFrame:
    rng = np.random.default_rng(6)
    value = rng.uniform(0.4, 0.5, 7)
    rows = pd.DataFrame(
        {"model": MODELS, "value": value, "low": value - 0.03, "high": value + 0.03}
    )
    costs = {name: np.exp(rng.uniform(3, 3 + spread, 7)) for name in cost.COSTS}
    return rows.assign(**costs)


@pytest.mark.parametrize("spread", [0.1, 1.0, 4.0])
def test_cost_fills_the_front_and_names_every_model(spread):
    rows = cost_rows(spread)
    figure = cost.cost_figure([cost.CostScores("Toy land", rows)] * 2, COLORS)
    assert len(figure.axes) == 6
    for axes, column in zip(figure.axes, [*cost.COSTS] * 2, strict=True):
        best = pareto_front(rows[column].to_numpy(), rows["value"].to_numpy())
        points = [line for line in axes.lines if line.get_marker() == "o"]
        assert [tuple(p.get_xydata()[0]) for p in points] == list(
            zip(rows[column], rows["value"], strict=True)
        )
        assert [p.get_markerfacecolor() != style.PAPER for p in points] == best.tolist()
        assert sorted(names(axes)) == sorted(MODELS)
        low, high = axes.get_xlim()
        assert low < rows[column].min() and rows[column].max() < high
    assert not overlapping(figure)


def test_models_that_cannot_be_told_from_the_best_are_marked():
    figure = cost.cost_figure([cost.CostScores("Toy land", cost_rows(), MODELS[1:3])], COLORS)
    wanted = {f"{model} ≈" if model in MODELS[1:3] else model for model in MODELS}
    assert all(set(names(axes)) == wanted for axes in figure.axes)


def test_what_does_not_beat_the_baseline_is_on_no_front():
    rows = cost_rows().assign(low=np.nan, high=np.nan)
    cheapest = rows["latency_ms"].idxmin()
    failed = [MODELS[cheapest]]
    baseline = rows.loc[cheapest, "value"]
    group = cost.CostScores("Toy land", rows, baseline=baseline, failed=failed)
    figure = cost.cost_figure([group], COLORS)
    assert MAJORITY in words(figure)
    others = rows.drop(cheapest)
    for axes, column in zip(figure.axes, cost.COSTS, strict=True):
        best = pareto_front(others[column].to_numpy(), others["value"].to_numpy())
        front = {tuple(point) for point in others.loc[best, [column, "value"]].to_numpy()}
        line = next(line for line in axes.lines if line.get_label() == "Pareto front")
        assert {tuple(point) for point in line.get_xydata()} == front
        full = [
            p
            for p in axes.lines
            if p.get_marker() == "o" and p.get_markerfacecolor() != style.PAPER
        ]
        assert {tuple(p.get_xydata()[0]) for p in full} == front
    assert not overlapping(figure)


@pytest.mark.parametrize(("baseline", "near"), [(0.3, True), (0.05, False)])
def test_a_baseline_far_below_is_written_so_that_the_models_keep_the_panel(baseline, near):
    rows = cost_rows()
    figure = cost.cost_figure([cost.CostScores("Toy land", rows, baseline=baseline)], COLORS)
    for axes in figure.axes:
        bottom, top = axes.get_ylim()
        assert (bottom < baseline) == near
        assert top - bottom < 2.5 * (rows["high"].max() - rows["low"].min())
    assert (MAJORITY in words(figure)) == near
    assert (f"↓ {MAJORITY} {baseline:.3f}" in words(figure)) != near
    assert not overlapping(figure)


@pytest.mark.parametrize("factor", [1.0, 1.2, 9.9, 10.1, 90, 1e4, 1e7])
def test_costs_are_logarithmic_where_they_differ_more_than_tenfold_and_say_so(factor):
    figure = Figure((3, 2), layout="constrained")
    axes = figure.subplots()
    scales.draw_costs(axes, np.array([0.3, np.nan, 0.3 * factor]), "Latency (ms)")
    shown = texts(figure)
    assert axes.get_xscale() == ("log" if factor > 10 else "linear")
    assert ("Latency (ms), logarithmic" in words(figure)) == (factor > 10)
    low, high = axes.get_xlim()
    assert low < 0.3 and 0.3 * factor < high
    ticks = [t.get_text() for t in shown if t in axes.get_xticklabels()]
    assert 2 <= len(ticks) == len(set(ticks))
    assert not overlapping(figure)


@pytest.mark.parametrize("furthest", [0.0004, 0.004, 0.012, 0.03, 0.11, 0.5, 1])
def test_no_two_ticks_of_shares_say_the_same(furthest):
    figure = Figure((3, 2), layout="constrained")
    axes = figure.subplots()
    axes.set_xlim(0, furthest)
    scales.draw_shares(axes.xaxis)
    shown = texts(figure)
    ticks = {t.get_text(): t.get_position()[0] for t in shown if t in axes.get_xticklabels()}
    assert len(ticks) > 2
    for text, share in ticks.items():
        assert float(text.removesuffix(" %")) == pytest.approx(100 * share)
    assert not overlapping(figure)


def test_a_cost_that_is_not_known_is_left_out():
    rows = cost_rows()
    rows["peak_memory_mb"] = np.nan
    figure = cost.cost_figure([cost.CostScores("Toy land", rows)], COLORS)
    assert [len(names(axes)) for axes in figure.axes] == [7, 7, 0]


# --- style and files ------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", ["svg", "png"])
def test_same_figure_same_bytes_whatever_the_users_settings(tmp_path, suffix):
    runs = study_runs(1, 2, 1)
    saving.save(loss_curves.losses_figure(runs, COLORS), tmp_path / f"a.{suffix}")
    with matplotlib.rc_context({"font.size": 30, "svg.fonttype": "path", "savefig.dpi": 30}):
        saving.save(loss_curves.losses_figure(runs, COLORS), tmp_path / f"b.{suffix}")
    assert (tmp_path / f"a.{suffix}").read_bytes() == (tmp_path / f"b.{suffix}").read_bytes()


def test_a_drawing_changes_its_own_colours_in_the_dark_and_none_of_a_class(tmp_path):
    shares = np.full(3, 1 / 3)
    pool = classes.ClassShares("Toy land", CLASSES, shares, {"test": shares})
    saving.save(classes.classes_figure([pool]), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    sheets = [s.text for s in root.iter("{http://www.w3.org/2000/svg}style")]
    (rules,) = [text for text in sheets if "prefers-color-scheme: dark" in text]
    changed = set(re.findall(r'"fill: (#\w{6})"\] \{fill: (#\w{6}) !important\}', rules))
    assert {(style.PAPER.lower(), dark.CARD.lower()), (style.INK.lower(), "#e3e6e3")} <= changed
    own = {style.PAPER, style.INK, style.MUTED, style.FAINT, style.PALE, style.TINT}
    assert {light.upper() for light, _ in changed} <= own
    drawn = (tmp_path / "a.svg").read_text()
    assert all(f"fill: {c.color.lower()}" in drawn for c in CLASSES if c.color != "#000000")


def test_svg_holds_text_as_text(tmp_path):
    saving.save(loss_curves.losses_figure(study_runs(1, 2, 1), COLORS), tmp_path / "a.svg")
    root = ElementTree.parse(tmp_path / "a.svg").getroot()
    found = {t.text for t in root.iter("{http://www.w3.org/2000/svg}text")}
    assert {"unet_base", "unet_short", "Epoch", "Loss over epochs"} <= found
    assert "sans-serif" in (tmp_path / "a.svg").read_text()
