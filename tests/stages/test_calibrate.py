"""The stage writes a temperature that predictions and bundles take over."""

import json

import pytest
import torch

from satseg.config.models import UNetSpec
from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.jobs.slices import EvaluateSlice
from satseg.models import build_model
from satseg.models.segmenter import load_weights, save_weights
from satseg.prediction.bundle import write_bundle
from satseg.stages.calibrate import run
from small import unet

CLASSES = ["ground", "water", "road"]


def test_weights_of_the_fitted_epoch_take_the_temperature(scene_folder, tile_slice, tmp_path):
    build_tiles(tile_slice, scene_folder, tmp_path / "store")
    split = draw_split(
        open_tiles(tmp_path / "store").table, Split(unit="tile", train=0.4, val=0.3, test=0.3)
    )
    split.to_csv(tmp_path / "split.csv", index=False)

    torch.manual_seed(0)
    job = EvaluateSlice.model_validate({"evaluate": {}})
    cell = tmp_path / "cell"
    spec = UNetSpec(**unet(4, bottleneck=4))
    model = build_model(spec, 3)
    for name in ("best", "final"):
        save_weights(
            cell / f"{name}.pt", model, spec, 3, classes=CLASSES,
            counted=[0, 1, 2], padded_tiles=True, batch_size=4, scaling="unit", precision="32",
        )  # fmt: skip

    files = run(job, str(tmp_path / "store"), str(tmp_path / "split.csv"), str(cell))
    assert [file.name for file in files] == ["calibration.json", "calibration.svg"]
    found = json.loads(files[0].read_text())
    assert (found["weights"], found["fitted_on"], found["measured_on"]) == ("best", "val", "test")
    assert found["before"]["pixels"] == found["after"]["pixels"] > 0

    temperature = found["temperature"]
    assert load_weights(cell).temperature == pytest.approx(temperature)
    assert load_weights(cell / "best.pt").temperature == 1
    write_bundle(cell, tmp_path / "model.zip")
    assert load_weights(tmp_path / "model.zip").temperature == pytest.approx(temperature)
