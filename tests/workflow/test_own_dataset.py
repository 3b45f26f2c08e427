"""The pages in docs/ done as they say, in a folder that holds nothing else: data, model and study
of one's own."""

import json
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pandas as pd
import pytest
import yaml
from rasterio.transform import from_origin

from conftest import ROOT, write_raster
from satseg.config.reading import load
from satseg.data.store import open_tiles

LISTS = {
    "train": [f"north_{i:02}" for i in range(1, 9)],
    "val": ["south_01", "south_02"],
    "test": ["south_03", "south_04"],
}


def blocks(page: str, language: str) -> list[str]:
    """The code blocks of a page."""
    text = (ROOT / "docs" / page).read_text(encoding="utf-8")
    return re.findall(rf"^```{language}\n(.*?)^```", text, re.MULTILINE | re.DOTALL)


def commands(page: str) -> list[str]:
    return [line for block in blocks(page, "sh") for line in block.splitlines()]


def make_fields(folder: Path) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """What the page says the folder holds; scene → bands uint16 [4, 256, 256] and labels [256,
    256]."""
    rng, scenes = np.random.default_rng(11), {}
    for subset, names in LISTS.items():
        (folder / f"{subset}.txt").parent.mkdir(parents=True, exist_ok=True)
        (folder / f"{subset}.txt").write_text("\n".join(names) + "\n")
        for name in names:
            labels = (
                rng.choice([10, 20, 30], size=(8, 8)).repeat(32, 0).repeat(32, 1).astype(np.uint8)
            )
            labels[:5] = 0
            means = np.select([labels == k for k in (0, 10, 20, 30)], [500, 4000, 2000, 9000])
            bands = means * np.array([0.5, 0.7, 1.0, 1.3])[:, None, None] + rng.normal(
                0, 200, (4, 256, 256)
            )
            scenes[name] = bands.clip(1, 65535).astype(np.uint16), labels
            place = from_origin(500_000 + 2560 * len(scenes), 5_000_000, 10, 10)
            write_raster(
                folder / f"images/{name}.tif", scenes[name][0], crs="EPSG:32632", transform=place
            )
            write_raster(folder / f"labels/{name}_label.png", labels[None])
    return scenes


def run(folder: Path, command: str) -> subprocess.CompletedProcess:
    """A command of the page, with this checkout's Snakefile, in the user's folder."""
    program, *rest = command.replace("'", "").split()
    path = os.pathsep.join(p for p in os.get_exec_path() if Path(p) != Path(sys.prefix, "bin"))
    if program == "satseg":
        start = [sys.executable, "-m", "satseg.commands"]
        rest += ["--cores", "2"] if rest[0] == "run" else []
    elif program == "snakemake":
        # `all` is every core of whatever machine this is.
        rest = ["2" if word == "all" else word for word in rest]
        start = [str(Path(sys.prefix, "bin", "snakemake")), "--snakefile", str(ROOT / "Snakefile")]
        start += [] if "--cores" in rest else ["--cores", "2"]
    return subprocess.run(
        start + rest,
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def planned(folder: Path, command: str) -> dict[str, int]:
    """Rule → number of jobs the command would start."""
    done = run(folder, f"{command} --dry-run")
    assert done.returncode == 0, done.stdout
    if "Nothing to be done" in done.stdout:
        return {}
    table = done.stdout.split("Job stats:")[1].split("total")[0]
    return {rule: int(count) for rule, count in re.findall(r"^(\w+) +(\d+)$", table, re.MULTILINE)}


CHECK, ESTIMATE, BUILD = commands("own-dataset.md")
PLAN = "snakemake --cores all my_fields --configfile fields.yaml"  # what BUILD calls
OWN = next(block for block in blocks("own-model.md", "yaml") if "family: python" in block)


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A folder with the page's data and YAML file, what the data are, and what each of the page's
    commands said."""
    folder = tmp_path_factory.mktemp("mine")
    scenes = make_fields(folder / "fields")
    (config,) = blocks("own-dataset.md", "yaml")
    (folder / "fields.yaml").write_text(config, encoding="utf-8")
    said = {"check": run(folder, CHECK), "estimate": run(folder, ESTIMATE)}
    said["build"] = run(folder, BUILD)
    logs = "\n".join(f"{p}:\n{p.read_text()}" for p in folder.glob("logs/**/*.log"))
    assert said["build"].returncode == 0, said["build"].stdout + logs
    return folder, scenes, said


def test_the_check_says_what_the_folder_holds(built):
    folder, scenes, said = built
    text = said["check"].stdout
    assert said["check"].returncode == 0, text
    assert "12 pairs of image and mask; 12 usable: 12 of 256×256" in text
    assert "4 bands of uint16: 12 images" in text
    assert "EPSG:32632, pixels of 10: 12 images" in text
    every = np.concatenate([labels.ravel() for _, labels in scenes.values()])
    for i, (name, value) in enumerate((("Crops", 10), ("Forest", 20), ("Water", 30))):
        pixels, share = int((every == value).sum()), (every == value).mean()
        assert re.search(
            rf"^ +{i} +{value} +{name} +{pixels:,} +{100 * share:.0f} % +12$", text, re.MULTILINE
        ), text
    assert re.search(rf"^ +0 +no label +{(every == 0).sum():,} ", text, re.MULTILINE)
    highest = max(int(bands[2].max()) for bands, _ in scenes.values())
    assert re.search(rf"^ +3 .* {highest:,} +0 +10,000$", text, re.MULTILINE)
    assert "12 tiles of 256², 12 of them whole" in text
    assert "official: 8 train, 2 val, 2 test tiles" in text
    assert "Nothing here stops the pipeline." in text
    assert (folder / "data/check/fields.png").read_bytes().startswith(b"\x89PNG")


def test_the_estimate_tells_jobs_and_what_is_unknown(built):
    text = built[2]["estimate"].stdout
    assert built[2]["estimate"].returncode == 0, text
    assert re.search(r"^ +train +1 +0$", text, re.MULTILINE)
    assert re.search(r"^ +fields +none +about 12 +3\.9 MB$", text, re.MULTILINE)
    assert "snakemake data/tiles/fields/tiles.csv --configfile fields.yaml" in text


def test_tiles_are_the_scaled_bands_in_the_stated_order(built):
    folder, scenes, _ = built
    store = open_tiles(folder / "data/tiles/fields")
    assert store.images.shape == (12, 256, 256, 4)
    for row in store.table.itertuples():
        bands, labels = scenes[row.scene]
        shares = np.minimum(bands[[2, 1, 0, 3]] / 10_000, 1)
        expected = np.rint(shares * 255).transpose(1, 2, 0)
        # In 32-bit floats a value may lie on the other side of a half.
        assert (
            np.abs(store.images[row.tile] - expected).max()
            <= (np.abs(shares * 255 % 1 - 0.5) < 1e-4).any()
        )
        wanted = np.select([labels == k for k in (10, 20, 30)], [0, 1, 2], 255)
        np.testing.assert_array_equal(store.masks[row.tile], wanted)


def test_the_given_split_is_kept(built):
    split = pd.read_csv(built[0] / "data/splits/fields/official.csv")
    assert {s: sorted(rows["scene"]) for s, rows in split.groupby("subset")} == LISTS


def test_the_model_is_trained_and_judged_on_four_bands(built):
    folder = built[0]
    made = json.loads((folder / "results/runs/fields/unet_tiny/fields/seed0/run.json").read_text())
    assert made["tiles"] == {"train": 8, "val": 2}
    # Published inputs have three bands; a fourth adds 3×3 weights to each of the first layer's 16
    # channels.
    profile = json.loads((folder / "results/profiles/fields/unet_tiny.json").read_text())
    assert made["parameters"] == profile["parameters"] + 3 * 3 * 16
    costs = pd.read_csv(folder / "results/my_fields/tables/models.csv")
    assert costs["parameters"].tolist() == [made["parameters"]]
    assert costs["tile"].str.startswith("4×").all()
    scores = pd.read_csv(folder / "results/my_fields/tables/scores.csv")
    assert {"Crops", "Forest", "Water"} <= set(scores.loc[scores["metric"] == "iou", "class"])
    page = (folder / "results/my_fields/report.html").read_text(encoding="utf-8")
    assert "Which model for my fields?" in page and "Fields in four bands" in page


def test_nothing_under_config_is_needed_or_made(built):
    assert not (built[0] / "config").exists()
    assert planned(built[0], PLAN) == {}


def test_the_same_keys_in_config_are_the_same_run(built):
    """The YAML file's sections put where the page says they may stand: nothing is left to do."""
    folder = built[0]
    shutil.copytree(ROOT / "config", folder / "config")
    try:
        mine = yaml.safe_load((folder / "fields.yaml").read_text())
        for section in ("datasets", "recipes"):
            path = folder / "config" / f"{section}.yaml"
            together = yaml.safe_load(path.read_text())[section] | mine[section]
            path.write_text(yaml.safe_dump({section: together}, sort_keys=False))
        (folder / "config/studies/my_fields.yaml").write_text(
            yaml.safe_dump(mine["study"]["my_fields"])
        )
        assert planned(folder, "snakemake my_fields") == {}
    finally:
        shutil.rmtree(folder / "config")


def test_a_model_of_ones_own_trains_only_itself(built):
    folder = built[0]
    own = yaml.safe_load(OWN) | {"study": {"my_fields": {"models": ["unet_tiny", "squeeze"]}}}
    (folder / "squeeze.yaml").write_text(yaml.safe_dump(own), encoding="utf-8")
    said = run(folder, f"{PLAN} squeeze.yaml --dry-run")
    assert (
        said.returncode == 1
        and "squeeze.yaml: models.squeeze.file: no such file in " in said.stdout
    )
    (folder / "my_models").mkdir()
    (folder / "my_models/squeeze.py").write_text(
        blocks("own-model.md", "python")[0], encoding="utf-8"
    )
    new = {
        "train": 1,
        "evaluate": 1,
        "profile": 1,
        "speed": 1,
        "tables": 1,
        "figures": 1,
        "report": 1,
        "my_fields": 1,
    }
    assert planned(folder, f"{PLAN} squeeze.yaml") == new


def test_every_example_of_the_models_page_is_a_configuration(tmp_path, monkeypatch):
    """All its YAML together is accepted, and all that it names can be built."""
    from satseg.models import build_model, check_tiles

    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models").mkdir()
    (tmp_path / "my_models/squeeze.py").write_text(
        blocks("own-model.md", "python")[0], encoding="utf-8"
    )
    together: dict = {}
    for block in blocks("own-model.md", "yaml"):
        for section, entries in yaml.safe_load(block).items():
            together.setdefault(section, {}).update(entries)
    config = load(ROOT / "config", together)
    assert config.recipes["patient_dice"].epochs == config.recipes["patient"].epochs == 60
    assert config.study["my_study"].seeds == [0, 1, 2]
    for name in together["models"]:
        check_tiles(name, config.models[name], 5, 4, 256, 2)
    assert sum(p.numel() for p in build_model(config.models["squeeze"], 5).parameters()) == sum(
        (3 * 3 * 3 * 8 + 8, 3 * 3 * 8 * 8 + 8, 2 * 2 * 8 * 5 + 5)
    )


def test_the_pages_name_no_command_that_is_not_tried():
    assert [command.split()[:2] for command in (CHECK, ESTIMATE, BUILD)] == [
        ["satseg", "check"],
        ["satseg", "estimate"],
        ["satseg", "run"],
    ]
    # The same as BUILD, of a study that takes hours.
    assert commands("own-model.md") == ["satseg run my_study --configfile mine.yaml"]
