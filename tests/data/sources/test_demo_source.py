"""The generated scenes: reproducible, well-formed, with rare classes that colour alone does not
give away."""

import itertools
from types import SimpleNamespace

import numpy as np
import pytest
import rasterio

from satseg.config.reading import ROOT, load
from satseg.config.sources import DemoSource
from satseg.data.sources import demo
from satseg.data.sources.demo import camera, canvas, classes, terrain
from satseg.files import sha256

LAND = range(1, len(classes.CLASSES))


def fetch(folder, **settings):
    demo.fetch(DemoSource(kind="demo", **settings), folder)
    return {
        path.relative_to(folder).as_posix(): sha256(path) for path in sorted(folder.rglob("*.*"))
    }


@pytest.fixture(scope="session")
def default_set(tmp_path_factory):
    """The default set: its folder, `images` [12, 512, 512, 3], `masks` [12, 512, 512] and rasterio
    `files`."""
    folder = tmp_path_factory.mktemp("default_set")
    fetch(folder)
    files = {}
    pixels = {}
    for kind in ("images", "masks"):
        files[kind] = [rasterio.open(path) for path in sorted((folder / kind).iterdir())]
        pixels[kind] = np.stack([file.read() for file in files[kind]])
    yield SimpleNamespace(
        images=np.moveaxis(pixels["images"], 1, -1), masks=pixels["masks"][:, 0], files=files
    )
    for file in itertools.chain(*files.values()):
        file.close()


@pytest.fixture(scope="session")
def shares(default_set):
    """Share of each class in each scene, [12, 6]."""
    return np.stack(
        [np.bincount(mask.ravel(), minlength=6) / mask.size for mask in default_set.masks]
    )


def score(predicted, mask):
    """Mean IoU of the land classes, from one confusion matrix over all pixels that have data."""
    valid = mask != classes.NO_DATA
    matrix = np.bincount(6 * mask[valid].astype(int) + predicted[valid], minlength=36).reshape(
        6, 6
    )[1:, 1:]
    return np.mean(np.diag(matrix) / (matrix.sum(0) + matrix.sum(1) - np.diag(matrix)))


# --- files ----------------------------------------------------------------------------------------


def test_the_same_seed_gives_the_same_bytes_however_many_scenes(tmp_path):
    three, four = (fetch(tmp_path / str(n), scenes=n, size=128, seed=7) for n in (3, 4))
    assert sorted(three) == [
        f"{kind}/scene_{k:02d}.tif" for kind in ("images", "masks") for k in range(3)
    ]
    assert len(four) == 8
    assert three == {path: four[path] for path in three}


def test_another_seed_and_another_scene_differ(tmp_path):
    here, there = (fetch(tmp_path / str(seed), scenes=3, size=128, seed=seed) for seed in (7, 8))
    assert len({*here.values(), *there.values()}) == 12


@pytest.mark.parametrize("size", [128, 201])
def test_a_scene_of_any_size_holds_known_classes_only(size):
    for seed in range(3):
        image, mask = demo.make_scene(np.random.default_rng(seed), size)
        assert image.shape == (3, size, size) and image.dtype == np.uint8
        assert mask.shape == (size, size) and mask.dtype == np.uint8
        assert set(np.unique(mask)) <= set(classes.CLASSES)


def test_rasters_are_tiled_and_deflated_and_masks_carry_the_class_colours(default_set):
    assert [len(files) for files in default_set.files.values()] == [12, 12]
    for kind, bands in (("images", 3), ("masks", 1)):
        for file in default_set.files[kind]:
            assert (file.count, file.height, file.width, file.dtypes) == (
                bands,
                512,
                512,
                ("uint8",) * bands,
            )
            assert file.profile["tiled"] and file.compression.value == "DEFLATE"
    for file in default_set.files["masks"]:
        for index, (_, colour) in classes.CLASSES.items():
            assert file.colormap(1)[index][:3] == tuple(bytes.fromhex(colour[1:]))


def test_scenes_lie_side_by_side_in_half_metre_pixels_and_masks_upon_images(default_set):
    for image, mask in zip(*default_set.files.values(), strict=True):
        assert image.crs.to_epsg() == mask.crs.to_epsg() == 2180
        assert image.res == (0.5, 0.5)
        assert image.transform == mask.transform
        assert image.bounds.right - image.bounds.left == 256.0
    boxes = [file.bounds for file in default_set.files["images"]]
    for a, b in itertools.combinations(boxes, 2):
        assert a.right <= b.left or b.right <= a.left or a.top <= b.bottom or b.top <= a.bottom


def test_class_indices_are_those_of_the_configuration():
    generated = [
        d
        for d in load(ROOT / "config").datasets.values()
        if getattr(d.source, "kind", None) == "demo"
    ]
    assert generated
    for dataset in generated:
        assert [(c.name, c.color) for c in dataset.classes] == list(classes.CLASSES.values())
        assert [c.unlabelled for c in dataset.classes] == [
            i == classes.NO_DATA for i in classes.CLASSES
        ]


# --- content of the default set -------------------------------------------------------------------


def test_black_is_where_there_is_no_data_and_nowhere_else(default_set):
    missing = default_set.masks == classes.NO_DATA
    np.testing.assert_array_equal((default_set.images == 0).all(-1), missing)
    np.testing.assert_array_equal((default_set.images == 0).any(-1), missing)
    # A corner that is cut off straight: any two of its pixels have only missing ones between them.
    rng = np.random.default_rng(0)
    for scene in missing[missing.any((1, 2))]:
        spots = np.argwhere(scene)
        a, b = spots[rng.integers(len(spots), size=(2, 500))]
        for t in (0.25, 0.5, 0.75):
            near = np.round(a + t * (b - a)).astype(int)
            assert scene[tuple(near.T)].mean() > 0.99


def test_rare_classes_are_rare_and_shares_lie_in_their_bands(shares):
    bands = {
        classes.NO_DATA: (0.01, 0.06),
        classes.FIELD: (0.45, 0.70),
        classes.WOODLAND: (0.12, 0.30),
        classes.WATER: (0.04, 0.10),
        classes.ROAD: (0.04, 0.07),
        classes.BUILDING: (0.03, 0.06),
    }
    for index, (low, high) in bands.items():
        assert low < shares.mean(0)[index] < high, classes.CLASSES[index]


def test_every_class_is_in_most_scenes_and_no_data_in_some(shares):
    present = (shares > 0.005).sum(0)
    assert (present[1:] >= 9).all()
    # Enough for any two scenes held out, the smallest subset of a 60/20/20 split of twelve, to show
    # every class.
    assert all(
        (shares[[a, b], 1:] > 0).any(0).all() for a, b in itertools.combinations(range(12), 2)
    )
    assert 2 <= present[classes.NO_DATA] <= 6


def test_scenes_range_from_farmland_to_suburb(shares):
    assert shares[:, classes.BUILDING].max() > 2 * shares[:, classes.BUILDING].min()
    assert shares[:, classes.WOODLAND].max() > 2 * shares[:, classes.WOODLAND].min()
    assert shares[:, classes.WATER].max() > 2 * shares[:, classes.WATER].min()


def test_colour_alone_tells_little(default_set):
    train = slice(0, 7)
    held_out = slice(7, 12)
    images = default_set.images
    masks = default_set.masks
    means = np.array([images[train][masks[train] == c].mean(0) for c in LAND])
    far = [((images[held_out] - mean) ** 2).sum(-1) for mean in means]
    nearest_mean = 1 + np.argmin(far, axis=0)

    # The best that can be done with a pixel's colour: the class most frequent among its like.
    bins = (images // 16).astype(int) @ [256, 16, 1]
    counts = np.stack([np.bincount(bins[train][masks[train] == c], minlength=4096) for c in LAND])
    table = 1 + counts.argmax(0)

    majority = score(np.full(masks[held_out].shape, classes.FIELD), masks[held_out])
    assert majority < 0.15
    assert majority + 0.05 < score(nearest_mean, masks[held_out]) < 0.40
    assert majority + 0.05 < score(table[bins[held_out]], masks[held_out]) < 0.50


def test_class_colours_overlap(default_set):
    """A good part of each rare class is as dark or bright as the middle half of the fields."""
    grey = default_set.images.mean(-1)
    low, high = np.quantile(grey[default_set.masks == classes.FIELD], [0.05, 0.95])
    for index in (classes.WOODLAND, classes.WATER, classes.ROAD, classes.BUILDING):
        shared = grey[default_set.masks == index]
        assert ((shared > low) & (shared < high)).mean() > 0.3, classes.CLASSES[index]


# --- geometry and light ---------------------------------------------------------------------------


def test_distance_from_a_path_is_that_of_brute_force():
    land = canvas.Land(np.random.default_rng(0), 120)
    turn = np.arange(0, 2, 1 / 40)
    path = 60 + 40 * np.stack([np.cos(turn), np.sin(turn)], -1)
    distance, place = land.along(path)
    dense = np.linspace(0, turn[-1], 400)
    points = 60 + 40 * np.stack([np.cos(dense), np.sin(dense)], -1)
    apart = np.hypot(land.x[..., None] - points[:, 0], land.y[..., None] - points[:, 1])
    near = apart.min(-1) < 25
    nearest = apart.argmin(-1)
    error = np.abs(distance - apart.min(-1))
    beside = near & (nearest > 0) & (nearest < 399)
    assert error[beside].max() < 0.5 and error[beside].mean() < 0.1
    assert error[near].max() < 1.1  # past its ends
    # Places count the points of the path, a pixel apart.
    assert np.abs(place - 40 * dense[nearest])[near].mean() < 1.0


def test_a_shadow_is_as_long_as_the_sun_is_low_and_changes_no_class():
    for seed in range(5):
        land = canvas.Land(np.random.default_rng(seed), 120)
        land.albedo[:] = 1
        land.height[58:63, 58:63] = height = 9
        label = land.label.copy()
        land.rng = np.random.default_rng(seed)
        again = np.random.default_rng(seed)
        azimuth = again.uniform(0.2, 0.8) * np.pi
        elevation = np.radians(again.uniform(30, 58))
        brightness = camera.light(land).mean(-1)
        np.testing.assert_array_equal(land.label, label)
        dark = np.argwhere((brightness < 0.6 * np.median(brightness)) & (land.height == 0)) - 60
        # Along the direction away from the sun, from the tower's foot to its shadow's tip.
        away = -dark @ [np.sin(azimuth), np.cos(azimuth)]
        assert away.min() > 0
        tip = height / np.tan(elevation) + 2 * (abs(np.sin(azimuth)) + abs(np.cos(azimuth)))
        assert abs(away.max() - tip) < 2.0


def test_walls_do_not_shade_but_roofs_do():
    gable = np.zeros((40, 60), np.float32)
    gable[10:31, 5:55] = 6 + 0.7 * (10 - np.abs(np.arange(-10, 11)))[:, None]
    across = camera._slope(gable, 0)
    along = camera._slope(gable, 1)
    np.testing.assert_array_equal(along, 0)
    np.testing.assert_allclose(across[11:19, 5:55], 0.7, rtol=1e-5)
    np.testing.assert_allclose(across[22:30, 5:55], -0.7, rtol=1e-5)
    assert not across[[0, 9, 31, 39]].any() and not across[20].any()


def test_parcels_cover_the_land_and_follow_the_heading():
    land = canvas.Land(np.random.default_rng(3), 256)
    albedo, edge = terrain.parcels(land, 0.0, [((0.2, 0.1, 0.05), 0.0)], 60, 1.0)
    assert albedo.shape == (256, 256, 3) and albedo.min() > 0
    # Parcels of 60 to 180 pixels a side: nowhere farther from a boundary than half of that, and
    # some boundaries.
    assert 20 < edge.max() < 0.5 * 60 * 3 + 5
    assert edge.min() == 0
