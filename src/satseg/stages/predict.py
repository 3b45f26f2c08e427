"""Turn a georeferenced scene of any size into a class map of the same place."""

import argparse
from collections.abc import Callable
from pathlib import Path

from satseg.devices import device
from satseg.jobs.program import guarded, starter_pid
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import PredictSlice, parse
from satseg.jobs.writing import file, refuse_inputs, sole_writer
from satseg.models.segmenter import load_weights
from satseg.prediction import predict_scene
from satseg.progress import log
from satseg.records import digest_of, note, write_record


def run(arguments: argparse.Namespace) -> None:
    """Write the map, and the other files that are asked for."""
    asked_for = (arguments.out, arguments.probabilities, arguments.polygons)
    outputs = [path for path in asked_for if path]
    inputs = [arguments.scene, arguments.run]
    if arguments.slice and not arguments.slice.lstrip().startswith("{"):
        inputs.append(arguments.slice)
    refuse_inputs(outputs, inputs)

    with sole_writer(*map(file, outputs), parent=starter_pid()):
        claim_device()
        job = parse(PredictSlice, arguments.slice) if arguments.slice else None
        weights = Path(arguments.run, f"{arguments.weights}.pt")
        segmenter = load_weights(weights, device(), job.python_file if job else None)
        count = predict_scene(
            segmenter,
            arguments.scene,
            arguments.out,
            probabilities=arguments.probabilities,
            polygons=arguments.polygons,
            colors=job.colors if job else None,
            overlap=arguments.overlap,
            batch_size=arguments.batch_size,
        )
        if job:
            note(arguments.scene)
            write_record(outputs, digest_of(job.model_dump_json()), arguments.code)
    log.info(
        "%s: %d windows of %d², with %s", arguments.out, count, segmenter.tile_size, arguments.run
    )


def main(words: list[str] | None = None, prog: str = "python -m satseg.stages.predict") -> None:
    """Parse the command line and predict."""
    parser = argparse.ArgumentParser(prog=prog, description=__doc__)
    option = parser.add_argument
    option("scene", help="an image GDAL reads: bands, type and resolution as in training")
    option("--run", required=True, help="folder of the trained cell")
    option("-o", "--out", required=True, help="the map: a cloud-optimised GeoTIFF of class indices")
    option("--weights", choices=("best", "final"), default="best", help="epoch (default: best)")
    option("--probabilities", help="GeoTIFF for probabilities: a band per class, uint8 in 1/250")
    option("--polygons", help="GeoJSON file for polygons with their class")
    option(
        "--overlap",
        type=_at_least(0),
        help="pixels that windows share (default: a quarter of a tile)",
    )
    option("--batch-size", type=_at_least(1), help="windows per forward pass (default: training's)")
    option("--slice", help="class colours: JSON, or a file of it (default: those of config/)")
    option("--code", help="digest of its source files, for the record of the map; with --slice")

    arguments = parser.parse_args(words)
    guarded("predict", lambda: run(arguments))


def _at_least(least: int) -> Callable[[str], int]:
    """A command-line type: a whole number from `least` up."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return whole_number


if __name__ == "__main__":
    main()
