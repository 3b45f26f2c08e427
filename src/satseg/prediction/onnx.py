"""A trained model as an ONNX file."""

import json
import warnings
from importlib.util import find_spec
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
TOLERANCE = 1e-4  # largest difference of logits, as a share of the largest logit


class FromPixels(nn.Module):
    """A model with what comes before and after it: pixels uint8 [B, C, H, W] → logits [B, counted,
    H, W]."""

    def __init__(self, segmenter: Segmenter):
        super().__init__()
        self.model = segmenter.model
        self.scaling = segmenter.scaling
        self.register_buffer("counted", torch.tensor(segmenter.counted))

    def forward(self, image: torch.Tensor) -> torch.Tensor:
        """Logits of the counted classes, float32."""
        return self.model(normalise(to_unit(image), self.scaling)).index_select(1, self.counted)


def export(segmenter: Segmenter, out: str | Path, name: str) -> float:
    """Write an ONNX file of a model on the CPU: `image` uint8 → `logits` float32, one channel per
    counted class.

    Batch, height and width are free (multiples of the model's stride); if the model does not allow
    that, only the batch is, or nothing. The file's metadata state the classes, the stride and what
    images the model was trained on.

    Args:
        segmenter: a trained model.
        out: the file.
        name: what messages call the model.

    Returns:
        Largest difference from PyTorch's logits, as a share of the largest logit.

    Raises:
        UserError: a library is missing, the model cannot be exported, or the logits differ by more
            than `TOLERANCE`.
    """
    missing = [library for library in NEEDED if find_spec(library) is None]
    if missing:
        raise UserError(
            f"{', '.join(missing)}: not installed; export needs `pip install {' '.join(NEEDED)}`"
        )

    model = FromPixels(segmenter).eval()
    with atomic(out) as temporary:
        return _write_freest(model, segmenter, temporary, name)


def _write_freest(model: nn.Module, segmenter: Segmenter, out: Path, name: str) -> float:
    """Write the ONNX program with as many free dimensions as the model allows: the freest that
    gives PyTorch's logits for images of several shapes. Returns their largest difference."""
    bands = segmenter.bands
    size = segmenter.tile_size
    stride = segmenter.stride
    half = max(stride, size // 2 // stride * stride)
    # Larger in one direction, smaller in the other; the last is what the program is made with.
    others = [(1, bands, size + stride, half), (2, bands, size, half)]

    batch = {0: torch.export.Dim("batch")}
    sides = {2: stride * torch.export.Dim("rows"), 3: stride * torch.export.Dim("columns")}
    one_tile = (1, bands, size, size)
    ways = [
        ("batch, height and width", batch | sides, [one_tile, *others]),
        ("batch", batch, [one_tile, (2, bands, size, size)]),
        ("nothing", {}, [one_tile]),
    ]
    for free, dimensions, shapes in ways:
        try:
            program = _program(model, shapes[-1], dimensions)
        except torch.onnx.OnnxExporterError as error:
            problem = f"cannot be exported ({str(error).strip().splitlines()[0]})"
        else:
            program.model.metadata_props.update(_metadata(segmenter))
            program.save(out)
            difference = max(_difference(model, out, shape) for shape in shapes)
            if difference <= TOLERANCE:
                return difference
            problem = f"ONNX and PyTorch differ by {difference:.1e} of the largest logit"
        log.info("%s: %s with %s free", name, problem, free)
    raise UserError(f"{name}: {problem}; not written")


def _program(model: nn.Module, shape: tuple[int, ...], dimensions: dict) -> torch.onnx.ONNXProgram:
    image = torch.zeros(shape, dtype=torch.uint8)
    dynamic_shapes = {"image": dimensions} if dimensions else None
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return torch.onnx.export(
            model, (image,), dynamo=True, input_names=["image"], output_names=["logits"],
            dynamic_shapes=dynamic_shapes, verbose=False,
        )  # fmt: skip


def _metadata(segmenter: Segmenter) -> dict[str, str]:
    """What a user of the file must know, as ONNX keeps it: texts."""
    values = {
        "classes": [segmenter.classes[i] for i in segmenter.counted],
        "class_indices": segmenter.counted,
        "stride": segmenter.stride,
        "tile_size": segmenter.tile_size,
        "images": segmenter.origin.model_dump(),
    }
    return {key: json.dumps(value, ensure_ascii=False) for key, value in values.items()}


@torch.inference_mode()
def _difference(model: nn.Module, path: Path, shape: tuple[int, ...]) -> float:
    """Largest difference of the logits of random pixels, as a share of the largest logit."""
    import onnxruntime

    generator = torch.Generator().manual_seed(0)
    image = torch.randint(0, 256, shape, dtype=torch.uint8, generator=generator)
    session = onnxruntime.InferenceSession(path, providers=["CPUExecutionProvider"])

    expected = model(image).numpy()
    try:
        (logits,) = session.run(["logits"], {"image": image.numpy()})
    except onnxruntime.capi.onnxruntime_pybind11_state.InvalidArgument:
        return float("inf")  # the shape is not free after all
    if logits.shape != expected.shape:
        return float("inf")
    return float(np.abs(logits - expected).max() / np.abs(expected).max())
