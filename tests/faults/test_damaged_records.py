"""Files between stages, damaged by hand in every way: the reader names the file, whatever it lacks."""

import copy
import json
import shutil
from functools import partial

import numpy as np
import pytest

from satseg.errors import UserError
from satseg.jobs.slices import Cell
from satseg.pages.provenance import credit, provenance
from satseg.pages.report import tile_pictures
from satseg.provenance import data_digest
from satseg.study.inputs import StudyInputs
from study_tree import study_slice, write_tree

AREA = "Files between stages"
WRONG = [None, "text", [], {}, True, float("nan")]
PANELS = {
    "blocks": [
        {
            "title": "Toy",
            "classes": [{"name": "a", "color": "#000000"}],
            "layers": ["Truth"],
            "tiles": [
                {
                    "name": "1",
                    "note": "",
                    "hard": False,
                    "image": "",
                    "layers": [{"picture": "", "errors": "", "accuracy": 0.5}],
                }
            ],
        }
    ]
}


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    folder = tmp_path_factory.mktemp("tree")
    job = study_slice(figures=["losses"])
    write_tree(folder, job)
    (folder / "results/mine/figures/panels.json").write_text(json.dumps(PANELS))
    return folder, job


def read_profiles(folder, job):
    return StudyInputs(job, folder / "data", folder / "results").profiles


def read_runs(folder, job):
    inputs = StudyInputs(job, folder / "data", folder / "results")
    devices = [inputs.run(cell)["device"] for cell in job.cells]
    return json.dumps([devices, provenance(job, folder / "results/runs")], default=str)


def read_manifest(folder, job):
    credit(job, "toy", folder / "data/raw")
    return data_digest(folder / "data/raw/toy/manifest.json")


def read_panels(folder, job):
    return tile_pictures(folder / "results/mine/figures")


RECORDS = {
    "a profile": ("results/profiles/toy/alpha.json", read_profiles),
    "times of models": ("results/mine/speed/toy.json", read_profiles),
    "run.json": ("results/runs/{cell}/run.json", read_runs),
    "manifest.json": ("data/raw/toy/manifest.json", read_manifest),
    "panels.json": ("results/mine/figures/panels.json", read_panels),
}


def changed(value, change):
    """Copies of a JSON value with a change at each of its keys."""
    if isinstance(value, dict):
        for key in value:
            yield from change(value, key)
            for below in changed(value[key], change):
                yield {**value, key: below}
    elif isinstance(value, list) and value:
        for below in changed(value[0], change):
            yield [below, *value[1:]]


def without(value, key):
    yield {name: below for name, below in value.items() if name != key}


def replaced(value, key):
    for wrong in WRONG:
        if type(wrong) is not type(value[key]):
            yield {**value, key: copy.deepcopy(wrong)}


def texts(sound):
    """Ways of damage, and the contents they make of a sound file."""
    value = json.loads(sound)
    return {
        "emptied": [""],
        "cut off": [sound[: len(sound) // 2]],
        "that is a list": ["[]"],
        "without a key": [json.dumps(one) for one in changed(value, without)],
        "with another kind of value": [json.dumps(one) for one in changed(value, replaced)],
    }


@pytest.mark.parametrize("way", list(texts("{}")))
@pytest.mark.parametrize("record", RECORDS)
def test_a_damaged_record_is_named(tree, fault, record, way):
    folder, job = tree
    name, read = RECORDS[record]
    path = folder / name.format(cell=job.cells[0].path)
    sound = path.read_text()
    read(folder, job)

    messages = []
    try:
        for content in texts(sound)[way]:
            path.write_text(content)
            try:
                read(folder, job)
            except UserError as error:
                messages.append(str(error).replace(str(folder), "."))
    finally:
        path.write_text(sound)

    assert messages
    assert all(path.name in message and "\n" not in message for message in messages)
    fault(AREA, f"{record} {way}", messages[0])


ARRAYS = {
    "fractions for tile numbers": {"tiles": np.array([0.5, 1.5])},
    "negative tile numbers": {"tiles": np.array([-1, 2])},
    "predictions without height": {"predictions": np.zeros((2, 16), np.uint8)},
    "numbers for names": {"hard": np.zeros(2)},
    "too few names": {"hard": np.array(["a"])},
}


@pytest.mark.parametrize("way", ARRAYS)
def test_damaged_panels_are_named(tmp_path, fault, way):
    job = study_slice()
    cell = Cell.model_validate(job.cells[0].model_dump())
    inputs = StudyInputs(job, tmp_path, tmp_path)
    path = inputs.run_folder(cell) / "panels.npz"
    path.parent.mkdir(parents=True)
    sound = {
        "tiles": np.array([0, 1]),
        "predictions": np.zeros((2, 16, 16), np.uint8),
        "hard": np.array(["", "a"]),
    }
    save = partial(np.savez, path)
    save(**sound)
    assert len(inputs.panels(cell)) == 3
    save(**sound | ARRAYS[way])
    with pytest.raises(UserError, match=r"panels\.npz: ") as caught:
        inputs.panels(cell)
    fault(AREA, f"panels.npz with {way}", str(caught.value))


def test_a_run_of_another_cell(tmp_path, fault):
    """Its folder was copied over this one."""
    job = study_slice(figures=["losses"])
    write_tree(tmp_path, job)
    inputs = StudyInputs(job, tmp_path / "data", tmp_path / "results")
    mine, other = map(inputs.run_folder, job.cells[:2])
    shutil.copytree(other, mine, dirs_exist_ok=True)
    with pytest.raises(
        UserError, match=r"run\.json: that of another cell; train this one"
    ) as caught:
        inputs.run(job.cells[0])
    with pytest.raises(UserError, match="that of another cell"):
        provenance(job, tmp_path / "results/runs")
    assert inputs.run(job.cells[1])["cell"] == job.cells[1].model_dump()
    fault(AREA, "the run of another cell", str(caught.value))
