"""What a check says of a dataset: counted here by other means, and every fault in it found at
once."""

import re
import shutil
import subprocess
import sys

import numpy as np
import pytest
import rasterio
import yaml
from PIL import Image
from rasterio.transform import from_origin
from rasterio.warp import transform

from conftest import write_raster
from satseg.check.dataset import check
from satseg.check.findings import Place
from satseg.check.sheet import _thumbnail
from satseg.check.survey import read_dataset, same_ground, tile_grid
from satseg.check.words import report
from satseg.config.reading import load
from satseg.data.groups import scene_groups
from satseg.data.masks import MaskReader
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import tile_slice

CLASSES = [{"name": "Land", "color": "#808080"}, {"name": "Water", "color": "#0000FF"}]


def configured(path, split="groups_test", **changes):
    """A dataset `mine` at `path`, and a study that uses it with a recipe of this split."""
    dataset = {
        "title": "Mine",
        "licence": "CC0",
        "path": str(path),
        "layout": {"images": "images/{scene}.tif", "masks": "masks/{scene}.png", "scene": "{scene}"}
        | {"mask_values": "index"},
        "classes": CLASSES,
        "tile_size": 32,
    }
    recipe = {
        "split": split,
        "loss": {"name": "jdt"},
        "epochs": 1,
        "batch_size": 1,
        "evaluate": {"subset": "val"},
    }
    study = {"datasets": ["mine"], "models": ["unet_tiny"], "recipes": ["mine"]}
    named = {"datasets": dataset | changes, "recipes": recipe, "study": study}
    return load(overrides={section: {"mine": entry} for section, entry in named.items()})


def pair(folder, name, image, mask, **options):
    write_raster(folder / f"images/{name}.tif", image, **options)
    write_raster(folder / f"masks/{name}.png", mask[None])


@pytest.fixture
def sound(tmp_path):
    """Four scenes of 70×50 that lie apart; a fifth of 64×64."""
    rng = np.random.default_rng(0)
    folder = tmp_path / "sound"
    for i, (height, width) in enumerate([(70, 50)] * 4 + [(64, 64)]):
        image = rng.integers(0, 256, (3, height, width), dtype=np.uint8)
        place = from_origin(1000 * i, 0, 0.5, 0.5)
        mask = rng.integers(0, 2, (height, width), dtype=np.uint8)
        pair(folder, f"s{i}", image, mask, crs="EPSG:25832", transform=place)
    return folder


def test_a_pattern_of_groups_that_matches_nothing(sound, caplog, tmp_path):
    config = configured(sound, groups=[["s0", "s1x"], ["t*"]])
    assert [problem.what for problem in check(config, "mine", sound).problems] == [
        f"groups: '{pattern}' matches no scene (one is called s0); correct it, or leave it out"
        for pattern in ("s1x", "t*")
    ]
    with caplog.at_level("WARNING", "satseg"):
        build_tiles(tile_slice(config, "mine"), sound, tmp_path / "tiles")
    assert caplog.text.count("matches no scene") == 2
    # A copy that lacks scenes may lack those of a group.
    partial = configured(sound, groups=[["s0", "s1x"]], expected={"scenes": 6, "pixels": 9})
    assert check(partial, "mine", sound).problems == []


def test_a_sound_dataset(sound, tmp_path):
    config = configured(sound)
    found = check(config, "mine", sound, tmp_path / "sheet.png")
    assert found.problems == [] and found.notes == []
    table = build_tiles(tile_slice(config, "mine"), sound, tmp_path / "tiles")
    text = report(found)
    assert "5 pairs of image and mask; 5 usable: 4 of 50×70, 1 of 64×64" in text
    assert "EPSG:25832, pixels of 0.5: 5 images" in text
    for i, name in enumerate(("Land", "Water")):
        pixels = table[f"pixels_{name}"].sum()
        assert re.search(rf"^ +{i} +{i} +{name} +{pixels:,} +50 % +5$", text, re.MULTILINE)
    assert f"{len(table)} tiles of 32², {table['whole'].sum()} of them whole" in text
    assert "Nothing here stops the pipeline." in text
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.format == "PNG" and min(sheet.size) > 200


def test_the_tiles_are_those_of_the_pipeline(sound, tmp_path):
    config = configured(sound, groups=[["s0", "s3"]])
    job = tile_slice(config, "mine")
    table = build_tiles(job, sound, tmp_path / "tiles")
    facts = read_dataset(job, sound)
    grid = tile_grid(facts, 32, scene_groups(facts.scenes, job.groups, []))
    columns = ["tile", "scene", "group", "row", "col", "whole", "height", "width", "footprint"]
    assert grid[columns].equals(table[columns])
    assert (table["footprint"] != "").any()


@pytest.fixture
def broken(sound):
    """The same with every fault there can be."""
    shutil.copy(sound / "images/s0.tif", sound / "images/copy.tif")
    shutil.copy(sound / "masks/s0.png", sound / "masks/copy.png")
    write_raster(sound / "images/alone.tif", np.zeros((3, 32, 32), np.uint8))
    write_raster(sound / "masks/lost.png", np.zeros((1, 32, 32), np.uint8))
    zero = np.zeros((3, 40, 40), np.uint8)
    pair(sound, "smaller", zero, np.zeros((40, 39), np.uint8))
    for name, count in (("odd1", 7), ("odd2", 4)):
        mask = np.zeros((40, 40), np.uint8)
        mask.flat[:count] = 9
        pair(sound, name, zero, mask)
    pair(sound, "deep1", zero.astype(np.uint16), mask * 0)
    pair(sound, "deep2", zero.astype(np.uint16), mask * 0)
    pair(sound, "grey", zero[:1], mask * 0)
    noise = np.random.default_rng(1).integers(0, 256, (3, 90, 90), dtype=np.uint8)
    pair(sound, "cut", noise, np.zeros((90, 90), np.uint8))
    content = (sound / "images/cut.tif").read_bytes()
    (sound / "images/cut.tif").write_bytes(content[: len(content) // 2])
    (sound / "images/text.tif").write_text("no image")
    write_raster(sound / "masks/text.png", np.zeros((1, 8, 8), np.uint8))
    return sound


def test_all_faults_are_found_at_once(broken):
    found = check(configured(broken), "mine", broken)
    faults = {}
    for problem in found.problems:
        faults[problem.what] = sorted(file.removeprefix(f"{broken}/") for file in problem.files)

    def files(pattern):
        (what,) = [what for what in faults if re.search(pattern, what)]
        return faults[what]

    assert files("no mask belongs to it") == ["images/alone.tif"]
    assert files("no image belongs to it") == ["masks/lost.png"]
    assert files("39×40 pixels, but its image smaller.tif has 40×40") == ["masks/smaller.png"]
    assert files("value 9 is not a class of the dataset, in 11 pixels") == [
        "masks/odd1.png",
        "masks/odd2.png",
    ]
    assert files("uint16 pixels, but models take 8 bits") == [
        "images/deep1.tif",
        "images/deep2.tif",
    ]
    assert files("does not have 3 bands like the others") == ["images/grey.tif"]
    assert files("damaged") == ["images/cut.tif"]
    assert files("not a readable image") == ["images/text.tif"]
    assert len(faults) == 8
    assert all(problem.way for problem in found.problems)
    assert any(
        "images under more than one name, the same to the byte: copy = s0;" in note
        for note in found.notes
    )
    # s0 and its copy lie on the same ground, but are one group already.
    assert not any("same ground" in note for note in found.notes)
    assert "value 9: 11 pixels in 2 masks" in found.text


@pytest.mark.parametrize(("fault", "status"), [(False, 0), (True, 1)])
def test_the_exit_status_tells(sound, tmp_path, fault, status):
    if fault:
        (sound / "masks/s3.png").unlink()
    config = configured(sound)
    sections = {"datasets": {"mine": config.datasets["mine"].model_dump(exclude_defaults=True)}}
    (tmp_path / "mine.yaml").write_text(yaml.safe_dump(sections))
    command = [sys.executable, "-m", "satseg.check", "mine", "--configfile", "mine.yaml"]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == status, done.stderr
    said = "s3.tif" if fault else "Nothing here stops the pipeline."
    assert said in done.stdout and (tmp_path / "data/check/mine.png").exists()


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["nothing"], "error: no dataset 'nothing'; choose from "),
        (
            ["demo"],
            "error: demo: its scenes are not here yet; run `snakemake --cores 1 data/raw/demo/manifest.json`",
        ),
    ],
)
def test_what_cannot_be_read_is_one_line(tmp_path, arguments, said):
    command = [sys.executable, "-m", "satseg.check", *arguments]
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True)
    assert done.returncode == 1
    assert done.stderr.startswith(said) and done.stderr.count("\n") == 1


def test_given_splits_that_leak_and_lists_that_do_not_fit(sound):
    (sound / "train.txt").write_text("s0\ns1\ns9\n")
    (sound / "val.txt").write_text("s2\ncopy\n")
    # The same ground, but not the same to the byte.
    (sound / "images/copy.tif").write_bytes((sound / "images/s0.tif").read_bytes() + b"more")
    shutil.copy(sound / "masks/s0.png", sound / "masks/copy.png")
    official = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    found = check(configured(sound, "official", official=official), "mine", sound)
    assert "1 of 5 scenes in the official lists are not here, such as s9" in found.notes
    # 70×50 pixels are 3×2 tiles of 32².
    assert "official: 12 train, 12 val tiles" in found.text
    assert any(
        "1 pair of scenes on the same ground: copy and s0 (100 %)" in note for note in found.notes
    )
    assert any("split 'official' puts 1 of these on both sides" in note for note in found.notes)


def test_lists_at_odds_are_one_fault(sound):
    (sound / "train.txt").write_text("s0\ns1\n")
    (sound / "val.txt").write_text("s1\ns2\n")
    official = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    found = check(configured(sound, "official", official=official), "mine", sound)
    (problem,) = found.problems
    assert problem.what == f"{sound}/val.txt: s1 is also listed for train; correct the lists"
    assert report(found).endswith(f"Must be fixed: 1 problem\n  - {problem.what}")


def test_a_class_that_a_split_keeps_from_training(sound):
    (sound / "train.txt").write_text("s0\ns1\n")
    (sound / "val.txt").write_text("s2\ns3\ns4\n")
    for name in ("s0", "s1"):
        write_raster(sound / f"masks/{name}.png", np.zeros((1, 70, 50), np.uint8))
    official = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    found = check(configured(sound, "official", official=official), "mine", sound)
    assert found.notes == [
        "split 'official': no train scene contains class 'Water': no model can learn it"
    ]


def test_what_a_split_lacks_for_want_of_a_readable_mask_is_no_second_fault(sound):
    (sound / "train.txt").write_text("s0\ns1\n")
    (sound / "val.txt").write_text("s2\ns3\ns4\n")
    write_raster(sound / "masks/s1.png", np.zeros((1, 70, 50), np.uint8))
    official = {"by": "lists", "lists": {"train": "train.txt", "val": "val.txt"}}
    config = configured(sound, "official", official=official)
    assert check(config, "mine", sound).notes == []
    (sound / "masks/s0.png").write_bytes(b"no image")  # the one of them that holds Water
    found = check(config, "mine", sound)
    assert len(found.problems) == 1
    assert found.notes == []


def test_a_mask_of_very_many_colours_is_one_fault(sound):
    layout = configured(sound).datasets["mine"].layout.model_dump() | {"mask_values": "color"}
    for name, size in {
        "s0": (70, 50),
        "s1": (70, 50),
        "s2": (70, 50),
        "s3": (70, 50),
        "s4": (64, 64),
    }.items():
        mask = np.full((3, *size), 0x80, np.uint8)
        if name == "s3":
            mask[:, :10, :10] = np.arange(100, dtype=np.uint8).reshape(10, 10)
        write_raster(sound / f"masks/{name}.png", mask)
    found = check(configured(sound, layout=layout), "mine", sound)
    (problem,) = found.problems
    assert problem.what.startswith("it holds some of 100 values that are not a class")
    assert problem.files == [f"{sound}/masks/s3.png"]
    assert "… and 95 more" in found.text


def test_a_scale_that_the_bands_hardly_fill(tmp_path):
    rng = np.random.default_rng(3)
    for i in range(3):
        image = np.stack(
            [rng.integers(0, high, (32, 32), dtype=np.uint16) for high in (1000, 9000)]
        )
        pair(tmp_path, f"s{i}", image, rng.integers(0, 2, (32, 32), dtype=np.uint8))
    config = configured(tmp_path, pixels={"bands": [2, 1], "scale": [0, 10000]})
    (note,) = [note for note in check(config, "mine", tmp_path).notes if "pixels.scale" in note]
    assert note.startswith(
        "band 1: nearly all values lie within a quarter of the range of pixels.scale"
    )
    suggested = yaml.safe_load(note.rpartition("scale: ")[2])
    fitting = check(
        configured(tmp_path, pixels={"bands": [2, 1], "scale": suggested}), "mine", tmp_path
    )
    assert fitting.notes == []


def test_common_ground_by_hand():
    def place(left, bottom, size, crs="EPSG:25832", origin=(500_000, 5_000_000)):
        left += origin[0]
        bottom += origin[1]
        x, y = np.array([[0, 1, 1, 0, 0], [1, 1, 0, 0, 1]]) * size + [[left], [bottom]]
        degrees = zip(*transform(crs, "EPSG:4326", x, y), strict=True)
        outline = f"POLYGON(({','.join(f'{a:.10f} {b:.10f}' for a, b in degrees)}))"
        return Place(crs, 1.0, [outline], outline)

    places = {
        "a": place(0, 0, 10),
        "b": place(10, 0, 10),  # touches a
        "c": place(15, 5, 10),  # a quarter of it lies in b
        "d": place(2, 2, 2),  # lies in a
        "e": place(2, 2, 2, "EPSG:3857"),  # elsewhere
    }
    (east,), (north,) = transform("EPSG:25832", "EPSG:25833", [500_022], [5_000_007])
    places["f"] = place(0, 0, 2, "EPSG:25833", (east, north))  # lies in c, in the next zone
    found = same_ground(places)
    assert [pair[:2] for pair in found] == [("a", "d"), ("b", "c"), ("c", "f")]
    assert [pair[2] for pair in found] == pytest.approx([1, 0.25, 1], abs=1e-4)


def test_a_scale_that_cuts_off_much_and_a_class_that_never_occurs(tmp_path):
    for i in range(3):
        image = np.arange(1024, dtype=np.uint16).reshape(1, 32, 32)
        pair(tmp_path, f"s{i}", image + i, np.zeros((32, 32), np.uint8))
    found = check(configured(tmp_path, pixels={"scale": [0, 511]}), "mine", tmp_path)
    # s0 has 512 values above 511, s1 513, s2 514.
    assert any(f"cuts off {100 * 1539 / 3072:.0f} % of the values" in note for note in found.notes)
    assert any("class 'Water' occurs in no mask" in note for note in found.notes)
    assert re.search(r"^ +1 +0 .* 1,025 +0 +511$", found.text, re.MULTILINE)


def test_masks_in_colours(tmp_path):
    rng = np.random.default_rng(5)
    labels = rng.integers(0, 3, (40, 40))
    palette = np.array([[0x80] * 3, [0, 0, 255], [1, 2, 3]], np.uint8)
    write_raster(tmp_path / "images/s.tif", rng.integers(0, 256, (3, 40, 40), dtype=np.uint8))
    write_raster(tmp_path / "masks/s.png", palette[labels].transpose(2, 0, 1))
    layout = configured(tmp_path).datasets["mine"].layout.model_dump() | {"mask_values": "color"}
    found = check(configured(tmp_path, layout=layout), "mine", tmp_path)
    assert f"colour #010203: {(labels == 2).sum()} pixels in 1 mask, " in found.text
    assert re.search(rf"^ +1 +#0000FF +Water +{(labels == 1).sum()} ", found.text, re.MULTILINE)
    assert len(found.problems) == 2  # the colour, and one scene does not fill three subsets


def test_a_class_whose_value_masks_call_no_data(tmp_path):
    """As `gdal_rasterize` writes them: the background is a class, and is noted."""
    labels = np.zeros((1, 64, 64), np.uint8)
    labels[:, :20] = 1
    for name in "abc":
        write_raster(
            tmp_path / f"images/{name}.tif", np.full((3, 64, 64), 9 * ord(name) % 256, np.uint8)
        )
        write_raster(tmp_path / f"masks/{name}.tif", labels, nodata=0)
    layout = {"images": "images/{n}.tif", "masks": "masks/{n}.tif", "scene": "{n}"}
    config = configured(tmp_path, layout=layout | {"mask_values": "index"})
    found = check(config, "mine", tmp_path)
    assert found.problems == []
    assert re.search(rf"^ +0 +0 +Land +{3 * 44 * 64:,} ", found.text, re.MULTILINE)
    (note,) = [note for note in found.notes if "no data" in note]
    assert note.startswith(f"3 masks, such as {tmp_path}/masks/a.tif: the value that it states for")
    assert note.endswith("is that of class 'Land', and counts as the class")


@pytest.mark.parametrize("kind", ["mask", "alpha", "data"])
def test_the_picture_draws_what_is_hidden(tmp_path, kind):
    """Hidden pixels are dark and striped like those without a label; a band of data hides none."""
    rng = np.random.default_rng(8)
    hidden = np.zeros((64, 64), bool)
    hidden[:, :32] = True
    bands = rng.integers(100, 200, (4, 64, 64), dtype=np.uint8)
    if kind == "alpha":
        bands[3] = np.where(hidden, 0, 255)
    else:
        bands[3, :, 32:] = 0  # of near infrared
    layout = {"images": "images/{n}.tif", "masks": "masks/{n}.tif", "scene": "{n}"}
    pixels = {"bands": [1, 2, 3] if kind == "alpha" else [1, 2, 3, 4]}
    image = tmp_path / "images/a.tif"
    write_raster(image, bands)
    write_raster(tmp_path / "masks/a.tif", np.ones((1, 64, 64), np.uint8))
    if kind == "mask":
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(image, "r+") as file:
            file.write_mask(~hidden)
    config = configured(tmp_path, layout=layout | {"mask_values": "index"}, pixels=pixels)
    job = tile_slice(config, "mine")
    facts = read_dataset(job, tmp_path)
    gone = 0 if kind == "data" else 64 * 32
    assert (facts.no_data, facts.labels[1]) == (gone, 64 * 64 - gone)

    picture, labels = _thumbnail(facts.scenes[0], job, MaskReader(job), 2)
    assert (picture[:64, :64, 0] == 0).sum() == gone
    assert (labels[:64, :64] == 1).sum() == 64 * 64 - gone
    if gone:
        assert (labels[:64, :32] == 255).all() and (picture[:64, :32] == 0).all()


def test_a_dataset_without_a_usable_scene(tmp_path):
    """Nothing to divide: what is wrong with the files is all there is to say."""
    for name in "abc":
        write_raster(tmp_path / f"images/{name}.tif", np.full((3, 64, 64), ord(name), np.uint16))
        write_raster(tmp_path / f"masks/{name}.png", np.zeros((1, 64, 64), np.uint8))
    found = check(configured(tmp_path), "mine", tmp_path, tmp_path / "sheet.png")
    (problem,) = found.problems
    assert problem.what.startswith("uint16 pixels, but models take 8 bits")
    assert len(problem.files) == 3 and not (tmp_path / "sheet.png").exists()
    assert "Splits" not in found.text and "Must be fixed: 1 problem" in report(found)


@pytest.mark.parametrize("nodata", [None, 0])
def test_a_black_collar_that_nothing_states(tmp_path, nodata):
    rng = np.random.default_rng(4)
    for name in "abc":
        image = rng.integers(1, 255, (3, 64, 64), dtype=np.uint8)
        image[:, :16] = 0
        image[0, 20] = image[1, 21] = 0  # not in every band
        write_raster(tmp_path / f"images/{name}.tif", image, nodata=nodata)
        labels = rng.integers(0, 2, (1, 64, 64), dtype=np.uint8)
        write_raster(tmp_path / f"masks/{name}.png", labels)
    notes = check(configured(tmp_path), "mine", tmp_path).notes
    said = [note for note in notes if "0 in every band" in note]
    assert [note[:43] for note in said] == (
        ["25 % of the pixels are 0 in every band and "] if nodata is None else []
    )
