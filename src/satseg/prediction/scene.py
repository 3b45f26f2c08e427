"""A georeferenced scene of any size → a class map of the same place."""

import time
import warnings
from collections.abc import Callable, Iterator
from contextlib import ExitStack, closing, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import numpy as np
import rasterio
import rasterio.shutil
from rasterio._err import CPLE_BaseError
from rasterio.errors import NotGeoreferencedWarning, RasterioError
from rasterio.windows import Window
from tqdm import tqdm

from satseg.data.images import BLOCK_CACHE, open_image, read_bands
from satseg.errors import UserError
from satseg.files import together
from satseg.models.segmenter import Segmenter
from satseg.prediction.accepting import Source, accept
from satseg.prediction.blending import blend
from satseg.prediction.maps import MapFiles, optimise
from satseg.prediction.polygons import write_polygons
from satseg.prediction.windows import strips, windows, within
from satseg.progress import log

LOG_EVERY = 20.0  # seconds between lines about the progress, where there is no terminal for a bar


def predict_scene(
    segmenter: Segmenter,
    scene: str | Path,
    out: str | Path,
    *,
    probabilities: str | Path | None = None,
    polygons: str | Path | None = None,
    colors: dict[str, str] | None = None,
    overlap: int | None = None,
    batch_size: int | None = None,
) -> int:
    """Write the class map of a scene: a cloud-optimised GeoTIFF, uint8 class indices, 255 where
    there is no data.

    Memory does not grow with the scene. All files appear together, or none does.

    Args:
        segmenter: a trained model.
        scene: an image that GDAL reads, with the bands, type and resolution of those the model was
            trained on.
        out: the map.
        probabilities: where to write probabilities too: a band for each counted class, uint8 in
            steps of 1/250.
        polygons: where to write GeoJSON polygons too, longitude and latitude, each with its class.
        colors: colour of each class, by name; None for those of the configuration, or of a palette.
        overlap: least number of pixels that windows share (default: a quarter of a tile).
        batch_size: windows per forward pass (default: the training's, on a CPU 2 at most).

    Returns:
        Number of windows of the model's tile size that it took.

    Raises:
        UserError: the scene does not fit the model, cannot be read, or a file cannot be written.
    """
    targets = [Path(path) for path in (out, probabilities, polygons) if path]
    files = {path.resolve() for path in (Path(scene), *targets)}
    if len(files) <= len(targets):
        raise UserError(
            f"{out}: the scene and what is written must be different files; choose other names"
        )
    share = _share(segmenter, overlap)
    with warnings.catch_warnings(), ExitStack() as stack:
        warnings.simplefilter("ignore", NotGeoreferencedWarning)
        stack.enter_context(rasterio.Env(GDAL_CACHEMAX=BLOCK_CACHE))
        file = stack.enter_context(open_image(Path(scene)))
        source = accept(file, Path(scene), segmenter, bool(polygons))
        finals = stack.enter_context(together(*targets))
        scratch = Path(
            stack.enter_context(
                TemporaryDirectory(prefix=f".{targets[0].stem}.", dir=targets[0].parent)
            )
        )
        stack.enter_context(_writing(targets[0]))
        plain = [scratch / "map.tif", scratch / "probabilities.tif"][: 2 if probabilities else 1]
        with MapFiles(segmenter, file, *plain, colors=colors) as opened:
            count = _fill(opened, segmenter, source, share, batch_size, str(out))
        for blocks, final, resampling in zip(plain, finals, ("MODE", "AVERAGE"), strict=False):
            optimise(blocks, final, resampling)
        if polygons:
            write_polygons(plain[0], finals[-1], segmenter.classes, targets[0].stem)
    return count


def _share(segmenter: Segmenter, overlap: int | None) -> int:
    """The overlap as the model's stride allows it."""
    size, stride = segmenter.tile_size, segmenter.stride
    share = -(-(size // 4 if overlap is None else overlap) // stride) * stride
    if overlap is not None and not 0 <= share < size:
        raise UserError(
            f"overlap: {overlap} pixels do not fit windows of {size}; choose 0 to {size - stride}"
        )
    return min(share, size - stride)


def _fill(
    files: "MapFiles",
    segmenter: Segmenter,
    source: "Source",
    overlap: int,
    batch_size: int | None,
    name: str,
) -> int:
    """Predict a scene, strip by strip, into opened files; returns the number of windows."""
    file, size = source.file, segmenter.tile_size
    on_cpu = next(segmenter.model.parameters()).device.type == "cpu"
    batch_size = batch_size or (min(2, segmenter.batch_size) if on_cpu else segmenter.batch_size)
    rows, columns = (windows(length, size, overlap, segmenter.stride) for length in file.shape)
    parts = [
        (first, last, within(columns, first, last)) for first, last in strips(columns, file.width)
    ]
    total = len(rows.starts) * sum(len(part.starts) for *_, part in parts)
    with _progress(total, name) as done:
        for first, last, part in parts:
            read = _reader(source, part.starts[0], part.starts[-1] + size)
            with closing(blend(segmenter, read, rows, part, batch_size, done)) as blocks:
                for block in blocks:
                    files.write(block, first - part.starts[0], first, last)
    return total


def _reader(
    source: Source, left: int, right: int
) -> Callable[[int, int], tuple[np.ndarray, np.ndarray]]:
    """What reads a range of rows of the columns from `left` to before `right`, mirrored beyond the
    scene's edge."""
    file = source.file
    width = min(right, file.width) - left

    def read(top: int, bottom: int) -> tuple[np.ndarray, np.ndarray]:
        height = max(0, min(bottom, file.height) - top)
        if not height:
            return np.zeros((0, right - left, len(source.pixels.bands)), np.uint8), np.zeros(
                (0, right - left), bool
            )
        window = Window(left, top, width, height)
        try:
            with rasterio.Env():  # GDAL's messages are a matter of each thread
                image, gone = read_bands(file, source.pixels, window)
                if source.masked:
                    hidden = file.dataset_mask(window=window) == 0
                    gone = hidden if gone is None else gone | hidden
        except RasterioError:
            raise UserError(f"{source.path}: damaged near row {top}; replace it") from None
        gone = np.zeros((height, width), bool) if gone is None else gone
        image = np.where(gone[..., None], np.uint8(0), image) if source.masked else image
        beyond = (0, right - left - width)
        image = np.pad(image, ((0, 0), beyond, (0, 0)), "reflect")
        return image, np.pad(gone, ((0, 0), beyond), constant_values=True)

    return read


@contextmanager
def _writing(out: Path) -> Iterator[None]:
    """A block in which GDAL writes; what it says against that is one line."""
    try:
        yield
    except (RasterioError, CPLE_BaseError) as error:
        reason = " ".join(str(error).split()).rstrip(".")
        raise UserError(
            f"{out}: cannot be written ({reason}); free space or choose another folder"
        ) from error


@contextmanager
def _progress(total: int, what: str) -> Iterator[Callable[[int], None]]:
    """Give what takes the number of finished windows: a bar in a terminal, a line now and then
    elsewhere."""
    began = due = time.monotonic()
    with tqdm(total=total, desc=what, unit="window", disable=None) as bar:
        count = 0

        def done(finished: int) -> None:
            nonlocal count, due
            count += finished
            bar.update(finished)
            now = time.monotonic()
            if bar.disable and finished and now >= due + LOG_EVERY:
                due = now
                left = (now - began) / count * (total - count)
                log.info("%s: %d of %d windows; about %.0f s left", what, count, total, left)

        yield done
