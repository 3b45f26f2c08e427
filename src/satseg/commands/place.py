"""Where a command works, and which studies it is about."""

import sys
from pathlib import Path

from satseg.config.names import known_name
from satseg.config.reading import ROOT
from satseg.config.root import Config
from satseg.errors import UserError

# Any of these makes a folder a project.
PROJECT = ("Snakefile", "workflow/Snakefile", "config/config.yaml")


def look_around() -> None:
    """Refuse a folder inside the checkout, where `data/` and `results/` would begin anew; say which
    they are if the working directory is no project.

    Raises:
        UserError: it is a folder of the checkout.
    """
    here = Path.cwd()
    if any((here / name).is_file() for name in PROJECT):
        return
    if here.is_relative_to(ROOT):
        raise UserError(f"{here}: a folder inside the checkout; change to {ROOT} first")
    print(f"{here}: not a checkout; data/ and results/ here are used", file=sys.stderr)


def known_studies(config: Config, names: list[str]) -> list[str]:
    """The studies or tunings of these names; without names, the studies that config.yaml lists.

    Raises:
        UserError: there is none, or a name is not known.
    """
    if not names and not config.studies:
        raise UserError(f"no study is named; choose from {', '.join(config.study)}")
    for name in names:
        known_name("study", name, [*config.study, *config.tunings])
    return names or config.studies
