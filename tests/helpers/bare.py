"""Runs a module as on a machine that lacks what a machine with a GPU need not have."""

import importlib.metadata
import runpy
import sys
from importlib.machinery import PathFinder

ABSENT = {"snakemake", "scipy", "kaggle", "pooch", "jinja2", "requests", "cv2"}
find_spec = PathFinder.find_spec
find_version = importlib.metadata.version


def present_spec(name, path=None, target=None):
    return None if name in ABSENT else find_spec(name, path, target)


def present_version(name):
    if name in ABSENT | {"satseg"}:
        raise importlib.metadata.PackageNotFoundError(name)
    return find_version(name)


PathFinder.find_spec = present_spec
importlib.metadata.version = present_version
sys.argv = sys.argv[1:]
runpy.run_module(sys.argv[0], run_name="__main__", alter_sys=True)
