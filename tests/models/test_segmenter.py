"""Weights as data, and the way from logits to class indices."""

import pickle
import warnings

import numpy as np
import pytest
import torch

from satseg.config.models import UNetSpec
from satseg.errors import UserError
from satseg.models import build_model
from satseg.models.segmenter import choose, load_weights, positions, save_weights

BOTTLENECK = {"width": 2, "convs": 1}


def test_positions_and_choice():
    masks = torch.tensor([[[0, 1, 2, 255]]], dtype=torch.uint8)
    assert positions(masks, [0, 2]).tolist() == [[[0, 255, 1, 255]]]
    logits = torch.tensor([1.0, 9.0, 2.0]).reshape(1, 3, 1, 1)
    assert choose(logits, [0, 2]).item() == 1
    assert choose(logits, [0, 1, 2]).item() == 1


@pytest.mark.parametrize("counted", [[0, 1, 2, 3, 4], [4, 1, 3], [2]])
def test_choice_and_positions_agree_with_numpy(counted):
    generator = torch.Generator().manual_seed(1)
    logits = torch.randint(-3, 3, (2, 5, 16, 12), generator=generator).to(
        torch.bfloat16
    )  # many equal ones
    for layout in (torch.contiguous_format, torch.channels_last):
        chosen = choose(logits.contiguous(memory_format=layout), counted)
        assert chosen.dtype == torch.int64
        # Of equal ones both take the first.
        np.testing.assert_array_equal(chosen, logits[:, counted].float().numpy().argmax(1))
    masks = torch.randint(0, 256, (2, 16, 12), generator=generator, dtype=torch.uint8)
    found = positions(masks, counted)
    for value in range(256):
        assert (found[masks == value] == (counted.index(value) if value in counted else 255)).all()


class Bomb:
    """Would create a file when it is unpickled."""

    def __init__(self, path):
        self.path = path

    def __reduce__(self):
        return open, (str(self.path), "w")


def test_a_pickle_that_runs_code_is_refused(tmp_path):
    with (tmp_path / "w.pt").open("wb") as file:
        pickle.dump(Bomb(tmp_path / "boom"), file)
    with (
        warnings.catch_warnings(action="error"),
        pytest.raises(UserError, match=r"w\.pt: not a weights file of satseg"),
    ):
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


@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_weights_that_are_not_finite(tmp_path, value):
    model = UNetSpec(family="unet", widths=[2], convs=[1], bottleneck=BOTTLENECK, decoder_convs=[1])
    net = build_model(model, 2)
    with torch.no_grad():
        next(net.parameters()).view(-1)[0] = value
    meta = {"classes": ["a", "b"], "counted": [0, 1], "padded_tiles": True, "batch_size": 1}
    path = tmp_path / "w.pt"
    save_weights(path, net, model, 3, scaling="unit", precision="32", **meta)
    with pytest.raises(UserError, match=r"w\.pt: a weight is not a finite number; train the cell"):
        load_weights(path)
