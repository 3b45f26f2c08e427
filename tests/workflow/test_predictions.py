"""`snakemake predict`: a map of every scene of a folder, with a cell of the study."""

import re
import shutil
from pathlib import Path

import numpy as np
import pytest
import rasterio
import tiny_study
import yaml
from tiny_study import CELL, snakemake

from conftest import ROOT
from satseg.config.reading import load
from satseg.errors import UserError
from satseg.jobs.targets import as_input, prediction_scenes
from scenery import noise, write_scene

DATASET, MODEL, RECIPE, _ = CELL.removeprefix("results/runs/").split("/")


@pytest.fixture
def project(tmp_path_factory, tmp_path):
    """A copy of the built project, with scenes that it does not know."""
    folder = shutil.copytree(
        tiny_study.build(tmp_path_factory.getbasetemp())[0], tmp_path / "project", symlinks=True
    )
    for i, name in enumerate(("north 1", "south")):
        write_scene(folder / f"new/{name}.tif", noise(100, 130, seed=i))
    chosen = {"scenes": "new/*.tif", "dataset": DATASET, "model": MODEL, "recipe": RECIPE}
    (folder / "mine.yaml").write_text(yaml.safe_dump({"predictions": {"harbour": chosen}}))
    return folder


def test_every_scene_gets_its_map_once(project):
    done = snakemake(project, "predict", "--configfile", "mine.yaml")
    assert done.returncode == 0, done.stdout
    assert (
        re.search(r"^predict_scene +2$", done.stdout, re.MULTILINE)
        and "rule train:" not in done.stdout
    )
    colors = [c.color for c in load(project / "config").datasets[DATASET].classes]
    for name in ("north 1", "south"):
        with (
            rasterio.open(project / f"results/predictions/harbour/{name}.tif") as file,
            rasterio.open(project / f"new/{name}.tif") as scene,
        ):
            assert (file.crs, file.transform, file.shape) == (
                scene.crs,
                scene.transform,
                scene.shape,
            )
            assert [file.colormap(1)[i][:3] for i in range(len(colors))] == [
                tuple(bytes.fromhex(color[1:])) for color in colors
            ]
            assert set(np.unique(file.read(1))) <= set(range(1, len(colors)))
    write_scene(project / "new/east.tif", noise(64, 64))
    again = snakemake(project, "predict", "--configfile", "mine.yaml", "--dry-run")
    assert re.search(r"^predict_scene +1$", again.stdout, re.MULTILINE), again.stdout


def test_a_pattern_without_files_is_one_line(project):
    mine = yaml.safe_load((project / "mine.yaml").read_text())
    mine["predictions"]["harbour"]["scenes"] = "no/*.tif"
    (project / "mine.yaml").write_text(yaml.safe_dump(mine))
    done = snakemake(project, "predict", "--configfile", "mine.yaml")
    assert done.returncode == 1 and "Traceback" not in done.stdout
    assert "predictions.harbour.scenes: no/*.tif: no such file; correct the pattern" in done.stdout


def test_scenes_by_pattern(tmp_path, monkeypatch):
    page = (ROOT / "docs/predict.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"^```yaml\n(.*?)^```", page, re.MULTILINE | re.DOTALL)
    known = yaml.safe_load(example)["predictions"]["harbour"]
    for name in ("a/1.tif", "a/2.tif", "b/c/3.tif", "b/c/1.tif", "a/1.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    monkeypatch.chdir(tmp_path)

    def found(pattern):
        config = load(ROOT / "config", {"predictions": {"harbour": known | {"scenes": pattern}}})
        return {name: str(path) for name, path in prediction_scenes(config, "harbour").items()}

    assert found("a/*.tif") == {"1": "a/1.tif", "2": "a/2.tif"}
    assert found(f"{tmp_path}/b/**/*.tif") == {
        "1": f"{tmp_path}/b/c/1.tif",
        "3": f"{tmp_path}/b/c/3.tif",
    }
    (tmp_path / "d/e{n}.tif").parent.mkdir()
    (tmp_path / "d/e{n}.tif").touch()
    assert found("d/*.tif") == {"e_n_": "d/e{n}.tif"}
    assert as_input(Path("d/e{n}.tif")) == [] and as_input(Path("d/e.tif")) == [Path("d/e.tif")]
    with pytest.raises(UserError, match=r"a/1\.png and a/1\.tif would have the same map; "):
        found("a/*")
    with pytest.raises(UserError, match=r"predictions\.harbour\.scenes: none/\*: no such file"):
        found("none/*")
    for kind in ("dataset", "model", "recipe"):
        with pytest.raises(
            UserError, match=rf"predictions\.harbour\.{kind}: unknown {kind}, got 'other'; "
        ):
            load(ROOT / "config", {"predictions": {"harbour": known | {kind: "other"}}})
