"""Weights as data, and the way from logits to class indices."""

import pickle

import pytest
import torch

from satseg.errors import UserError
from satseg.inference import choose, load_weights, positions


def test_positions_and_choice():
    masks = torch.tensor([[[0, 1, 2, 255]]], dtype=torch.uint8)
    assert positions(masks, [0, 2]).tolist() == [[[0, 255, 1, 255]]]
    logits = torch.tensor([1.0, 9.0, 2.0]).reshape(1, 3, 1, 1)
    assert choose(logits, [0, 2]).item() == 1
    assert choose(logits, [0, 1, 2]).item() == 1


class Bomb:
    """Would create a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    with (tmp_path / "w.pt").open("wb") as file:
        pickle.dump(Bomb(tmp_path / "boom"), file)
    with pytest.raises(UserError, match=r"w\.pt: not weights of this program"):
        load_weights(tmp_path / "w.pt")
    assert not (tmp_path / "boom").exists()


@pytest.mark.parametrize("content", [b"", b"nonsense", None])
def test_damaged_or_missing_weights(tmp_path, content):
    path = tmp_path / "w.pt"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=r"w\.pt"):
        load_weights(path)


def test_weights_of_something_else(tmp_path):
    torch.save({"format": 1, "state_dict": {}}, tmp_path / "w.pt")
    with pytest.raises(UserError, match="train the cell again"):
        load_weights(tmp_path / "w.pt")
