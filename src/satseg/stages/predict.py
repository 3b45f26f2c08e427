"""Turn a georeferenced scene of any size into a class map of the same place."""

import argparse
from pathlib import Path

from satseg.devices import device, resolve_precision
from satseg.jobs.program import guarded
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import PredictSlice, parse
from satseg.models.segmenter import load_weights
from satseg.prediction.scene import predict_scene
from satseg.progress import log


def run(arguments: argparse.Namespace) -> None:
    """Write the map, and the other files that are asked for."""
    claim_device()
    segmenter = load_weights(Path(arguments.run, f"{arguments.weights}.pt"), device())
    if device().type == "cpu" and segmenter.precision != "32":
        # A CPU that does not compute in 16 bits only loses time with them.
        segmenter = segmenter._replace(precision=resolve_precision("auto"))
    colors = parse(PredictSlice, arguments.slice).colors if arguments.slice else None
    count = predict_scene(
        segmenter,
        arguments.scene,
        arguments.out,
        probabilities=arguments.probabilities,
        polygons=arguments.polygons,
        colors=colors,
        overlap=arguments.overlap,
        batch_size=arguments.batch_size,
    )
    log.info(
        "%s: %d windows of %d², with %s", arguments.out, count, segmenter.tile_size, arguments.run
    )


def main() -> None:
    """Parse the command line and predict."""
    parser = argparse.ArgumentParser(prog="python -m satseg.stages.predict", description=__doc__)
    parser.add_argument(
        "scene", help="an image GDAL reads: bands, type and resolution as the model was trained on"
    )
    parser.add_argument("--run", required=True, help="folder of the trained cell")
    parser.add_argument(
        "-o", "--out", required=True, help="the map: a cloud-optimised GeoTIFF of class indices"
    )
    parser.add_argument(
        "--weights", choices=("best", "final"), default="best", help="which epoch's (default: best)"
    )
    parser.add_argument(
        "--probabilities", help="GeoTIFF for probabilities: a band per class, uint8 in 1/250"
    )
    parser.add_argument("--polygons", help="GeoJSON file for polygons with their class")
    parser.add_argument(
        "--overlap", type=_count(0), help="pixels that windows share (default: a quarter of a tile)"
    )
    parser.add_argument(
        "--batch-size",
        type=_count(1),
        help="windows per forward pass (default: the training's, on a CPU 2 at most)",
    )
    parser.add_argument(
        "--slice", help="colours of the classes: JSON, or a file of it (default: those of config/)"
    )
    arguments = parser.parse_args()
    guarded("predict", lambda: run(arguments))


def _count(least: int):
    def count(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return count


if __name__ == "__main__":
    main()
