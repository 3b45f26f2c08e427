"""What a run records of others on its machine."""

import pytest

from satseg.training import sharing
from satseg.training.sharing import Sharing


class Shares:
    """A meter that finds these shares, one after another, however often it is read."""

    def __init__(self, *shares: float):
        self.left = iter(shares)

    def __call__(self):
        self.share = next(self.left)
        return self

    def others(self) -> float:
        return self.share


@pytest.fixture
def machine(monkeypatch):
    def have(*shares: float, gpu: list[int | None]):
        looks = iter(gpu)
        monkeypatch.setattr(sharing, "Meter", Shares(*shares))
        monkeypatch.setattr(sharing, "gpu_others", lambda: next(looks))

    return have


def test_the_highest_share_of_an_epoch_counts(machine):
    machine(0.1, 0.3, 0.2, gpu=[None, None])
    watch = Sharing()
    for _ in range(3):
        watch.on_train_epoch_start(None, None)
    watch.on_train_end(None, None)
    assert watch.others == [0.1, 0.3, 0.2]
    assert watch.record() == {"cpu_others": 0.3, "gpu_others": None}


def test_a_resumed_run_knows_of_its_first_part(machine):
    """It was interrupted within its second epoch, when others were busy."""
    machine(0.0, 0.9, gpu=[0])
    first = Sharing()
    first.on_train_epoch_start(None, None)
    first.on_train_epoch_start(None, None)
    state = first.state_dict()
    assert first.state_dict() == state == {"others": [0.0, 0.9], "on_gpu": [0]}

    machine(0.0, gpu=[0, 2])
    second = Sharing()
    second.load_state_dict(state)
    second.on_train_epoch_start(None, None)
    second.on_train_end(None, None)
    assert second.record() == {"cpu_others": 0.9, "gpu_others": 2}


def test_a_gpu_that_could_not_be_seen_once_is_not_known(machine):
    machine(0.0, gpu=[0, None])
    watch = Sharing()
    watch.on_train_epoch_start(None, None)
    watch.on_train_end(None, None)
    assert watch.record() == {"cpu_others": 0.0, "gpu_others": None}


def test_a_run_without_an_epoch_has_nothing_to_say():
    assert Sharing().record() == {"cpu_others": None, "gpu_others": None}
