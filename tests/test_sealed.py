"""A file of tensors is read as it was written, or refused."""

from collections import OrderedDict

import pytest
import torch

from satseg import sealed


def content() -> dict:
    """Every kind of value that weights and checkpoints hold."""
    return {
        "state_dict": OrderedDict(
            weight=torch.arange(48.0).reshape(2, 3, 4, 2).to(memory_format=torch.channels_last),
            half=torch.ones(3, dtype=torch.bfloat16),
            count=torch.tensor(7),
            none=torch.empty(0),
            flags=torch.tensor([True, False]),
        ),
        "rows": [{"epoch": 1, "loss": float("nan")}, {"epoch": 2, "loss": 0.1 + 0.2}],
        "shape": (1, None, "text"),
        3: 0.5,
    }


def test_what_was_saved_is_read(tmp_path):
    sealed.save(tmp_path / "a.pt", content())
    read = sealed.load(tmp_path / "a.pt")
    assert list(read) == list(content())
    assert torch.equal(read["state_dict"]["weight"], content()["state_dict"]["weight"])
    assert sealed.load(tmp_path / "a.pt", mmap=True)["rows"][1]["loss"] == 0.1 + 0.2


def change_a_weight(changed):
    changed["state_dict"]["weight"][1, 2, 3, 1] += 1e-5


def change_the_shape(changed):
    changed["state_dict"]["half"] = changed["state_dict"]["half"].reshape(1, 3)


def change_the_type(changed):
    changed["state_dict"]["count"] = changed["state_dict"]["count"].int()


def rename_a_weight(changed):
    changed["state_dict"]["full"] = changed["state_dict"].pop("half")


def change_a_row(changed):
    changed["rows"][0]["epoch"] = 3


def drop_a_value(changed):
    del changed["shape"]


@pytest.mark.parametrize(
    "change",
    [
        change_a_weight,
        change_the_shape,
        change_the_type,
        rename_a_weight,
        change_a_row,
        drop_a_value,
    ],
)
def test_what_was_changed_is_refused(tmp_path, change):
    path = tmp_path / "a.pt"
    sealed.save(path, content())
    changed = torch.load(path, weights_only=True)
    change(changed)
    torch.save(changed, path)
    with pytest.raises(ValueError, match="changed since it was written"):
        sealed.load(path)


def test_every_flipped_bit_of_a_tensor_is_noticed(tmp_path):
    """torch reads them all without a word."""
    path = tmp_path / "a.pt"
    values = torch.tensor([1.5, -2.25])
    sealed.save(path, {"values": values})
    whole = path.read_bytes()
    start = whole.index(values.numpy().tobytes())
    for bit in range(64):
        damaged = bytearray(whole)
        damaged[start + bit // 8] ^= 1 << bit % 8
        path.write_bytes(damaged)
        torch.load(path, weights_only=True)
        with pytest.raises(ValueError, match="changed since it was written"):
            sealed.load(path)
