"""Write a trained model as an ONNX file for other programs, once onnxruntime gives the same logits
as PyTorch."""

import argparse
from pathlib import Path

from satseg.jobs.program import guarded
from satseg.jobs.writing import file, refuse_inputs, sole_writer
from satseg.models.segmenter import load_weights
from satseg.prediction.onnx import TOLERANCE, export
from satseg.progress import log


def run(arguments: argparse.Namespace) -> None:
    """Write the ONNX file."""
    path = Path(arguments.run, f"{arguments.weights}.pt")
    refuse_inputs([arguments.out], [arguments.run])
    with sole_writer(file(arguments.out)):
        difference = export(load_weights(path), arguments.out, str(path))
    log.info(
        "%s: logits differ from PyTorch's by %.0e of the largest (at most %.0e is accepted)",
        arguments.out,
        difference,
        TOLERANCE,
    )


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m satseg.stages.export", description=__doc__)
    option = parser.add_argument
    option("--run", required=True, help="folder of the trained cell")
    option("-o", "--out", required=True, help="the ONNX file")
    option("--weights", choices=("best", "final"), default="best", help="epoch (default: best)")

    arguments = parser.parse_args()
    guarded("export", lambda: run(arguments))


if __name__ == "__main__":
    main()
