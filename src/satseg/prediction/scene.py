"""A georeferenced scene of any size → a class map of the same place."""

import warnings
from collections.abc import Iterator, Sequence
from contextlib import ExitStack, closing, contextmanager
from functools import partial
from pathlib import Path

import numpy as np
import rasterio
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from tqdm import tqdm

from satseg.data.images import BLOCK_CACHE, read_bands
from satseg.data.opening import open_scene, pixels_of
from satseg.devices import resolve_precision
from satseg.errors import UserError
from satseg.files import scratch_folder, together
from satseg.jobs.writing import refuse_inputs
from satseg.models.segmenter import Segmenter
from satseg.models.voting import VIEWS, check_members, mean_probabilities
from satseg.prediction.accepting import AcceptedScene, accept, unpacked
from satseg.prediction.blending import Read, Score, blend
from satseg.prediction.colors import class_colors
from satseg.prediction.maps import MapFiles, optimise, write_picture
from satseg.prediction.products import PICTURE, Look, Products, derive
from satseg.prediction.resampling import resampled
from satseg.prediction.windows import strips, windows, within
from satseg.progress import Pace

# The rasters of a prediction, and how their overviews are made.
RASTERS = {"map": "MODE", "probabilities": "AVERAGE", "confidence": "AVERAGE"}
CPU_BATCH = 2  # windows per forward pass on a CPU, at most: more gain no speed there


def predict_scene(
    segmenter: Segmenter | Sequence[Segmenter],
    scene: str | Path,
    out: str | Path,
    *,
    probabilities: str | Path | None = None,
    confidence: str | Path | None = None,
    polygons: str | Path | None = None,
    areas: str | Path | None = None,
    style: str | Path | None = None,
    web: str | Path | None = None,
    min_area: float = 0,
    simplify: float = 0,
    tta: str = "none",
    resample: float | str | None = None,
    colors: dict[str, str] | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
) -> int:
    """Write the class map of a scene: a cloud-optimised GeoTIFF, uint8 class indices, 255 where
    there is no data.

    Overlapping windows of the training's tile size cover the scene and are blended: the
    overlap-tile strategy of U-Net (arXiv 1505.04597, figure 2), with a ramp between neighbours.
    Memory does not grow with the scene. All files appear together, or none does.

    Args:
        segmenter: a trained model, as `load_weights` returns it; several vote with the mean of
            their probabilities.
        scene: an image that GDAL reads, with the bands, pixel type and resolution of the training
            images; also one in a zip (`scene.zip`, or `/vsizip/…` as GDAL calls it).
        out: the map; with the suffix `.png` a picture of it without a position.
        probabilities: a file for probabilities as well: a band for each counted class, uint8 in
            steps of 1/250, 255 where there is no data.
        confidence: a file for the highest probability of each pixel, in the same steps.
        polygons: a file for polygons as well, each with its class and area: GeoJSON in degrees, or
            GeoPackage (`.gpkg`) or FlatGeobuf (`.fgb`) in the scene's coordinate system.
        areas: a CSV file for the hectares and share of each class.
        style: a QGIS style (`.qml`) for the map.
        web: an HTML page that shows the map over the scene.
        min_area: square metres; smaller polygons become part of their largest neighbour or are left
            out (see `write_polygons`).
        simplify: metres by which the polygons' borders may be smoothed.
        tta: test-time augmentation: `none`, `flips` (the mean of 4 views) or `all` (of 8).
        resample: metres that the scene's pixels, and the map's, are resampled to; `model` for those
            of the training images; None to leave them as they are.
        colors: colour of each class (`#rrggbb`), by name; None for those of the configuration, or
            of a palette.
        overlap: minimum number of pixels that windows share (default: a quarter of a tile).
        batch_size: windows per forward pass (default: that of training, on a CPU 2 at most).

    Returns:
        Number of windows predicted.

    Raises:
        UserError: the scene does not fit the model or cannot be read, the models differ in their
            classes, or a file cannot be written.

    Example:
        segmenter = load_weights("best.pt")
        predict_scene(segmenter, "scene.tif", "map.tif", polygons="map.geojson")
    """
    given = (out, probabilities, confidence, polygons, areas, style, web)
    products = Products(*(Path(path) if path else None for path in given))
    generalise = {"min_area": min_area, "simplify": simplify}
    products.check(**generalise)
    outputs = list(products.wanted.values())
    distinct = {path.resolve() for path in (Path(scene), *outputs)}
    if len(distinct) <= len(outputs):
        raise UserError(f"{out}: scene and outputs must be different files; choose other names")

    members = [segmenter] if isinstance(segmenter, Segmenter) else list(segmenter)
    stride = check_members(members, [member.dataset or "a model" for member in members])
    if _on_cpu(members[0]):
        members = [_for_cpu(member) for member in members]
    segmenter = members[0]._replace(stride=stride)
    shared = _shared_pixels(segmenter, overlap)
    score = partial(mean_probabilities, members, views=VIEWS[tta])

    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        source = unpacked(scene)
        file = stack.enter_context(open_scene(source))
        refuse_inputs(outputs, file.files)  # of a VRT, those it is made of
        if resample:
            file = stack.enter_context(resampled(file, source, segmenter, resample))
        accepted = accept(file, source, members, georeferenced=bool(polygons))

        finals = dict(zip(products.wanted, stack.enter_context(together(*outputs)), strict=True))
        scratch = stack.enter_context(scratch_folder(f"{outputs[0]}.blocks"))
        plain = {kind: scratch / f"{kind}.tif" for kind in RASTERS if kind in finals}

        stack.enter_context(_writing(outputs[0]))
        look = Look(segmenter.classes, class_colors(segmenter, colors))
        with MapFiles(segmenter, accepted.file, look.colors, **plain) as maps:
            steps = (shared, batch_size or segmenter.batch_size)
            count = _fill(maps, segmenter, score, accepted, steps, str(out))
        for kind, blocks in plain.items():
            if finals[kind].suffix.lower() == PICTURE:
                write_picture(blocks, finals[kind])
            else:
                optimise(blocks, finals[kind], RASTERS[kind])
        derive(finals, plain["map"], accepted, look, outputs[0].stem, **generalise)
    return count


def _shared_pixels(segmenter: Segmenter, overlap: int | None) -> int:
    """The overlap as the model's stride allows it."""
    size = segmenter.tile_size
    stride = segmenter.stride
    wanted = size // 4 if overlap is None else overlap
    shared = -(-wanted // stride) * stride
    if overlap is not None and not 0 <= shared < size:
        raise UserError(
            f"overlap: {overlap} pixels do not fit windows of {size}; choose 0 to {size - stride}"
        )
    return min(shared, size - stride)


def _on_cpu(segmenter: Segmenter) -> bool:
    return next(segmenter.model.parameters()).device.type == "cpu"


def _for_cpu(segmenter: Segmenter) -> Segmenter:
    """Small batches, and 16 bits only where the CPU computes in them: elsewhere they cost time."""
    precision = segmenter.precision
    if precision != "32":
        precision = resolve_precision("auto")
    return segmenter._replace(precision=precision, batch_size=min(CPU_BATCH, segmenter.batch_size))


def _fill(
    maps: MapFiles,
    segmenter: Segmenter,
    score: Score,
    scene: AcceptedScene,
    steps: tuple[int, int],
    name: str,
) -> int:
    """Predict a scene, strip by strip, into opened files; `steps` are the pixels that windows share
    and the windows of a batch. Returns the number of windows."""
    overlap, batch = steps
    size = segmenter.tile_size
    rows, columns = (
        windows(length, size, overlap, segmenter.stride) for length in scene.file.shape
    )
    parts = [
        (first, last, within(columns, first, last))
        for first, last in strips(columns, scene.file.width)
    ]
    total = len(rows.starts) * sum(len(part.starts) for _, _, part in parts)

    pace = Pace(name, total, "windows")
    finished = 0
    with tqdm(total=total, desc=name, unit="window", disable=None) as bar:

        def advance(count: int) -> None:
            nonlocal finished
            finished += count
            bar.update(count)
            pace.at(finished)

        for first, last, part in parts:
            left = part.starts[0]
            read = _row_reader(scene, left, part.starts[-1] + size)
            with closing(blend(segmenter, read, rows, part, batch, advance, score)) as strip:
                for finished_rows in strip:
                    maps.write(finished_rows, first - left, first, last)
    return total


def _row_reader(scene: AcceptedScene, left: int, right: int) -> Read:
    """A function that reads a range of rows of the columns from `left` to before `right`, mirrored
    beyond the scene's edge."""
    file = scene.file
    width = min(right, file.width) - left
    beyond = (0, right - left - width)

    def read(top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        height = max(0, min(bottom, file.height) - top)
        if not height:
            no_rows = np.zeros((0, right - left, len(scene.pixels.bands)), np.uint8)
            return no_rows, np.zeros((0, right - left), bool)

        window = Window(left, top, width, height)
        with pixels_of(scene.path, f" near row {top}"):
            image, nodata = read_bands(file, scene.pixels, scene.masked, window)

        if nodata is None:
            nodata = np.zeros((height, width), bool)

        image = np.pad(image, ((0, 0), beyond, (0, 0)), "reflect")
        return image, np.pad(nodata, ((0, 0), beyond), constant_values=True)

    return read


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """A block in which GDAL writes; its errors become one line."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{out}: cannot be written ({reason}); free space or choose another folder"
        ) from error
