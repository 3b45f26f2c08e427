"""Scenes brought to the model's pixel size: the same map as of a scene that has it."""

import numpy as np
import pytest
import rasterio

from conftest import write_raster
from satseg.errors import UserError
from satseg.models.segmenter import load_weights
from satseg.prediction import predict_scene
from satseg.stages.predict import main
from scenery import metres, noise, save_cell, segmenter, write_scene


def fine(pixels: np.ndarray) -> np.ndarray:
    """Each pixel as four of the same value."""
    return pixels.repeat(2, 1).repeat(2, 2)


def read(path):
    with rasterio.open(path) as file:
        return file.read(1), file.transform, file.shape


def test_larger_pixels_are_the_means_of_theirs(tmp_path):
    model = segmenter()
    pixels = noise(96, 128)
    plain = write_scene(tmp_path / "plain.tif", pixels, transform=metres(0.5))
    detailed = write_scene(tmp_path / "fine.tif", fine(pixels), transform=metres(0.25))
    predict_scene(model, plain, tmp_path / "a.tif")
    known = segmenter()._replace(origin=model.origin.model_copy(update={"metres": (0.4, 0.625)}))
    for size in (0.5, "model"):
        predict_scene(known, detailed, tmp_path / "b.tif", resample=size)
        expected, place, _ = read(tmp_path / "a.tif")
        found, own_place, _ = read(tmp_path / "b.tif")
        assert (found == expected).mean() > 0.999
        assert own_place.almost_equals(place)


def test_smaller_pixels_cover_the_same_ground(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", noise(70, 80), transform=metres(0.5))
    predict_scene(segmenter(), scene, tmp_path / "map.tif", resample=0.25)
    with rasterio.open(scene) as before, rasterio.open(tmp_path / "map.tif") as after:
        assert after.shape == (140, 160)
        np.testing.assert_allclose(after.bounds, before.bounds)


def test_hidden_pixels_stay_hidden(tmp_path):
    scene = write_scene(tmp_path / "scene.tif", fine(noise(64, 64)), transform=metres(0.25))
    with rasterio.open(scene, "r+") as file:
        mask = np.full(file.shape, 255, np.uint8)
        mask[:40, :60] = 0
        file.write_mask(mask)
    predict_scene(segmenter(), scene, tmp_path / "map.tif", resample=0.5)
    found, _, _ = read(tmp_path / "map.tif")
    hidden = np.zeros((64, 64), bool)
    hidden[:20, :30] = True
    np.testing.assert_array_equal(found == 255, hidden)


def test_unknown_sizes_are_refused(tmp_path, monkeypatch, capsys):
    scene = write_scene(tmp_path / "scene.tif", noise(64, 64))
    with pytest.raises(UserError, match="images state no pixel size; give it in metres"):
        predict_scene(segmenter(), scene, tmp_path / "map.tif", resample="model")
    write_raster(tmp_path / "photo.png", noise(64, 64))
    with pytest.raises(UserError, match=r"photo\.png: has no grid with a known pixel size"):
        predict_scene(segmenter(), tmp_path / "photo.png", tmp_path / "map.tif", resample=0.5)

    cell = save_cell(tmp_path / "cell", metres=(0.25, 0.25))
    arguments = [str(scene), "--run", str(cell), "-o", str(tmp_path / "map.tif")]
    main([*arguments, "--resample", "model"])
    assert read(tmp_path / "map.tif")[2] == (128, 128)
    assert load_weights(cell).origin.metres == (0.25, 0.25)
    with pytest.raises(SystemExit):
        main([*arguments, "--resample", "0"])
    assert "neither 'model' nor above 0" in capsys.readouterr().err
