"""The publishers' own splits: archives in the original layouts, and the original lists of tiles."""

import hashlib
import io
import zipfile
from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from conftest import ROOT, write_raster
from satseg.config.datasets import OfficialTiles
from satseg.config.reading import load
from satseg.config.root import Config
from satseg.data.layout import Scene
from satseg.data.official import published_subsets
from satseg.data.official.tiles import tile_names
from satseg.data.store import open_tiles
from satseg.errors import UserError
from satseg.jobs import slices
from satseg.stages import download, split, tile
from web import serve

LISTS = ROOT.parent / "shared" / "data" / "landcoverai"
SIZE = 32  # of the tiles here; the originals' are 512


def zipped(folder: Path) -> bytes:
    body = io.BytesIO()
    with zipfile.ZipFile(body, "w") as archive:
        for path in sorted(folder.rglob("*.*")):
            archive.write(path, path.relative_to(folder))
    return body.getvalue()


def configured(dataset: str, **changes):
    """The project's configuration with small tiles and these changes of the dataset."""
    official = load().datasets[dataset].official.model_dump()
    if "tile_size" in official:
        changes["official"] = official | {"tile_size": SIZE}
    tree = load().model_dump() | {"studies": [], "study": {}}  # whose models want larger tiles
    tree["datasets"][dataset] |= {"tile_size": SIZE} | changes
    return Config.model_validate(tree)


def staged(config, dataset: str, out: Path) -> pd.DataFrame:
    """Download, tile and divide; the table of the tiles with the split's subset, "" for none."""
    download.run(slices.download_slice(config, dataset), out / "raw")
    tile.run(slices.tile_slice(config, dataset), out / "raw", out / "tiles")
    split.run(slices.split_slice(config, "official"), out / "tiles", out / "official.csv")
    subsets = pd.read_csv(out / "official.csv").set_index("tile")["subset"]
    table = open_tiles(out / "tiles").table
    return table.assign(subset=table["tile"].map(subsets).fillna(""))


# --- one that divides scenes by where they lie ----------------------------------------------------

AREAS = {
    "Train": {"Urban": [1366, 1367], "Rural": [0, 12]},
    "Val": {"Urban": [3514], "Rural": [2522]},
}


@pytest.fixture
def loveda(tmp_path):
    """LoveDA's three folders with scenes of 64², whose masks hold all eight classes; Test has no
    masks."""
    rng = np.random.default_rng(3)
    masks = {}
    for part, areas in (AREAS | {"Test": {"Urban": [5168], "Rural": [4191]}}).items():
        for area, numbers in areas.items():
            for number in numbers:
                folder = tmp_path / "loveda" / part / area
                write_raster(
                    folder / f"images_png/{number}.png",
                    rng.integers(0, 256, (3, 64, 64), dtype=np.uint8),
                )
                if part != "Test":
                    masks[f"{part}_{area}_{number}"] = rng.integers(0, 8, (64, 64), dtype=np.uint8)
                    write_raster(
                        folder / f"masks_png/{number}.png", masks[f"{part}_{area}_{number}"][None]
                    )
    return tmp_path / "loveda", masks


def check_loveda(table, masks, store):
    assert set(table["scene"]) == set(masks)
    for name, rows in table.groupby("scene"):
        assert len(rows) == 4 and (rows["whole"] == 1).all()
        assert (
            set(rows["subset"])
            == set(rows["official_split"])
            == {"train" if name.startswith("Train") else "val"}
        )
        for row in rows.itertuples():
            place = np.s_[
                SIZE * row.row : SIZE * (row.row + 1), SIZE * row.col : SIZE * (row.col + 1)
            ]
            np.testing.assert_array_equal(store.masks[row.tile], masks[name][place])
    values = np.bincount(np.concatenate([m.ravel() for m in masks.values()]), minlength=8)
    assert table.filter(like="pixels_").sum().tolist() == values.tolist()


def test_loveda_from_its_archives(loveda, tmp_path, monkeypatch):
    folder, masks = loveda
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as server:
        files = []
        for name in ("Train", "Val"):
            archive = tmp_path / name
            archive.mkdir()
            (folder / name).rename(archive / name)
            body = server.files[f"/{name}.zip"] = zipped(archive)
            checksum = f"md5:{hashlib.md5(body).hexdigest()}"
            files.append({"url": f"{server.address}/{name}.zip", "checksum": checksum})
        config = configured("loveda", source={"kind": "http", "files": files})
        table = staged(config, "loveda", tmp_path / "out")
    assert [path for path, _ in server.asked] == ["/Train.zip", "/Val.zip"]
    check_loveda(table, masks, open_tiles(tmp_path / "out/tiles"))
    assert table["subset"].value_counts().to_dict() == {"train": 16, "val": 8}


def test_loveda_as_kaggle_nests_it_with_the_test_images(loveda, tmp_path):
    folder, masks = loveda
    for name in ("Train", "Val", "Test"):
        (folder / name).rename(folder / "part")
        (folder / name).mkdir()
        (folder / "part").rename(folder / name / name)
    (tmp_path / "all.zip").write_bytes(zipped(folder))
    assert (
        zipfile.ZipFile(tmp_path / "all.zip")
        .namelist()[0]
        .startswith("Test/Test/Rural/images_png/")
    )
    table = staged(configured("loveda", path=str(tmp_path / "all.zip")), "loveda", tmp_path / "out")
    check_loveda(table, masks, open_tiles(tmp_path / "out/tiles"))


# --- one that lists tiles -------------------------------------------------------------------------

SIZES = {
    "M-33-20-D-c-4-2": (70, 100),
    "M-34-6-A-d-2-2": (64, 96),
    "N-33-60-D-c-4-2": (33, 65),
    "N-34-106-A-b-3-4": (160, 33),
    "N-34-66-C-c-4-3": (40, 20),
}


def cut(image: np.ndarray, scene: str, size: int):
    """Name and pixels of a scene's tiles, read as the publishers' script cuts them: a counter over
    all places."""
    k = 0
    for y in range(0, image.shape[0], size):
        for x in range(0, image.shape[1], size):
            part = image[y : y + size, x : x + size]
            if part.shape[:2] == (size, size):
                yield f"{scene}_{k}", part
            k += 1


@pytest.fixture
def landcover(tmp_path):
    """LandCover.ai's folder with small scenes, and what the lists say: tile name → (subset, image,
    mask)."""
    folder = tmp_path / "landcover"
    rng = np.random.default_rng(5)
    tiles = {}
    for i, (scene, shape) in enumerate(SIZES.items()):
        image = rng.integers(0, 256, (*shape, 3), dtype=np.uint8)
        mask = rng.integers(0, 5, shape, dtype=np.uint8)
        write_raster(folder / f"images/{scene}.tif", image.transpose(2, 0, 1))
        write_raster(folder / f"masks/{scene}.tif", np.stack([mask] * (1 + 2 * (i % 2))))
        for (name, part), (_, labels) in zip(
            cut(image, scene, SIZE), cut(mask, scene, SIZE), strict=True
        ):
            tiles[name] = (("train", "val", "test")[len(tiles) % 3], part, labels)
    for subset in ("train", "val", "test"):
        names = [name for name, (of, *_) in tiles.items() if of == subset]
        (folder / f"{subset}.txt").write_text("\n".join(names) + "\n")
    (folder / "split.py").write_text("# comes with the archive\n")
    return folder, tiles


def test_landcoverai_from_its_archive(landcover, tmp_path, monkeypatch):
    folder, tiles = landcover
    monkeypatch.setenv("NO_PROXY", "127.0.0.1")
    with serve() as server:
        body = server.files["/download/landcover.ai.v1.zip"] = zipped(folder)
        checksum = f"sha256:{hashlib.sha256(body).hexdigest()}"
        files = [{"url": f"{server.address}/download/landcover.ai.v1.zip", "checksum": checksum}]
        table = staged(
            configured("landcoverai", source={"kind": "http", "files": files}),
            "landcoverai",
            tmp_path / "out",
        )
    store = open_tiles(tmp_path / "out/tiles")
    assert len(table) == 3 * 4 + 2 * 3 + 2 * 3 + 5 * 2 + 2 * 1
    assert table["whole"].sum() == len(tiles) == 2 * 3 + 2 * 3 + 1 * 2 + 5 * 1
    names = tile_names(table, "{scene}_{k}")
    assert names.is_unique
    for row, name in zip(table.itertuples(), names, strict=True):
        if not row.whole:
            assert row.subset == row.official_split == "" and name not in tiles
            continue
        subset, image, mask = tiles[name]
        assert row.subset == row.official_split == subset
        np.testing.assert_array_equal(store.images[row.tile], image)
        np.testing.assert_array_equal(store.masks[row.tile], mask)
    audit = pd.read_csv(tmp_path / "out/official.leakage.csv")
    assert (audit["scene_shared"] > 0).all() and set(audit["subset"]) == {"val", "test"}


def grid(scene: str, height: int, width: int, size: int) -> pd.DataFrame:
    """The rows of tiles.csv that name a scene's tiles."""
    rows = -(-height // size)
    cols = -(-width // size)
    table = pd.DataFrame(
        {"scene": scene, "row": np.repeat(range(rows), cols), "col": [*range(cols)] * rows}
    )
    inside = ((table["row"] + 1) * size <= height) & ((table["col"] + 1) * size <= width)
    return table.assign(whole=inside.astype(int))


@pytest.mark.parametrize("seed", range(20))
def test_names_of_a_scene_of_any_size(seed):
    rng = np.random.default_rng(seed)
    size = int(rng.integers(2, 600))
    steps = rng.choice([1, size], 2)  # to the pixel, or to a whole tile
    height, width = (int(n) for n in np.maximum(rng.integers(1, 12 * size, 2) // steps, 1) * steps)
    table = grid("s", height, width, size)
    ours = tile_names(table, "{scene}_{k}")[table["whole"] == 1].tolist()
    assert ours == [
        name for name, _ in cut(np.broadcast_to(np.uint8(0), (height, width)), "s", size)
    ]


def test_the_original_lists_to_the_tile():
    """The numbers of each scene are those of all whole tiles of one size, and every listed tile
    gets its subset."""
    if not LISTS.is_dir():
        pytest.skip(f"LandCover.ai's lists are not at {LISTS.relative_to(ROOT.parent)}")
    listed = {}
    for subset in ("train", "val", "test"):
        listed |= dict.fromkeys((LISTS / f"{subset}.txt").read_text().split(), subset)
    numbers: dict[str, list[int]] = {}
    for name in listed:
        numbers.setdefault(name.rsplit("_", 1)[0], []).append(int(name.rsplit("_", 1)[1]))
    assert len(numbers) == 41
    tables = []
    for scene, ks in numbers.items():
        ks = np.sort(ks)
        # The first gap is the partial tile at the right edge; the number after it begins the second
        # row.
        gap = int(np.flatnonzero(np.diff(ks) > 1)[0])
        whole = int(ks[gap]) + 1
        assert int(ks[gap + 1]) == whole + 1
        height = len(ks) // whole * 512 + 300
        width = whole * 512 + 300
        blank = np.broadcast_to(np.uint8(0), (height, width))
        assert {f"{scene}_{k}" for k in ks} == {name for name, _ in cut(blank, scene, 512)}
        assert 4000 < height < 10_300 and 4000 < width < 10_300
        tables.append(grid(scene, height, width, 512))
    table = pd.concat(tables, ignore_index=True)
    scenes = [Scene(scene, Path(), Path(), {}) for scene in numbers]
    subsets = published_subsets(table, scenes, LISTS, load().datasets["landcoverai"].official)
    assert subsets.value_counts().drop("").to_dict() == {"train": 7470, "val": 1602, "test": 1602}
    names = tile_names(table, "{scene}_{k}")
    assert dict(zip(names[subsets != ""], subsets[subsets != ""], strict=True)) == listed
    assert ((subsets != "") == (table["whole"] == 1)).all()


# --- lists that do not fit ------------------------------------------------------------------------


@pytest.fixture
def small(tmp_path):
    """One scene of 2×3 whole tiles with a partial column; its tiles, the scene, and lists in a
    folder."""
    (tmp_path / "train.txt").write_text("a.b_0 a.b_1\na.b_4\n")
    (tmp_path / "val.txt").write_text("a.b_5\n")
    official = OfficialTiles(
        by="tiles",
        lists={"train": "**/train.txt", "val": "**/val.txt"},
        tile="{scene}_{k}",
        tile_size=SIZE,
    )
    return (
        grid("a.b", 2 * SIZE, 3 * SIZE + 5, SIZE),
        [Scene("a.b", Path(), Path(), {})],
        tmp_path,
        official,
    )


def test_tiles_in_no_list_belong_nowhere(small):
    assert published_subsets(*small).tolist() == ["train", "train", "", "", "train", "val", "", ""]
    assert published_subsets(*small[:3], None).tolist() == [""] * 8


@pytest.mark.parametrize("name", ["a.b_3", "a.b_8"])
def test_a_listed_tile_that_the_scene_has_not(small, name):
    (small[2] / "val.txt").write_text(name)
    with pytest.raises(
        UserError, match=rf"val\.txt: lists {name}, but the scene has no whole 32² tile"
    ) as caught:
        published_subsets(*small)
    assert "\n" not in str(caught.value)


def test_a_tile_in_two_lists(small):
    (small[2] / "val.txt").write_text("a.b_1")
    with pytest.raises(UserError, match=r"val\.txt: a\.b_1 is also listed for train"):
        published_subsets(*small)


def test_scenes_that_are_not_here_are_counted(small, caplog):
    (small[2] / "val.txt").write_text("a.b_5 axb_0 c_d_7")
    assert (published_subsets(*small) == "val").sum() == 1
    assert "2 of 6 tiles in the official lists belong to scenes that are not here" in caplog.text


def test_without_the_lists_there_is_no_official_split(landcover, tmp_path, caplog):
    folder, _ = landcover
    (folder / "val.txt").unlink()
    with pytest.raises(UserError, match="no official split") as caught:
        staged(configured("landcoverai", path=str(folder)), "landcoverai", tmp_path / "out")
    assert "\n" not in str(caught.value)
    assert "**/val.txt: no such list" in caplog.text
    assert (open_tiles(tmp_path / "out/tiles").table["official_split"] == "").all()
    assert not (tmp_path / "out/official.csv").exists()
