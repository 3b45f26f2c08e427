"""Write a trained model as an ONNX file for other programs, once onnxruntime gives the same logits
as PyTorch; or as a bundle of all that its users need."""

import argparse
from pathlib import Path

from satseg.errors import UserError
from satseg.jobs.cells import refuse_folder_of_cells
from satseg.jobs.program import Parser, guarded
from satseg.jobs.writing import file, refuse_inputs, sole_writer
from satseg.models.bundle import find_weights, is_bundle
from satseg.models.segmenter import load_weights
from satseg.paths import Paths
from satseg.prediction.bundle import write_bundle
from satseg.prediction.onnx import TOLERANCE, export
from satseg.progress import log

PATHS = Paths()


def run(arguments: argparse.Namespace) -> None:
    """Write the ONNX file or the bundle."""
    refuse_folder_of_cells(arguments.run)
    if arguments.bundle:
        _write_bundle(arguments)
        return
    refuse_inputs([arguments.out], [arguments.run])
    source = find_weights(arguments.run, arguments.weights)
    with sole_writer(file(arguments.out)):
        difference = export(load_weights(source), arguments.out, str(source.name))
    log.info(
        "%s: logits differ from PyTorch's by %.0e of the largest (at most %.0e is accepted)",
        arguments.out,
        difference,
        TOLERANCE,
    )


def _write_bundle(arguments: argparse.Namespace) -> None:
    run = Path(arguments.run)
    if is_bundle(run) or run.is_file():
        raise UserError(f"{run}: not the folder of a trained cell, which a bundle is made of")
    refuse_inputs([arguments.out], [run])
    tiles = arguments.tiles
    if tiles is None:
        tiles = PATHS.tiles(load_weights(run / f"{arguments.weights}.pt").dataset)
    with sole_writer(file(arguments.out)):
        names = write_bundle(run, arguments.out, arguments.weights, tiles)
    log.info("%s: %s", arguments.out, ", ".join(names))


def main(words: list[str] | None = None, prog: str = "python -m satseg.stages.export") -> None:
    """Parse the command line and export."""
    parser = Parser(prog=prog, description=__doc__)
    option = parser.add_argument
    option(
        "--run",
        required=True,
        help="folder of the trained cell; for ONNX, also a weights file or bundle",
    )
    option("-o", "--out", required=True, help="the ONNX file; or the bundle, .zip or a folder")
    option("--weights", choices=("best", "final"), default="best", help="epoch (default: best)")
    option(
        "--bundle",
        action="store_true",
        help="write a bundle: weights, ONNX, classes and colours, scores, licence, model card",
    )
    option("--tiles", help="folder of the tile store, for a bundle's intervals (default: its own)")

    arguments = parser.parse_args(words)
    guarded("export", lambda: run(arguments))


if __name__ == "__main__":
    main()
