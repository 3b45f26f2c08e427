"""Turn a georeferenced scene of any size into a class map of the same place."""

import argparse
from collections.abc import Callable

from satseg.devices import device
from satseg.jobs.arguments import parse
from satseg.jobs.cells import refuse_folder_of_cells
from satseg.jobs.program import Parser, guarded, starter_pid
from satseg.jobs.resources import claim_device
from satseg.jobs.slices import PredictSlice
from satseg.jobs.writing import file, refuse_inputs, sole_writer
from satseg.models.bundle import find_weights
from satseg.models.segmenter import load_weights
from satseg.models.voting import VIEWS, check_members
from satseg.prediction import predict_scene
from satseg.prediction.resampling import MODEL
from satseg.progress import log
from satseg.records import digest_of, note, write_record
from satseg.text import counted

# Files beside the map.
FILES = {
    "probabilities": "GeoTIFF for probabilities: a band per class, uint8 in 1/250",
    "confidence": "GeoTIFF for the highest probability, uint8 in 1/250",
    "polygons": "file for polygons with class and area: .geojson, .gpkg or .fgb",
    "areas": "CSV file for hectares per class",
    "style": "QGIS style (.qml) for the map",
    "web": "HTML page that shows the map over the scene",
}


def run(arguments: argparse.Namespace) -> None:
    """Write the map, and the other files that are asked for."""
    asked_for = {kind: getattr(arguments, kind) for kind in FILES}
    outputs = [path for path in (arguments.out, *asked_for.values()) if path]
    inputs = [arguments.scene, *arguments.run]
    if arguments.slice and not arguments.slice.lstrip().startswith("{"):
        inputs.append(arguments.slice)
    refuse_inputs(outputs, inputs)
    for folder in arguments.run:
        refuse_folder_of_cells(folder)

    with sole_writer(*map(file, outputs), parent=starter_pid()):
        claim_device()
        job = parse(PredictSlice, arguments.slice) if arguments.slice else None
        own_code = job.python_file if job else None
        members = [
            load_weights(find_weights(run, arguments.weights), device(), own_code)
            for run in arguments.run
        ]
        check_members(members, arguments.run)
        count = predict_scene(
            members,
            arguments.scene,
            arguments.out,
            **asked_for,
            min_area=arguments.min_area,
            simplify=arguments.simplify,
            tta=arguments.tta,
            resample=arguments.resample,
            colors=job.colors if job else None,
            overlap=arguments.overlap,
            batch_size=arguments.batch_size,
        )
        if job:
            note(arguments.scene)
            write_record(outputs, digest_of(job.model_dump_json()), arguments.code)
    log.info(
        "%s: %s of %d², with %s",
        arguments.out,
        counted(count, "window"),
        members[0].tile_size,
        ", ".join(arguments.run),
    )
    if len(outputs) > 1:
        log.info("%s: beside it %s", arguments.out, ", ".join(map(str, outputs[1:])))


def main(words: list[str] | None = None, prog: str = "python -m satseg.stages.predict") -> None:
    """Parse the command line and predict."""
    parser = Parser(prog=prog, description=__doc__)
    option = parser.add_argument
    option("scene", help="an image GDAL reads: bands, type and resolution as in training")
    option(
        "--run",
        required=True,
        action="append",
        help="folder of the trained cell, a weights file or a bundle; given several times, the "
        "models vote",
    )
    option(
        "-o",
        "--out",
        required=True,
        help="the map: a cloud-optimised GeoTIFF of class indices, or a picture (.png)",
    )
    option("--weights", choices=("best", "final"), default="best", help="epoch (default: best)")
    for kind, text in FILES.items():
        option(f"--{kind}", help=text)
    option(
        "--min-area",
        type=_metres,
        default=0,
        metavar="M2",
        help="merge polygons below these square metres into their largest neighbour (default: 0)",
    )
    option(
        "--simplify",
        type=_metres,
        default=0,
        metavar="METRES",
        help="smooth the polygons' borders by about this much (default: 0)",
    )
    option(
        "--tta",
        choices=list(VIEWS),
        default="none",
        help="test-time augmentation: the mean over 4 flips, or all 8 flips and turns",
    )
    option(
        "--resample",
        type=_pixel_size,
        metavar="METRES",
        help="resample the scene to pixels of this size first; `model`: that of the model's images",
    )
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


def _metres(text: str) -> float:
    """A command-line type: a finite number from 0 up."""
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value < float("inf"):
        raise argparse.ArgumentTypeError(f"{text!r} is not a number from 0 up")
    return value


def _pixel_size(text: str) -> float | str:
    """A command-line type: `model`, or metres above 0."""
    if text == MODEL:
        return text
    value = _metres(text)
    if not value:
        raise argparse.ArgumentTypeError(f"{text!r} is neither {MODEL!r} nor above 0")
    return value


def _at_least(least: int) -> Callable[[str], int]:
    """A command-line type: a whole number from `least` up."""

    def whole_number(text: str) -> int:
        if not text.isdecimal() or int(text) < least:
            raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from {least} up")
        return int(text)

    return whole_number


if __name__ == "__main__":
    main()
