"""The workflow used as a module from another folder, as snakedeploy sets it up; and what goes into
a container's image."""

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from satseg.config.reading import ROOT

SNAKEFILE = """
configfile: "config/config.yaml"


module satseg:
    snakefile:
        "{root}/workflow/Snakefile"
    config:
        config


use rule * from satseg
"""
MINE = "{datasets: [demo], models: [unet_tiny], recipes: [demo]}\n"


def test_a_deployment_reads_its_own_configuration(tmp_path):
    shutil.copytree(ROOT / "config", tmp_path / "config")
    (tmp_path / "config/studies/mine.yaml").write_text(MINE)
    (tmp_path / "workflow").mkdir()
    (tmp_path / "workflow/Snakefile").write_text(SNAKEFILE.format(root=ROOT))
    command = [Path(sys.prefix, "bin/snakemake"), "--dry-run", "--quiet", "--cores", "2", "mine"]
    environment = os.environ | {"PYTHONDONTWRITEBYTECODE": "1"}
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode == 0, done.stdout + done.stderr
    (tmp_path / "config/studies/mine.yaml").write_text(MINE.replace("unet_tiny", "unet_tinny"))
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, env=environment)
    assert done.returncode != 0
    assert (
        "config/studies/mine.yaml: models.0: unknown model, got 'unet_tinny'"
        in done.stdout + done.stderr
    )


def test_an_image_takes_nothing_of_this_machine_along():
    """Neither its environment, which would not run there, nor what is mounted into the container:
    what git ignores."""

    def patterns(file: str) -> set[str]:
        lines = (ROOT / file).read_text(encoding="utf-8").splitlines()
        written = (line.replace("**/", "").rstrip("/") for line in lines if line[:1] != "#")
        return {("!" if line[0] == "!" else "") + line.lstrip("!/") for line in written}

    assert patterns(".dockerignore") == patterns(".gitignore")
    recipe = (ROOT / "Containerfile").read_text(encoding="utf-8")
    place = re.search(r"^WORKDIR (.+)$", recipe, re.MULTILINE)[1]
    mounts = f"-v $PWD/data:{place}/data -v $PWD/results:{place}/results"
    assert mounts in recipe
    assert mounts in (ROOT / "docs/reruns.md").read_text(encoding="utf-8")
