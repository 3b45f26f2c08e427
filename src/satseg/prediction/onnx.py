"""A trained model as an ONNX file."""

import json
import warnings
from pathlib import Path

import numpy as np
import torch
from torch import nn

from satseg.data.normalise import normalise, to_unit
from satseg.errors import UserError
from satseg.files import atomic
from satseg.models.segmenter import Segmenter
from satseg.progress import log

NEEDED = ("onnx", "onnxruntime", "onnxscript")


TOLERANCE = 1e-4  # of the largest logit, by which the two may differ


class FromPixels(nn.Module):
    """A model with what comes before and after it: pixels uint8 [B, C, H, W] → logits [B, counted,
    H, W]."""

    def __init__(self, segmenter: Segmenter):
        super().__init__()
        self.model, self.scaling = segmenter.model, segmenter.scaling
        self.register_buffer("counted", torch.tensor(segmenter.counted))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the counted classes, float32."""
        return self.model(normalise(to_unit(image), self.scaling)).index_select(1, self.counted)


def export(segmenter: Segmenter, out: str | Path, name: str) -> float:
    """Write an ONNX file of a model on the CPU: `image` uint8 → `logits` float32, one channel per
    counted class.

    Batch, height and width are free (multiples of the model's stride); where the model does not
    allow that, the batch alone is, or nothing. The file's metadata hold classes, stride and what
    images the model knows.

    Args:
        segmenter: a trained model.
        out: the file.
        name: what messages call the model.

    Returns:
        Largest difference from PyTorch's logits, as a share of the largest logit.

    Raises:
        UserError: the model cannot be exported, or the two differ by more than `TOLERANCE`.
    """
    model, size, stride = FromPixels(segmenter).eval(), segmenter.tile_size, segmenter.stride
    sides = {2: stride * torch.export.Dim("rows"), 3: stride * torch.export.Dim("columns")}
    batch = {0: torch.export.Dim("batch")}
    ways = [
        (batch | sides, (2, size, max(stride, size // 2 // stride * stride))),
        (batch, (2, size, size)),
        ({}, None),
    ]
    with atomic(out) as temporary:
        for free, other in ways:
            shapes = [(1, size, size), *([other] if other else [])]
            try:
                program = _program(model, segmenter, shapes[-1], free)
                break
            except torch.onnx.OnnxExporterError as error:
                reason = str(error).strip().splitlines()[0]
                log.info(
                    "%s: not with free %s",
                    name,
                    "batch, height and width" if len(free) > 1 else "batch",
                )
        else:
            raise UserError(
                f"{name}: cannot be exported ({reason}); its model uses what ONNX does not have"
            )
        program.model.metadata_props.update(_metadata(segmenter))
        program.save(temporary)
        difference = max(
            _difference(model, temporary, (shape[0], segmenter.bands, *shape[1:]))
            for shape in shapes
        )
        if not difference <= TOLERANCE:
            raise UserError(
                f"{name}: ONNX and PyTorch differ by {difference:.1e} of the largest logit; not written"
            )
    return difference


def _program(
    model: nn.Module, segmenter: Segmenter, shape: tuple, free: dict
) -> torch.onnx.ONNXProgram:
    image = torch.zeros(shape[0], segmenter.bands, *shape[1:], dtype=torch.uint8)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            model, (image,), dynamo=True, input_names=["image"], output_names=["logits"], verbose=False,
            dynamic_shapes={"image": free} if free else None,
        )  # fmt: skip


def _metadata(segmenter: Segmenter) -> dict[str, str]:
    """What a user of the file must know, as ONNX keeps it: texts."""
    known = {
        "classes": [segmenter.classes[i] for i in segmenter.counted],
        "class_indices": segmenter.counted,
        "stride": segmenter.stride,
        "tile_size": segmenter.tile_size,
        "images": segmenter.origin.model_dump(),
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in known.items()}


@torch.inference_mode()
def _difference(model: nn.Module, path: Path, shape: tuple) -> float:
    """Largest difference of the logits of random pixels, as a share of the largest logit."""
    import onnxruntime

    image = torch.randint(
        0, 256, shape, dtype=torch.uint8, generator=torch.Generator().manual_seed(0)
    )
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])
    expected, found = model(image).numpy(), session.run(["logits"], {"image": image.numpy()})[0]
    if found.shape != expected.shape:
        return float("inf")
    return float(np.abs(found - expected).max() / np.abs(expected).max())
