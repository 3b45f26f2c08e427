"""Write a trained model as an ONNX file that other programs run, compared with PyTorch before it
gets its name."""

import argparse
from importlib.util import find_spec
from pathlib import Path

from satseg.errors import UserError
from satseg.jobs.program import guarded
from satseg.models.segmenter import load_weights
from satseg.prediction.onnx import NEEDED, TOLERANCE, export
from satseg.progress import log


def run(arguments: argparse.Namespace) -> None:
    """Write the ONNX file."""
    missing = [name for name in NEEDED if find_spec(name) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not installed; export needs `pip install {' '.join(NEEDED)}`"
        )
    path = Path(arguments.run, f"{arguments.weights}.pt")
    difference = export(load_weights(path), arguments.out, str(path))
    log.info(
        "%s: logits as PyTorch's, to %.0e of the largest (at most %.0e)",
        arguments.out,
        difference,
        TOLERANCE,
    )


def main() -> None:
    """Parse the command line and export."""
    parser = argparse.ArgumentParser(prog="python -m satseg.stages.export", description=__doc__)
    parser.add_argument("--run", required=True, help="folder of the trained cell")
    parser.add_argument("-o", "--out", required=True, help="the ONNX file")
    parser.add_argument(
        "--weights", choices=("best", "final"), default="best", help="which epoch's (default: best)"
    )
    arguments = parser.parse_args()
    guarded("export", lambda: run(arguments))


if __name__ == "__main__":
    main()
