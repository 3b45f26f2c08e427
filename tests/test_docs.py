"""The documents keep their word: every command, configuration, program and link in them is tried,
or says why not."""

import hashlib
import importlib.util
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
import yaml

from conftest import ROOT, write_raster
from satseg.config.reading import load

PAGES = [
    ROOT / name
    for name in (
        "README.md",
        "CONTRIBUTING.md",
        "CHANGELOG.md",
        "config/README.md",
        "results/README.md",
    )
]
PAGES += [*sorted((ROOT / "docs").glob("*.md")), ROOT / "results/published/README.md"]

# Where each command is tried. "dry" and "real": below, in a copy. "ci": .ci/run has it.
# "tutorial": a cell of the notebook, which .ci/run runs. "file::test": that test. Anything else is the reason why it is not.
OWN, PREDICT = (
    "workflow/test_own_dataset.py",
    "stages/test_predict.py::test_every_command_of_the_page",
)
COMMAND = "commands/"
COMPARE = "compare/test_compare.py::test_the_command_compares_or_says_why_not"
CELL = "results/runs/demo/unet_tiny/demo/seed0"
PROFILE = "snakemake --workflow-profile workflow/profiles/mine"
COMMANDS = {
    "make demo": "ci",
    "make test": "ci",
    "make lint": "ci",
    "make docs-site": "ci",
    "make tutorial": "ci",
    ".venv/bin/satseg predict photo.jpg --run results/published/dubai_pocket.zip "
    "-o map.png --web map.html": "stages/test_predict.py::test_the_published_bundle_predicts",
    "make setup": "each target of .ci/run begins with it",
    "source .venv/bin/activate": "real",
    "satseg --help": f"{COMMAND}test_run.py::test_the_command_lists_its_commands",
    "satseg new fields --from fields": f"{COMMAND}test_new.py::test_values_in_folders",
    "satseg check fields --configfile fields.yaml": f"{OWN}::test_the_check_says_what_the_folder_holds",
    "satseg run my_fields --configfile fields.yaml": f"{OWN}::test_the_given_split_is_kept",
    "satseg run demo": "tutorial",
    "satseg run lab_report": "workflow/test_command.py::test_a_run_ends_with_the_report",
    "satseg run faster_unet --cores 8 --gpus 2": f"{COMMAND}test_run.py::test_all_cores_and_the_gpus_that_are_here",
    "satseg run faster_unet --profile workflow/profiles/mine": f"{COMMAND}test_run.py::test_a_profile_decides_for_itself",
    "satseg run demo -- --forcerun tables": f"{COMMAND}test_run.py::test_targets_are_no_values_of_options",
    "satseg status demo": "tutorial",
    "mkdir -p build && rm -f build/town.yaml": "tutorial",
    "satseg new town --from data/raw/demo/scenes -o build/town.yaml": "tutorial",
    "satseg check town --configfile build/town.yaml": "tutorial",
    "satseg predict data/raw/demo/scenes/images/scene_00.tif "
    "--run results/runs/demo/unet_shallow/demo/seed0 -o build/map.tif --areas build/map.csv "
    "--polygons build/map.geojson --web build/map.html": "tutorial",
    "satseg status lab_report": "workflow/test_command.py::test_a_finished_study_is_done",
    "satseg compare faster_unet_dubai faster_unet_dubai_short": COMPARE,
    "satseg compare ../before/results/demo demo": COMPARE,
    "satseg status faster_unet --watch": "it never ends",
    ".venv/bin/uv pip install --python .venv/bin/python --editable '.[tensorboard]'": "it downloads packages",
    "tensorboard --logdir results/runs": "it never ends",
    ".venv/bin/pytest tests/data": "it runs tests; make test runs the same",
    "snakemake --cores 8 --resources gpu=1": "dry",
    "snakemake --cores all lab_report": "dry",
    "snakemake --cores all lab_report --configfile my.yaml": "dry",
    "snakemake --unlock && satseg run lab_report": "faults/test_training_faults.py::test_snakemake_killed",
    "snakemake faster_unet --cores 32 --resources gpu=4": "dry",
    "git clone <this repository> satseg && cd satseg": "the address is the reader's",
    "cp -r workflow/profiles/slurm workflow/profiles/mine": "real",
    "sinfo -o '%P %l %G'": "a look at the reader's cluster",
    "$EDITOR workflow/profiles/mine/config.yaml": "for the reader's hands",
    "tmux": "for the reader's hands",
    f"{PROFILE} --dry-run faster_unet": "dry",
    f"{PROFILE} faster_unet": "slurm/test_slurm.py::test_study_is_whole",
    "squeue --me --format='%i %T %M %l %k'": "a look at the reader's cluster",
    "tail -f logs/train/loveda/unet_skinny/faster_unet/seed0.log": "it never ends",
    'python -c "import segmentation_models_pytorch as smp; '
    "smp.create_model('unet', 'resnet34', encoder_weights='imagenet')\"": "it downloads weights",
    "satseg estimate my_fields --configfile fields.yaml": (
        f"{OWN}::test_the_estimate_tells_jobs_and_what_is_unknown"
    ),
    "rm -r results && ln -s ../satseg/data ../satseg/results .": (
        "workflow/test_reruns.py::test_a_second_checkout_with_the_same_folders_does_nothing"
    ),
    "docker build -t satseg -f Containerfile .": "it needs Docker and a network",
    "docker run --gpus all --shm-size=2g -v $PWD/data:/satseg/data "
    "-v $PWD/results:/satseg/results satseg demo": "it needs Docker and a GPU",
    "satseg run demo_tuned": "dry",
    "satseg run demo_tuning": "dry",
    "satseg estimate demo_tuning": "estimate/test_estimate.py::test_the_trials_of_a_tuning_count",
    "satseg status demo_tuning": f"{COMMAND}test_states.py::test_the_trials_of_a_tuning_come_first",
    "satseg run my_study --configfile mine.yaml": "dry",
    f"satseg predict scene.tif --run {CELL} -o map.tif": PREDICT,
    f"satseg predict scene.tif --run {CELL} -o map.tif "
    "--probabilities shares.tif --polygons map.geojson": PREDICT,
    f"satseg predict scene.tif --run {CELL} -o map.tif "
    "--polygons map.gpkg --min-area 20 --simplify 1 --areas map.csv --style map.qml "
    "--web map.html --confidence confidence.tif": PREDICT,
    f"satseg export --run {CELL} -o model.onnx": PREDICT,
    f"satseg export --run {CELL} -o model.zip --bundle": PREDICT,
    "satseg predict scene.tif --run model.zip -o map.tif": PREDICT,
}


def blocks(page: Path, language: str) -> list[str]:
    """The code blocks of a page in this language."""
    return re.findall(
        rf"^```{language}\n(.*?)^```", page.read_text(encoding="utf-8"), re.MULTILINE | re.DOTALL
    )


def together(page: Path) -> dict[str, dict]:
    """All the YAML of a page as one configuration: section → name → entry."""
    sections: dict = {}
    for block in blocks(page, "yaml"):
        for section, entries in yaml.safe_load(block).items():
            sections.setdefault(section, {}).update(entries)
    return sections


def told() -> set[str]:
    """Every command line in a block of shell, without its comment."""
    lines = "".join("".join(blocks(page, "sh")) for page in PAGES).splitlines()
    return {re.sub(r"\s+# .*", "", line).strip() for line in lines if line.strip()}


def test_every_command_is_tried_or_says_why_not():
    assert told() == set(COMMANDS)


@pytest.mark.parametrize("where", sorted({w for w in COMMANDS.values() if "::" in w}))
def test_the_tests_that_try_them_exist(where):
    file, name = where.split("::")
    assert re.search(
        rf"^def {name}\(", (ROOT / "tests" / file).read_text(encoding="utf-8"), re.MULTILINE
    )


def test_what_ci_tries_is_there():
    lines = (ROOT / ".ci/run").read_text(encoding="utf-8").splitlines()
    assert {command for command, where in COMMANDS.items() if where == "ci"} <= set(lines)


def test_the_notebook_is_the_tutorial():
    """docs/tutorial.ipynb has every block of code of docs/tutorial.md as a cell, and no other, and
    its other cells are the text between them."""
    page = (ROOT / "docs/tutorial.md").read_text(encoding="utf-8")
    cells = json.loads((ROOT / "docs/tutorial.ipynb").read_text(encoding="utf-8"))["cells"]
    code = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "code"]
    parts = re.findall(r"^```(python|sh)\n(.*?)\n```$", page, re.MULTILINE | re.DOTALL)
    assert code == [("%%sh\n" if kind == "sh" else "") + text for kind, text in parts], "make docs"
    text = ["".join(cell["source"]) for cell in cells if cell["cell_type"] == "markdown"]
    between = re.sub(r"^```.*?^```$", "", page, flags=re.MULTILINE | re.DOTALL)
    assert "\n".join(text).split() == between.split(), "make docs"

    written = [f"{cell['cell_type']}\n{''.join(cell['source'])}" for cell in cells]
    ids = [hashlib.sha256(content.encode()).hexdigest()[:8] for content in written]
    assert [cell["id"] for cell in cells] == ids, "make docs"


@pytest.fixture(scope="module")
def copy(tmp_path_factory) -> Path:
    """The workflow and its configuration in a folder of their own, with the environment and the
    README's `my.yaml`."""
    folder = tmp_path_factory.mktemp("copy")
    for name in ("workflow", "config"):
        shutil.copytree(ROOT / name, folder / name)
    for name in ("Snakefile", "environment.yml"):
        shutil.copy(ROOT / name, folder)
    (folder / "profiles").symlink_to("workflow/profiles")
    (folder / ".venv").symlink_to(sys.prefix)
    scene = np.full((3, 64, 64), 90, np.uint8)
    write_raster(folder / "dubai/Tile 1/images/image_part_1.jpg", scene)
    land = np.array([0x84, 0x29, 0xF6], np.uint8)[:, None, None]
    write_raster(folder / "dubai/Tile 1/masks/image_part_1.png", np.broadcast_to(land, scene.shape))
    (mine,) = [b for b in blocks(ROOT / "README.md", "yaml") if b.startswith("datasets")]
    (folder / "my.yaml").write_text(
        mine.replace("/data/dubai", str(folder / "dubai")), encoding="utf-8"
    )
    page = ROOT / "docs/own-model.md"
    (folder / "mine.yaml").write_text(yaml.safe_dump(together(page)), encoding="utf-8")
    (folder / "my_models").mkdir()
    (folder / "my_models/squeeze.py").write_text(blocks(page, "python")[0], encoding="utf-8")
    return folder


def shell(folder: Path, command: str) -> str:
    """What the command says in that folder; it must succeed."""
    path = f"{sys.prefix}/bin:{os.environ['PATH']}"
    done = subprocess.run(
        ["bash", "-c", command],
        cwd=folder,
        env=os.environ | {"PATH": path},
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    assert done.returncode == 0, f"{command}\n{done.stdout}"
    return done.stdout


@pytest.mark.parametrize("command", [c for c, where in COMMANDS.items() if where == "dry"])
def test_it_would_start(copy, command):
    if not (copy / "workflow/profiles/mine").exists():
        shell(copy, "cp -r workflow/profiles/slurm workflow/profiles/mine")
    if "--dry-run" not in command:
        command += " -- --dry-run" if command.startswith("satseg run") else " --dry-run"
    said = shell(copy, command.replace("--cores all", "--cores 2"))
    assert re.search(r"^train +\d+$", said, re.MULTILINE), said


@pytest.mark.parametrize("command", [c for c, where in COMMANDS.items() if where == "real"])
def test_it_works(copy, command):
    shutil.rmtree(copy / "workflow/profiles/mine", ignore_errors=True)
    shell(copy, command)


def test_the_estimate_is_told(copy):
    said = shell(copy, "snakemake estimate --config 'studies=[demo]'")
    assert re.search(r"^  train +3 ", said, re.MULTILINE) and "Disk" in said, said


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_example_is_a_configuration(page, tmp_path, monkeypatch):
    """The YAML of a page together, over the project's own; files of the reader's are made where
    they must exist."""
    overrides = together(page)
    monkeypatch.chdir(tmp_path)
    (tmp_path / "my_models").mkdir()
    for block in blocks(page, "python"):
        (tmp_path / "my_models/squeeze.py").write_text(block, encoding="utf-8")
    for entries in overrides.values():
        for entry in entries.values():
            if str(entry.get("encoder_weights")).startswith("/data/"):
                (tmp_path / "weights.pth").touch()
                entry["encoder_weights"] = str(tmp_path / "weights.pth")
    config = load(ROOT / "config", overrides)
    for section, entries in overrides.items():
        assert set(entries) <= set(getattr(config, section))


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_program_and_target_named_exists(page):
    text = page.read_text(encoding="utf-8")
    programs = re.findall(r"python -m ((?:satseg|benchmarks)(?:\.[a-z_]+)*)\b", text)
    assert [name for name in programs if importlib.util.find_spec(name) is None] == []
    targets = set(
        re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(encoding="utf-8"), re.MULTILINE)
    )
    named = re.findall(r"`make ([a-z-]+)", text) + [
        shlex.split(c)[1] for c in told() if c.startswith("make ")
    ]
    assert set(named) <= targets


def anchors(page: Path) -> set[str]:
    """What a heading of the page can be linked by, as GitHub makes it."""
    heads = re.findall(r"^#+ (.*)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", head.lower()).strip().replace(" ", "-") for head in heads}


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_link_leads_somewhere(page):
    for link in re.findall(r"\]\(([^)\s]+)\)", page.read_text(encoding="utf-8")):
        if not link.startswith(("http:", "https:")):
            name, _, anchor = link.partition("#")
            target = page.parent / name if name else page
            assert target.exists(), link
            assert not anchor or anchor in anchors(target), link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: page.relative_to(ROOT).as_posix())
def test_every_row_of_a_table_has_as_many_cells_as_its_heading(page):
    """A `|` or a line break inside a cell would break the row in most renderers."""
    text = re.sub(r"^```.*?^```", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    for table in re.findall(r"(?:^\|.*\n)+", text, re.MULTILINE):
        rows = table.splitlines()
        assert all(re.fullmatch(r"\|.*(?<!\\)\|", row) for row in rows), table
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in rows}) == 1, table
        assert re.fullmatch(r"(\|\s*:?-+:?\s*)+\|", rows[1]), table


def test_the_readme_leads_to_every_page():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    pages = {f"docs/{page.name}" for page in (ROOT / "docs").glob("*.md")} | {"config/papers.yaml"}
    assert {page for page in pages if f"({page})" not in text} == set()
