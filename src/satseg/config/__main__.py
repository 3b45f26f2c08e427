"""Check the configuration: `python -m satseg.config`."""

import argparse
import sys

from satseg.config.reading import load
from satseg.errors import UserError
from satseg.text import counted


def main() -> None:
    """Check the configuration under config/ and report what it holds."""
    argparse.ArgumentParser(prog="python -m satseg.config", description=main.__doc__).parse_args()
    try:
        config = load()
    except UserError as error:
        sys.exit(str(error))
    print(
        f"{counted(len(config.study), 'study')}, {counted(len(config.datasets), 'dataset')}, "
        f"{counted(len(config.models), 'model')}: ok"
    )


if __name__ == "__main__":
    main()
