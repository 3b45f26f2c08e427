"""Class maps of georeferenced scenes: the same place, valid files, no seam, no-data kept, refusals,
flat memory."""

import json
import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest
import rasterio
import torch
from rasterio.control import GroundControlPoint
from rasterio.enums import ColorInterp
from rasterio.rpc import RPC
from rio_cogeo import cog_validate

from conftest import ROOT, write_raster
from satseg.config.datasets import Pixels
from satseg.data.origin import Origin
from satseg.errors import UserError
from satseg.models.segmenter import probabilities
from satseg.prediction import predict_scene
from satseg.prediction.maps import STEPS
from scenery import CLASSES, COLORS, COUNTED, PLACE, TILE, metres, noise, segmenter, write_scene

RPC_TERMS = ("line_num_coeff", "line_den_coeff", "samp_num_coeff", "samp_den_coeff")
RPC_NUMBERS = [
    f"{axis}_{kind}"
    for axis in ("height", "lat", "line", "long", "samp")
    for kind in ("off", "scale")
]
ENOUGH = 48  # overlap from which this model's windows give what one pass gives


@pytest.fixture(scope="module")
def model():
    return segmenter()


@torch.inference_mode()
def expected(model, pixels):
    """Probabilities [C, H, W] of a scene [bands, H, W] in one pass, mirrored to a size that the
    model takes."""
    height, width = pixels.shape[1:]
    sides = [max(TILE, -(-side // model.stride) * model.stride) - side for side in (height, width)]
    image = np.pad(pixels, ((0, 0), (0, sides[0]), (0, sides[1])), "reflect")
    return probabilities(model, torch.from_numpy(image)[None])[0, :, :height, :width].numpy()


def agrees(classes, shares, nodata=None):
    """Whether a map holds the likeliest class wherever it is likelier than the others by more than
    rounding."""
    low, high = np.sort(shares, axis=0)[-2:]
    clear = high - low > 1e-4
    if nodata is not None:
        assert (classes[nodata] == 255).all()
        clear &= ~nodata
    assert clear.mean() > 0.5
    return (classes == np.array(COUNTED)[shares.argmax(0)])[clear].all()


def read(path):
    with rasterio.open(path) as file:
        return file.read()


def test_a_map_lies_where_its_scene_does_and_is_cloud_optimised(model, tmp_path):
    pixels = noise(530, 700)
    scene = write_scene(tmp_path / "scene.tif", pixels)
    out = tmp_path / "maps/map.tif"
    shares = tmp_path / "maps/shares.tif"
    count = predict_scene(model, scene, out, probabilities=shares, colors=COLORS, overlap=ENOUGH)
    assert count == (1 + -(-(532 - 64) // 16)) * (1 + -(-(700 - 64) // 16))
    with (
        rasterio.open(scene) as before,
        rasterio.open(out) as after,
        rasterio.open(shares) as parts,
    ):
        for file in (after, parts):
            assert (file.crs, file.transform, file.bounds, file.shape) == (
                before.crs, before.transform, before.bounds, before.shape,
            )  # fmt: skip
            assert file.nodata == 255 and set(file.dtypes) == {"uint8"}
            assert file.tags(ns="IMAGE_STRUCTURE")["LAYOUT"] == "COG"
            assert all(file.overviews(band) == [2] for band in file.indexes)
        table = after.colormap(1)
        for i, name in enumerate(CLASSES):
            assert table[i] == (*bytes.fromhex(COLORS[name][1:]), 255)
        assert table[255][3] == 0
        assert json.loads(after.tags()["CLASSES"]) == {
            str(i): name for i, name in enumerate(CLASSES)
        }
        assert parts.descriptions == tuple(CLASSES[i] for i in COUNTED)
        assert parts.scales == (1 / STEPS,) * 3
        classes = after.read(1)
        stored = parts.read()
    for file in (out, shares):
        assert cog_validate(file, strict=True) == (True, [], [])
    assert sorted(p.name for p in out.parent.iterdir()) == ["map.tif", "shares.tif"]
    truth = expected(model, pixels)
    assert set(np.unique(classes)) == set(COUNTED)
    assert agrees(classes, truth)
    np.testing.assert_allclose(stored / STEPS, truth, atol=0.5 / STEPS + 1e-5)
    assert (
        abs(stored.sum(0, dtype=int) - STEPS).max() <= 1
    )  # one, but for rounding: three halves at most
    # The map's class is nowhere less likely than another.
    chosen = np.take_along_axis(stored, (classes - 1)[None], 0)[0]
    assert (chosen == stored.max(0)).all()


@pytest.mark.parametrize("shape", [(1, 1), (2, 90), (40, 30), (64, 64), (101, 67), (66, 300)])
def test_any_size(model, tmp_path, shape):
    pixels = noise(*shape)
    scene = write_scene(tmp_path / "scene.tif", pixels)
    predict_scene(model, scene, tmp_path / "map.tif", overlap=ENOUGH)
    classes = read(tmp_path / "map.tif")
    assert classes.shape == (1, *shape)
    assert agrees(classes[0], expected(model, pixels))


def test_wide_scenes_are_predicted_in_strips(model, tmp_path, monkeypatch):
    pixels = noise(90, 700)
    scene = write_scene(tmp_path / "scene.tif", pixels)
    once = predict_scene(model, scene, tmp_path / "once.tif", overlap=16)
    monkeypatch.setattr("satseg.prediction.windows.strips.__defaults__", (200,))
    assert predict_scene(model, scene, tmp_path / "strips.tif", overlap=16) > once
    whole = read(tmp_path / "once.tif")
    stripwise = read(tmp_path / "strips.tif")
    assert (whole == stripwise).mean() > 0.999  # sums in another order may decide a tie differently


@pytest.mark.parametrize("kind", ["value", "alpha", "mask"])
def test_no_data_stays_no_data(model, tmp_path, kind):
    pixels = noise(150, 200)
    nodata = np.zeros((150, 200), bool)
    nodata[20:60, 30:90] = nodata[:, 190:] = nodata[149, 0] = True
    scene = tmp_path / "scene.tif"
    seen = np.where(nodata, np.uint8(0), pixels)
    if kind == "value":
        write_scene(scene, seen, nodata=0)
    else:
        # What lies under a mask must not matter.
        write_scene(scene, pixels)
        with rasterio.Env(GDAL_TIFF_INTERNAL_MASK=True), rasterio.open(scene, "r+") as file:
            if kind == "mask":
                file.write_mask(~nodata)
        if kind == "alpha":
            write_scene(
                scene, np.concatenate([pixels, np.where(nodata, 0, 255)[None].astype(np.uint8)])
            )
            with rasterio.open(scene, "r+") as file:
                file.colorinterp = [
                    ColorInterp.red,
                    ColorInterp.green,
                    ColorInterp.blue,
                    ColorInterp.alpha,
                ]
    predict_scene(
        model, scene, tmp_path / "map.tif", probabilities=tmp_path / "p.tif", overlap=ENOUGH
    )
    classes = read(tmp_path / "map.tif")[0]
    shares = read(tmp_path / "p.tif")
    np.testing.assert_array_equal(classes == 255, nodata)
    np.testing.assert_array_equal(shares == 255, np.broadcast_to(nodata, shares.shape))
    assert agrees(classes, expected(model, seen), nodata)


def test_a_scene_in_a_zip(model, tmp_path, monkeypatch):
    write_scene(tmp_path / "in/scene.tif", noise(70, 80))
    predict_scene(model, tmp_path / "in/scene.tif", tmp_path / "map.tif")
    packed = tmp_path / "packed.zip"
    with zipfile.ZipFile(packed, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.write(tmp_path / "in/scene.tif", "delivery/scene.tif")
        archive.writestr("delivery/readme.txt", "x")
        archive.writestr("__MACOSX/delivery/._scene.tif", "x")
    monkeypatch.chdir(tmp_path)
    names = [packed, "packed.zip", f"/vsizip/{packed}/delivery/scene.tif"]
    names.append("/vsizip/packed.zip/delivery/scene.tif")
    for name in names:
        predict_scene(model, name, tmp_path / "again.tif")
        assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()

    other = tmp_path / "backslashes.zip"
    other.write_bytes(packed.read_bytes().replace(b"delivery/scene", rb"delivery\scene"))
    predict_scene(model, other, tmp_path / "again.tif")
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()

    with zipfile.ZipFile(packed, "a") as archive:
        archive.write(tmp_path / "in/scene.tif", "delivery/other.tif")
    with pytest.raises(
        UserError, match=r"packed\.zip: holds 2 images, not one; unpack it, or name"
    ):
        predict_scene(model, packed, tmp_path / "third.tif")
    packed.write_bytes(packed.read_bytes()[:-30])
    with pytest.raises(UserError, match=r"packed\.zip: not a complete zip archive"):
        predict_scene(model, packed, tmp_path / "third.tif")


def test_a_scene_whose_fourth_band_holds_data_is_seen_whole(model, tmp_path, caplog):
    """Near infrared marked as transparency: it hides nothing, where it is 0 neither."""
    pixels = noise(70, 80, 4)
    pixels[3, :9] = 0
    scene = write_scene(tmp_path / "scene.tif", pixels)
    with caplog.at_level("WARNING", "satseg"):
        predict_scene(model, scene, tmp_path / "map.tif", overlap=ENOUGH)
    assert "band 4 is marked as transparency, but holds data; it hides no pixel" in caplog.text
    assert agrees(read(tmp_path / "map.tif")[0], expected(model, pixels[:3]))


def test_a_fourth_band_marked_as_alpha_may_be_what_the_model_sees(tmp_path):
    pixels = noise(70, 80, 4)
    pixels[:, :9] = 0
    scene = write_scene(tmp_path / "scene.tif", pixels)
    with rasterio.open(scene) as file:
        assert file.colorinterp[3] == ColorInterp.alpha
    model = segmenter(bands=4)
    predict_scene(model, scene, tmp_path / "map.tif", overlap=ENOUGH)
    assert agrees(read(tmp_path / "map.tif")[0], expected(model, pixels))


def test_pixels_are_taken_and_scaled_as_in_training(tmp_path):
    """Three bands of a four-band scene of real numbers, in another order; NaN is no data."""
    values = np.random.default_rng(3).uniform(-0.2, 1.2, (4, 90, 120)).astype(np.float32)
    values[:, 5:9, 5:30] = np.nan
    scene = write_scene(tmp_path / "scene.tif", values)
    origin = Origin(pixels=Pixels(bands=[3, 1, 4], scale=[0.0, 1.0]), dtypes=("float32",))
    model = segmenter(origin=origin)
    predict_scene(model, scene, tmp_path / "map.tif", overlap=ENOUGH)
    nodata = np.isnan(values[0])
    pixels = np.rint(np.nan_to_num(values[[2, 0, 3]]).clip(0, 1) * 255).astype(np.uint8)
    classes = read(tmp_path / "map.tif")[0]
    np.testing.assert_array_equal(classes == 255, nodata)
    assert agrees(classes, expected(model, pixels), nodata)


def test_a_scene_without_a_place_or_with_control_points(model, tmp_path):
    write_raster(tmp_path / "photo.png", noise(70, 80))
    predict_scene(model, tmp_path / "photo.png", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        assert file.crs is None and file.transform.is_identity and file.shape == (70, 80)
    points = [
        GroundControlPoint(row, col, 9 + col / 1000, 45 - row / 1000)
        for row, col in ((0, 0), (0, 80), (70, 0))
    ]
    write_raster(tmp_path / "raw.tif", noise(70, 80), gcps=points, crs="EPSG:4326")
    predict_scene(model, tmp_path / "raw.tif", tmp_path / "map.tif")
    with rasterio.open(tmp_path / "map.tif") as file:
        kept, crs = file.gcps
        assert crs == "EPSG:4326"
        assert [(p.row, p.col, p.x, p.y) for p in kept] == [
            (p.row, p.col, p.x, p.y) for p in points
        ]


def test_colours_come_from_the_configuration_or_a_palette(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))

    def colors(**changes):
        predict_scene(segmenter(**changes), scene, tmp_path / "map.tif")
        with rasterio.open(tmp_path / "map.tif") as file:
            return {name: file.colormap(1)[i][:3] for i, name in enumerate(CLASSES)}

    assert colors(dataset="demo") == {
        name: tuple(bytes.fromhex(color[1:])) for name, color in COLORS.items()
    }
    assert len(set(colors().values())) == len(CLASSES)


# --- refusals -------------------------------------------------------------------------------------

KNOWN = {"origin": Origin(metres=(0.25, 0.5))}


@pytest.mark.parametrize(
    ("pixels", "options", "changes", "words"),
    [
        (
            noise(64, 64, 4),
            {"photometric": "minisblack"},
            {},
            "4 bands, but the model was trained on 3 bands; ",
        ),
        (noise(64, 64, 1), {}, {}, "1 band, but the model was trained on 3 bands; "),
        (
            noise(64, 64, 3),
            {},
            {"origin": Origin(pixels=Pixels(bands=[4, 3, 2]))},
            "3 bands, but the model was trained on the bands 4, 3, 2; ",
        ),
        (
            noise(64, 64).astype(np.uint16),
            {},
            {},
            "uint16 pixels, but the model was trained on uint8; ",
        ),
        (
            noise(64, 64),
            {},
            {"origin": Origin(pixels=Pixels(scale=[0, 10000]), dtypes=("uint16",))},
            "uint8 pixels, but the model was trained on uint16; ",
        ),
        (
            noise(64, 64),
            {"transform": metres(10)},
            KNOWN,
            "pixels of 10 m, but the model was trained on 0.25 to 0.5 m; ",
        ),
        (
            noise(64, 64),
            {"transform": metres(0.1)},
            KNOWN,
            "pixels of 0.1 m, but the model was trained on 0.25 to",
        ),
        (
            noise(64, 64, 1),
            {"photometric": "palette"},
            {},
            "its values are palette indices, not brightness; ",
        ),
    ],
)
def test_scenes_unlike_the_training_images_are_refused(tmp_path, pixels, options, changes, words):
    scene = write_scene(tmp_path / "scene.tif", pixels, **options)
    with pytest.raises(UserError) as caught:
        predict_scene(segmenter(**changes), scene, tmp_path / "map.tif")
    assert str(caught.value).startswith(f"{scene}: {words}") and "\n" not in str(caught.value)
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]


@pytest.mark.parametrize(
    ("origin", "words"),
    [
        (Origin(metres=(10, 10)), "pixels of 0.5 m, but the model was trained on 10 m; "),
        (Origin(dtypes=("uint16",)), "uint8 pixels, but the model was trained on uint16; "),
    ],
)
def test_a_scene_must_be_like_the_images_of_all_that_vote(tmp_path, origin, words):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    members = [segmenter(**KNOWN), segmenter(seed=1, origin=origin)]
    with pytest.raises(UserError) as caught:
        predict_scene(members, scene, tmp_path / "map.tif")
    assert str(caught.value).startswith(f"{scene}: {words}")
    assert [p.name for p in tmp_path.iterdir()] == ["scene.tif"]


@pytest.mark.parametrize("metres_here", [0.25, 0.31, 0.5, 0.6])
def test_resolutions_like_the_training_images_are_taken(tmp_path, metres_here):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64), transform=metres(metres_here))
    assert predict_scene(segmenter(**KNOWN), scene, tmp_path / "map.tif") == 1


def test_mistakes_are_reported_before_anything_is_written(model, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    write_raster(tmp_path / "photo.png", noise(64, 64))
    before = scene.read_bytes()
    for arguments, words in [
        ((scene, scene), "different files"),
        ((tmp_path / "none.tif", tmp_path / "map.tif"), "no such file"),
    ]:
        with pytest.raises(UserError, match=words):
            predict_scene(model, *arguments)
    for options, words in [
        ({"probabilities": tmp_path / "map.tif"}, "different files"),
        ({"overlap": 64}, "do not fit windows of 64; choose 0 to 60"),
        ({"overlap": -4}, "do not fit"),
    ]:
        with pytest.raises(UserError, match=words):
            predict_scene(model, scene, tmp_path / "map.tif", **options)
    with pytest.raises(UserError, match=r"photo\.png: has no known position on the globe"):
        predict_scene(
            model, tmp_path / "photo.png", tmp_path / "map.tif", polygons=tmp_path / "map.geojson"
        )
    assert sorted(p.name for p in tmp_path.iterdir()) == ["photo.png", "scene.tif"]
    assert scene.read_bytes() == before


def test_a_damaged_scene_leaves_the_old_map(model, tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(300, 200), compress="deflate", blockysize=16)
    whole = scene.read_bytes()
    predict_scene(model, scene, tmp_path / "map.tif")
    old = (tmp_path / "map.tif").read_bytes()
    scene.write_bytes(whole[: len(whole) // 2])
    refusal = rf"^{scene}: (damaged near row \d+; replace the file|not a readable image)"
    with pytest.raises(UserError, match=refusal):
        predict_scene(model, scene, tmp_path / "map.tif", polygons=tmp_path / "map.geojson")
    assert (tmp_path / "map.tif").read_bytes() == old
    assert sorted(p.name for p in tmp_path.iterdir()) == ["map.tif", "scene.tif"]


# --- in a process of its own ----------------------------------------------------------------------

PROGRAM = """
import resource, sys
sys.path[:0] = sys.argv[1].split(":")
from satseg.config.models import UNetSpec
from satseg.devices import keep_memory
from satseg.errors import UserError
from satseg.prediction import predict_scene
from scenery import segmenter
keep_memory()  # as the stage does
scene, out, limit = sys.argv[2:]
model = segmenter(tile_size=256)
if int(limit):
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(limit), int(limit)))
try:
    predict_scene(model, scene, out)
except UserError as error:
    sys.exit(str(error))
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss)
"""


def separately(scene: Path, out: Path, limit: int = 0) -> subprocess.CompletedProcess:
    """Predict in a new process; no file in it may grow beyond `limit` bytes."""
    places = f"{ROOT / 'tests'}:{ROOT / 'tests/helpers'}"
    command = [sys.executable, "-c", PROGRAM, places, str(scene), str(out), str(limit)]
    return subprocess.run(command, capture_output=True, text=True)


def test_memory_does_not_grow_with_the_scene(tmp_path):
    peaks = []
    for side in (1000, 4000):
        with rasterio.open(
            tmp_path / "scene.tif",
            "w",
            driver="GTiff",
            height=side,
            width=side,
            count=3,
            dtype="uint8",
            **PLACE,
        ) as file:
            file.write(np.tile(noise(500, 500), (1, side // 500, side // 500)))
        done = separately(tmp_path / "scene.tif", tmp_path / "map.tif")
        assert done.returncode == 0, done.stderr
        assert read(tmp_path / "map.tif").shape == (1, side, side)
        peaks.append(int(done.stdout))
    assert peaks[1] < 1.2 * peaks[0], peaks


def test_a_full_disk_ends_in_one_line_and_leaves_nothing(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(600, 600, coarse=2))
    done = separately(scene, tmp_path / "out/map.tif", limit=20_000)
    assert done.returncode == 1
    last = done.stderr.strip().splitlines()[-1]
    assert (
        last.startswith(f"{tmp_path}/out/map.tif: cannot be written (")
        and "Traceback" not in done.stderr
    )
    assert not (tmp_path / "out").exists()


def test_the_rpcs_of_a_scene_travel_to_its_map(model, tmp_path):
    scene = tmp_path / "scene.tif"
    write_raster(scene, noise(TILE, TILE))
    terms = {name: [float(k == 0) for k in range(20)] for name in RPC_TERMS}
    numbers = {name: 1.5 for name in RPC_NUMBERS}
    with rasterio.open(scene, "r+") as file:
        file.rpcs = RPC(**numbers, **terms, err_bias=0.5, err_rand=0.25)
    predict_scene(model, scene, tmp_path / "map.tif", probabilities=tmp_path / "shares.tif")
    for name in ("map.tif", "shares.tif"):
        with rasterio.open(tmp_path / name) as file:
            assert file.rpcs is not None
            with rasterio.open(scene) as original:
                assert file.rpcs.to_dict() == original.rpcs.to_dict()
