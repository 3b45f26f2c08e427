"""A job goes by the configuration that it was submitted with."""

import os

import pytest

from satseg.config.reading import load
from satseg.errors import UserError
from satseg.jobs import slices, submission


@pytest.fixture(autouse=True)
def elsewhere(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv(submission.VARIABLE, raising=False)


def test_a_process_that_nobody_submitted_has_none():
    assert submission.submitted() is None


def test_every_slice_is_that_of_the_submission(monkeypatch, tmp_path):
    config = load(overrides={"recipes": {"demo": {"epochs": 7}}})
    submission.submit(config)
    monkeypatch.chdir(tmp_path.parent)
    kept = submission.submitted()
    for study in config.study:
        expected = slices.study_slice(config, study)
        assert slices.study_slice(kept, study) == expected
        cell = expected.cells[0]
        names = (cell.dataset, cell.model, cell.recipe, cell.seed, cell.fold)
        assert slices.train_slice(kept, *names) == slices.train_slice(config, *names)
        assert slices.tile_slice(kept, cell.dataset) == slices.tile_slice(config, cell.dataset)
    assert list(kept.study) == list(config.study)
    assert kept.recipes["demo"].epochs == 7


@pytest.mark.parametrize("damage", [os.unlink, lambda file: os.truncate(file, 100)])
def test_without_it_the_job_refuses(damage):
    submission.submit(load())
    damage(os.environ[submission.VARIABLE])
    with pytest.raises(UserError, match="is gone or damaged; run the same command again"):
        submission.submitted()
