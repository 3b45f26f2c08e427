"""Files from strangers: what looks like an image, an archive, weights or a server, and is another."""

import json
import os
import sqlite3
import stat
from contextlib import closing
from pathlib import Path

import numpy as np
import pytest
import rasterio
from rasterio.crs import CRS

from conftest import write_raster
from faults.conftest import contents
from faults.test_bad_archives import packed
from satseg.config.models import PythonSpec
from satseg.data.opening import open_scene
from satseg.data.shapes import read_shapes
from satseg.data.sources import http
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs import gpus
from satseg.jobs.slices import DownloadSlice, EvaluateSlice
from satseg.models import build_model
from satseg.models.segmenter import save_weights
from web import source

AREA = "Files from strangers"
SIDE = 64


@pytest.fixture
def dataset(tmp_path, tile_slice):
    """A scene and its mask; a picture of the user's that lies elsewhere."""
    rng = np.random.default_rng(0)
    picture = rng.integers(0, 255, (3, SIDE, SIDE), np.uint8)
    write_raster(tmp_path / "raw/scenes/images/a.tif", picture)
    write_raster(tmp_path / "raw/scenes/masks/a.tif", np.zeros((1, SIDE, SIDE), np.uint8))
    write_raster(tmp_path / "private.tif", picture)
    write_json(tmp_path / "raw/manifest.json", {"root": "scenes", "files": []})
    return tmp_path


def vrt(place: str, bands: int = 3) -> str:
    """A description of the picture at some place."""
    parts = "".join(
        f'<VRTRasterBand dataType="Byte" band="{band}"><SimpleSource>'
        f"<SourceFilename>{place}</SourceFilename><SourceBand>{band}</SourceBand>"
        f"</SimpleSource></VRTRasterBand>"
        for band in range(1, bands + 1)
    )
    return f'<VRTDataset rasterXSize="{SIDE}" rasterYSize="{SIDE}">{parts}</VRTDataset>'


def wms(address: str) -> str:
    """A description of a map service."""
    return (
        f'<GDAL_WMS><Service name="TMS"><ServerUrl>{address}/${{z}}/${{x}}/${{y}}</ServerUrl>'
        f"</Service><DataWindow><SizeX>{SIDE}</SizeX><SizeY>{SIDE}</SizeY></DataWindow>"
        f"<BandsCount>3</BandsCount></GDAL_WMS>"
    )


DESCRIBED = (
    "describes an image that lies elsewhere (such as VRT or WMS), and holds none; replace it"
)


@pytest.mark.parametrize("kind", ["VRT", "VRT after a comment", "WMS", "WMS of a file", "JSON"])
@pytest.mark.parametrize("what", ["images", "masks"])
def test_a_description_in_place_of_an_image(
    dataset, server, tile_slice, refused, fault, kind, what
):
    path = dataset / f"raw/scenes/{what}/a.tif"
    texts = {
        "VRT": vrt(f"{dataset}/private.tif"),
        "VRT after a comment": f"\n<!-- picture -->\n{vrt(f'{dataset}/private.tif')}",
        "WMS": wms(server.address),
        "WMS of a file": wms(f"file://{dataset}"),
        "JSON": '{"type": "FeatureCollection", "stac_version": "1.0.0", "features": []}',
    }
    path.write_text(texts[kind])
    message = refused("tile", tile_slice, raw=dataset / "raw", out=dataset / "tiles")
    assert message.startswith(f"{path}: {DESCRIBED}")
    assert server.asked == []
    if kind == "VRT":
        with open_scene(path) as file:  # by name, it may be read
            assert file.driver == "VRT"
    fault(AREA, f"{kind} in place of {what}", message.replace(server.address, "server"))


@pytest.mark.parametrize("ending", [".ovr", ".msk"])
def test_a_description_beside_an_image(dataset, tile_slice, refused, fault, ending):
    path = dataset / f"raw/scenes/images/a.tif{ending}"
    path.write_text(vrt(f"{dataset}/private.tif"))
    message = refused("tile", tile_slice, raw=dataset / "raw", out=dataset / "tiles")
    assert message.startswith(f"{path}: {DESCRIBED}")
    fault(AREA, f"a VRT named {ending} beside an image", message)


@pytest.mark.parametrize("ending", [".msk.ovr", ".ovr.msk"])
def test_a_description_beside_what_lies_beside_an_image(
    dataset, tile_slice, refused, fault, ending
):
    path = dataset / "raw/scenes/images/a.tif"
    write_raster(dataset / "beside.tif", np.full((1, SIDE, SIDE), 255, np.uint8))
    (dataset / "beside.tif").rename(path.with_name(f"a.tif{ending[:4]}"))
    path.with_name(f"a.tif{ending}").write_text(vrt(f"{dataset}/private.tif"))
    message = refused("tile", tile_slice, raw=dataset / "raw", out=dataset / "tiles")
    assert message.startswith(f"{path}{ending}: {DESCRIBED}")
    fault(AREA, f"a VRT named {ending} beside an image", message)


def test_overviews_that_are_elsewhere(dataset, tile_slice, refused, fault):
    path = dataset / "raw/scenes/images/a.tif"
    path.with_name("a.tif.aux.xml").write_text(
        '<PAMDataset><Metadata domain="OVERVIEWS"><MDI key="OVERVIEW_FILE">'
        f"{dataset}/private.tif</MDI></Metadata></PAMDataset>"
    )
    message = refused("tile", tile_slice, raw=dataset / "raw", out=dataset / "tiles")
    assert message.startswith(f"{path}: names a file of overviews to read instead")
    fault(AREA, "an image whose .aux.xml names another file", message)


@pytest.mark.parametrize("driver", ["GTiff", "PNG", "JPEG", "BMP", "GIF", "WEBP", "JP2OpenJPEG"])
def test_images_of_every_kind_are_read_whatever_their_name(dataset, tile_slice, command, driver):
    path = dataset / "raw/scenes/images/a.tif"
    with rasterio.open(dataset / "private.tif") as file:
        picture = file.read()
    path.unlink()
    if driver == "GIF":  # it holds a palette only
        picture = picture[:1]
    with rasterio.open(
        path, "w", driver=driver, height=SIDE, width=SIDE, count=len(picture), dtype="uint8"
    ) as file:
        file.write(picture)
    message = command("tile", tile_slice, raw=dataset / "raw", out=dataset / "tiles")
    assert message == "" or (driver == "GIF" and "palette indices" in message)


def test_a_name_that_is_not_utf8(dataset, tile_slice, refused, fault):
    images = dataset / "raw/scenes/images"
    (images / "a.tif").rename(images / os.fsdecode(b"\xe4.tif"))
    given = DownloadSlice(dataset="mine", path=str(dataset / "raw/scenes"), source=None)
    for stage, job, paths in (
        ("tile", tile_slice, {"raw": dataset / "raw", "out": dataset / "tiles"}),
        ("download", given, {"out": dataset / "new"}),
    ):
        message = refused(stage, job, **paths)
        assert message.endswith("\\udce4.tif': its name is not UTF-8; rename it")
    fault(AREA, "a file whose name is not UTF-8", message)


# --- archives -------------------------------------------------------------------------------------


def archive(*entries: tuple[str, bytes]) -> bytes:
    return packed(*((name, content, stat.S_IFREG) for name, content in entries))


def test_two_archives_with_one_entry(server, command, refused, fault, tmp_path):
    first = archive(("images/a.tif", b"first"), ("README", b"both"))
    second = archive(("images/a.tif", b"other"), ("README", b"both"))
    third = archive(("images/b.tif", b"third"), ("README", b"both"))
    server.files |= {"/1.zip": first, "/2.zip": second, "/3.zip": third}
    one, two, three = (
        source(server, content, path).files[0]
        for path, content in zip(
            ("/1.zip", "/2.zip", "/3.zip"), (first, second, third), strict=True
        )
    )
    job = DownloadSlice(dataset="mine", path=None, source={"kind": "http", "files": [one, two]})
    message = refused("download", job, out=tmp_path / "raw")
    assert "entry 'images/a.tif' is in another archive too, with other content" in message
    fault(AREA, "two archives with an entry of one name", message)
    job.source.files[1] = three
    assert command("download", job, out=tmp_path / "raw") == ""
    written = {path.name: path.read_bytes() for path in (tmp_path / "raw/scenes").rglob("*.*")}
    assert written == {"a.tif": b"first", "b.tif": b"third"}


def test_an_entry_whose_name_is_not_utf8(refused, fault, tmp_path):
    made = archive(("n\u00e4me.tif", b"picture"))
    made = made.replace("n\u00e4me.tif".encode(), b"n\xff\xffme.tif")
    (tmp_path / "mine.zip").write_bytes(made)
    job = DownloadSlice(dataset="mine", path=str(tmp_path / "mine.zip"), source=None)
    message = refused("download", job, out=tmp_path / "raw")
    assert "an entry's name is not the UTF-8 that it claims to be; unpack it yourself" in message
    fault(AREA, "an entry whose name is not UTF-8", message)


def test_more_entries_than_anyone_needs(refused, fault, monkeypatch, tmp_path):
    monkeypatch.setattr("satseg.data.archives.MANY", 2)
    (tmp_path / "mine.zip").write_bytes(archive(*((f"{i}.tif", b"") for i in range(3))))
    job = DownloadSlice(dataset="mine", path=str(tmp_path / "mine.zip"), source=None)
    message = refused("download", job, out=tmp_path / "raw")
    assert "3 entries, over the limit of 2; if it is genuine, unpack it yourself" in message
    fault(AREA, "an archive of millions of entries (the limit is lowered here)", message)


# --- servers --------------------------------------------------------------------------------------


@pytest.mark.parametrize("length", ["many", "-5", "1e3", "\u00b2"])
def test_a_length_that_is_no_number(server, archive, command, fault, tmp_path, length):
    """Not even when it resumes, which went on for ever."""
    wanted = source(server, archive.content)
    job = DownloadSlice(dataset="mine", path=None, source=wanted)
    part = tmp_path / f"raw/.downloads/{wanted.files[0].checksum.split(':')[1]}.part"
    part.parent.mkdir(parents=True)
    part.write_bytes(archive.content[:1000])
    server.faults = [{"length": length.encode("latin-1").decode("latin-1")}]
    assert command("download", job, out=tmp_path / "raw") == ""
    assert len(server.asked) <= 2
    fault(AREA, f"a Content-Length of {length}", "not believed; the checksum tells")


def test_a_server_that_sends_a_few_bytes_at_a_time(server, archive, refused, fault, tmp_path):
    server.faults = [{"cut": 10, "length": len(archive.content)}] * 100
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    message = refused("download", job, out=tmp_path / "raw")
    assert f"{http.ATTEMPTS} times in a row" in message
    assert len(server.asked) == http.ATTEMPTS
    fault(AREA, "a server that sends ten bytes and hangs up, again and again", message)


def test_a_server_that_does_not_stop(server, archive, refused, fault, monkeypatch, tmp_path):
    monkeypatch.setattr(http, "MOST", 100_000)
    job = DownloadSlice(dataset="mine", path=None, source=source(server, archive.content))
    message = refused("download", job, out=tmp_path / "raw")
    assert "/data/a.zip: sends more than 0.0001 GB; correct `source.files`" in message
    fault(AREA, "a server that sends without end (the limit is lowered here)", message)


# --- weights --------------------------------------------------------------------------------------

NET = """
from torch import nn

class Own(nn.Conv2d):
    def __init__(self, num_classes, in_channels):
        super().__init__(in_channels, num_classes, 1)
"""


@pytest.mark.parametrize("harm", ["another file", "another content"])
def test_weights_that_choose_what_is_run(refused, fault, monkeypatch, tmp_path, harm):
    monkeypatch.chdir(tmp_path)
    marker = tmp_path / "ran"
    Path("own.py").write_text(NET)
    Path("evil.py").write_text(NET)
    file = "evil.py" if harm == "another file" else "own.py"
    model = PythonSpec(family="python", file=file, name="Own")
    Path("run").mkdir()
    meta = {"classes": ["a", "b"], "counted": [0, 1], "padded_tiles": True, "batch_size": 1}
    save_weights(
        "run/best.pt", build_model(model, 2), model, 3, **meta, scaling="unit", precision="32"
    )
    Path(file).write_text(f"open({str(marker)!r}, 'w')\n{NET}")
    job = EvaluateSlice(evaluate={"subset": "val"}, python_file="own.py")
    message = refused(
        "evaluate", job, tiles=tmp_path, split=tmp_path / "s.csv", run=tmp_path / "run"
    )
    assert not marker.exists()
    assert message.startswith(f"{tmp_path}/run/best.pt: ")
    fault(AREA, f"weights of a model in Python that name {harm}", message)


# --- the folder of locks --------------------------------------------------------------------------


@pytest.mark.parametrize("what", ["link", "file", "open to all"])
def test_a_folder_of_locks_that_another_made(fault, monkeypatch, tmp_path, what):
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    mine = tmp_path / "mine"
    mine.mkdir()
    (mine / "a.0").write_text("mine")
    folder = tmp_path / f"satseg-gpus-{os.getuid()}"
    if what == "link":
        folder.symlink_to(mine)
    elif what == "file":
        folder.touch()
    else:
        folder.mkdir()
        folder.chmod(0o777)
    with pytest.raises((UserError, FileExistsError)) as caught:
        gpus.take_gpu(["a", "b"])
    assert (mine / "a.0").read_text() == "mine"
    assert gpus.VISIBLE not in os.environ
    fault(AREA, f"the folder of GPU locks in /tmp is {what}", str(caught.value))


def test_a_lock_that_is_a_link(monkeypatch, tmp_path):
    monkeypatch.delenv(gpus.VISIBLE, raising=False)
    (tmp_path / "mine").write_text("mine")
    (tmp_path / "a.0").symlink_to(tmp_path / "mine")
    with pytest.raises(OSError, match="Too many levels"):
        gpus.take_gpu(["a", "b"], tmp_path)
    assert (tmp_path / "mine").read_text() == "mine"


# --- masks of polygons ----------------------------------------------------------------------------

# A triangle in degrees, and the class of it.
FEATURE = {
    "type": "Feature",
    "properties": {"kind": "road"},
    "geometry": {"type": "Polygon", "coordinates": [[[0, 0], [0, 1], [1, 1], [0, 0]]]},
}
COLLECTION = {"type": "FeatureCollection", "features": [FEATURE]}
TRICKS = {
    "commands for GDAL": {
        "type": "gdal_streamed_alg",
        "command_line": "gdal vector filter private.geojson --of stream streamed_dataset",
    },
    "the coordinate system at an address": COLLECTION
    | {"crs": {"type": "link", "properties": {"href": "{server}/crs", "type": "esriwkt"}}},
    "an address for the name of the coordinate system": COLLECTION
    | {"crs": {"type": "name", "properties": {"name": "{server}/crs"}}},
    "a file for the name of the coordinate system": COLLECTION
    | {"crs": {"type": "name", "properties": {"name": "private.wkt"}}},
}


@pytest.mark.parametrize("trick", TRICKS)
def test_a_geojson_that_leads_elsewhere(tmp_path, monkeypatch, server, fault, trick):
    monkeypatch.chdir(tmp_path)
    write_json(Path("private.geojson"), COLLECTION)
    Path("private.wkt").write_text(CRS.from_epsg(32640).to_wkt())
    path = Path("a.geojson")
    path.write_text(json.dumps(TRICKS[trick]).replace("{server}", server.address))
    with pytest.raises(UserError, match=r"^a\.geojson: .*; (replace|save) it") as caught:
        read_shapes(path)
    assert server.asked == []
    fault(AREA, f"a GeoJSON with {trick}", str(caught.value))


def geopackage(path, *statements):
    """A GeoPackage of one polygon, and what is done to its tables."""
    pyogrio = pytest.importorskip("pyogrio.raw")
    write_json(path.with_name("plain.geojson"), COLLECTION)
    about, _, shapes, fields = pyogrio.read(path.with_name("plain.geojson"))
    pyogrio.write(
        path, shapes, fields, about["fields"], geometry_type="Polygon", crs=about["crs"],
        layer="a", driver="GPKG",
    )  # fmt: skip
    with closing(sqlite3.connect(path)) as database:
        database.execute("PRAGMA writable_schema = 1")
        for statement in statements:
            database.execute(statement)
        database.commit()


VIRTUAL = (
    "INSERT INTO sqlite_master (type, name, tbl_name, rootpage, sql) VALUES ('table', 'b', 'b', 0, "
    "'CREATE VIRTUAL TABLE b USING VirtualGeoJSON(''private.geojson'', 4326)')"
)


@pytest.mark.parametrize(
    ("what", "statement"),
    [("a table", VIRTUAL), ("a view", "CREATE VIEW b AS SELECT * FROM a")],
)
def test_a_geopackage_that_is_made_of_other_files(tmp_path, fault, what, statement):
    path = tmp_path / "a.gpkg"
    geopackage(path, statement)
    with pytest.raises(UserError, match=r"a\.gpkg: 'b' is a view or a virtual table") as caught:
        read_shapes(path)
    fault(AREA, f"a GeoPackage with {what} that may lead to other files", str(caught.value))


@pytest.mark.parametrize("ending", ["-wal", "-journal"])
def test_a_geopackage_with_changes_beside_it(tmp_path, fault, ending):
    path = tmp_path / "a.gpkg"
    geopackage(path)
    shapes, columns, _ = read_shapes(path)
    assert (len(shapes), list(columns["kind"])) == (1, ["road"])
    path.with_name(f"a.gpkg{ending}").write_bytes(b"x" * 4096)
    before = contents(tmp_path)
    with pytest.raises(UserError, match=rf"a\.gpkg{ending}: changes that are not in") as caught:
        read_shapes(path)
    assert contents(tmp_path) == before
    fault(AREA, f"a GeoPackage with a {ending} file beside it", str(caught.value))


@pytest.mark.parametrize("driver", ["ESRI Shapefile", "FlatGeobuf", "GPKG", "GeoJSON"])
def test_polygons_that_are_cut_off(tmp_path, fault, driver):
    pyogrio = pytest.importorskip("pyogrio.raw")
    endings = {"ESRI Shapefile": ".shp", "FlatGeobuf": ".fgb", "GPKG": ".gpkg"}
    path = tmp_path / f"a{endings.get(driver, '.geojson')}"
    many = [FEATURE | {"properties": {"kind": f"class {number % 3}"}} for number in range(60)]
    write_json(tmp_path / "plain.json", COLLECTION | {"features": many})
    about, _, shapes, fields = pyogrio.read(tmp_path / "plain.json")
    pyogrio.write(
        path, shapes, fields, about["fields"], geometry_type="Polygon", crs=about["crs"],
        driver=driver,
    )  # fmt: skip
    sound = path.read_bytes()
    shapes, columns, _ = read_shapes(path)
    assert list(columns["kind"]) == [f"class {number % 3}" for number in range(60)]
    for share in (0.3, 0.6, 0.9, 0.99):
        path.write_bytes(sound[: int(len(sound) * share)])
        with pytest.raises(UserError, match=rf"a\{path.suffix}: .*; replace it") as caught:
            read_shapes(path)
    fault(AREA, f"polygons that are cut off, in a {path.suffix} file", str(caught.value))
