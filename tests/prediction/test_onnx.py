"""ONNX files, run by onnxruntime, against PyTorch."""

import json

import numpy as np
import pytest
import torch
from torch import nn

from satseg.config.models import CompactSpec
from satseg.errors import UserError
from satseg.models import build_model
from satseg.models.segmenter import positions, predict
from satseg.prediction import onnx
from scenery import CLASSES, COUNTED, TILE, noise, segmenter

onnxruntime = pytest.importorskip("onnxruntime", reason="the extra `onnx` is not installed")


def session(path):
    return onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])


def test_other_batches_and_sizes_give_pytorchs_classes(tmp_path):
    model = segmenter(scaling="imagenet")
    assert 0 <= onnx.export(model, tmp_path / "m.onnx", "m") < 1e-5
    opened = session(tmp_path / "m.onnx")
    for shape in ((1, 100, 44), (3, 32, 64)):
        images = np.stack([noise(*shape[1:], seed=i) for i in range(shape[0])])
        (logits,) = opened.run(None, {"image": images})
        assert logits.shape == (shape[0], len(COUNTED), *shape[1:]) and logits.dtype == np.float32
        expected = predict(model, torch.from_numpy(images)).numpy()
        low, high = np.sort(logits, axis=1)[:, -2:].swapaxes(0, 1)
        clear = high - low > 1e-4
        assert clear.mean() > 0.99
        np.testing.assert_array_equal(logits.argmax(1)[clear], expected[clear])
    texts = opened.get_modelmeta().custom_metadata_map
    metadata = {key: json.loads(value) for key, value in texts.items()}
    assert metadata["classes"] == [CLASSES[i] for i in COUNTED]
    assert (metadata["stride"], metadata["tile_size"]) == (4, TILE)
    assert metadata["images"]["dtypes"] == ["uint8"]
    indices = metadata["class_indices"]
    assert indices == COUNTED
    assert positions(torch.tensor([[indices]]), COUNTED).tolist() == [[[0, 1, 2]]]


class Fixed(nn.Module):
    """Takes tiles of one size only."""

    def __init__(self):
        super().__init__()
        self.place = nn.Parameter(
            torch.randn(1, 3, TILE, TILE, generator=torch.Generator().manual_seed(0))
        )
        self.head = nn.Conv2d(3, len(CLASSES), 1)

    def forward(self, x):
        return self.head(x + self.place)


POOLED = CompactSpec(
    family="compact",
    encoder={"stem": 4, "widths": [6, 8, 10], "blocks": [0, 0, 0]},
    width=8,
    detail=0,
    cells=[3],
)


def test_a_side_is_not_free_if_a_larger_one_fails(tmp_path):
    """Means over cells that do not divide the features are written for one size."""
    torch.manual_seed(0)
    model = segmenter()._replace(model=build_model(POOLED, len(CLASSES)).eval())
    model = model._replace(stride=POOLED.stride)
    onnx.export(model, tmp_path / "m.onnx", "m")
    (image,) = session(tmp_path / "m.onnx").get_inputs()
    assert image.shape[2:] == [TILE, TILE]


def test_a_model_of_one_size_keeps_it(tmp_path):
    model = segmenter()._replace(model=Fixed().eval())
    onnx.export(model, tmp_path / "m.onnx", "m")
    (image,) = session(tmp_path / "m.onnx").get_inputs()
    assert image.shape[1:] == [3, TILE, TILE] and isinstance(image.shape[0], str)


class Impossible(nn.Module):
    """Asks for a value while it runs."""

    def forward(self, x):
        return x[:, :1].repeat(1, len(CLASSES) * (2 if float(x.sum()) < 0 else 1), 1, 1)


def test_what_cannot_be_exported_or_differs_leaves_nothing(tmp_path, monkeypatch):
    with pytest.raises(UserError, match=r"^m: cannot be exported \("):
        onnx.export(segmenter()._replace(model=Impossible()), tmp_path / "m.onnx", "m")
    monkeypatch.setattr(onnx, "TOLERANCE", -1.0)  # no difference is smaller
    with pytest.raises(UserError, match="ONNX and PyTorch differ by "):
        onnx.export(segmenter(), tmp_path / "m.onnx", "m")
    assert not list(tmp_path.iterdir())


def test_missing_libraries_are_named(tmp_path, monkeypatch):
    monkeypatch.setattr(onnx, "NEEDED", ("onnx", "no_such_library"))
    with pytest.raises(
        UserError, match=r"^no_such_library: not installed; export needs `pip install "
    ):
        onnx.export(segmenter(), tmp_path / "m.onnx", "m")
    assert not list(tmp_path.iterdir())
