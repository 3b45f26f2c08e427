"""What `from satseg import …` gives: loaded on first use, documented, and used as documented."""

import inspect
import subprocess
import sys
import textwrap

import pytest
import rasterio
import torch

import satseg
from satseg import JDTLoss, build_model, load_weights, predict_scene, tile_counts
from scenery import noise, save_cell, write_scene

HEAVY = {"torch", "numpy", "pandas", "rasterio", "pydantic", "lightning"}


def test_importing_the_package_loads_nothing():
    text = "import sys, satseg\nprint(*{name.split('.')[0] for name in sys.modules})"
    done = subprocess.run([sys.executable, "-c", text], capture_output=True, text=True, check=True)
    modules = set(done.stdout.split())
    assert "satseg" in modules
    assert not modules & HEAVY


def test_every_name_is_listed_and_found():
    assert dir(satseg) == sorted(satseg.__all__)
    for name in satseg.__all__:
        value = getattr(satseg, name)
        assert value.__name__ == name and value.__module__.startswith("satseg.")
    with pytest.raises(AttributeError, match="module 'satseg' has no attribute 'build_modell'"):
        satseg.build_modell  # noqa: B018


@pytest.fixture
def example(tmp_path, monkeypatch):
    """Run the example of a docstring, two lines, in a folder with weights and a scene; returns its
    names."""
    save_cell(tmp_path)
    write_scene(tmp_path / "scene.tif", noise(100, 90))
    monkeypatch.chdir(tmp_path)

    def run(name: str, **names) -> dict:
        section = inspect.getdoc(getattr(satseg, name)).partition("\nExample:\n")[2]
        lines = textwrap.dedent(section).strip().splitlines()
        assert len(lines) == 2
        names |= {"torch": torch} | {public: getattr(satseg, public) for public in satseg.__all__}
        exec("\n".join(lines), names)
        return names

    return run


def test_build_model(example):
    names = example("build_model")
    assert names["logits"].shape == (1, 5, 64, 64) and names["logits"].dtype == torch.float32
    assert not torch.equal(*(build_model("unet_tiny", 5).head.weight for _ in range(2)))


def test_jdt_loss(example):
    logits = torch.zeros(2, 3, 8, 8, requires_grad=True)
    masks = torch.randint(0, 3, (2, 8, 8))
    masks[:, 0] = 255
    example("JDTLoss", logits=logits, masks=masks)
    assert logits.grad.abs().sum() > 0 and not logits.grad[:, :, 0].any()
    certain = torch.nn.functional.one_hot(masks.where(masks < 3, 0)).permute(0, 3, 1, 2) * 100.0
    assert JDTLoss(ignore_index=255)(certain, masks).item() == pytest.approx(0, abs=1e-6)


def test_tile_counts(example):
    masks = torch.randint(0, 5, (4, 8, 8))
    logits = torch.rand(4, 5, 8, 8)
    names = example("tile_counts", logits=logits, masks=masks)
    guess = logits.argmax(1)
    for index in range(5):
        right = ((guess == index) & (masks == index)).sum()
        assert names["tp"][index] == right
        assert names["fp"][index] == (guess == index).sum() - right
        assert names["fn"][index] == (masks == index).sum() - right
    assert tile_counts(guess, masks, 5).shape == (4, 5, 4)
    assert sum(names[kind][0] for kind in ("tp", "fp", "fn", "tn")) == masks.numel()


@pytest.mark.parametrize("name", ["load_weights", "predict_scene"])
def test_weights_and_a_scene(example, tmp_path, name):
    segmenter = example(name)["segmenter"]
    with rasterio.open("map.tif") as file, rasterio.open("scene.tif") as scene:
        assert (file.shape, file.crs, file.transform) == (scene.shape, scene.crs, scene.transform)
        assert set(file.read(1).flat) <= set(segmenter.counted)
    assert (tmp_path / "map.geojson").exists() == (name == "predict_scene")
    assert predict_scene(load_weights("best.pt"), "scene.tif", "again.tif") == 2 * 2
    assert (tmp_path / "again.tif").read_bytes() == (tmp_path / "map.tif").read_bytes()
