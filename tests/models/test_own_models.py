"""Models that a YAML entry names: architectures of the library with several encoders, and files of
the user's own."""

import numpy as np
import pandas as pd
import pytest
import torch
from torch.nn.functional import cross_entropy

from satseg.config.models import PythonSpec, SmpSpec
from satseg.config.reading import load
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import write_json
from satseg.jobs.dependencies import model_code
from satseg.jobs.slices import TrainSlice
from satseg.models import build_model, check_tiles
from satseg.models.segmenter import load_weights, predict, save_weights
from satseg.stages.train import run

COMBINATIONS = [
    ("Unet", "mobilenet_v2"),
    ("UnetPlusPlus", "resnet18"),
    ("MAnet", "mobilenet_v2"),
    ("Linknet", "efficientnet-b0"),
    ("FPN", "mit_b0"),
    ("PSPNet", "resnet18"),
    ("DeepLabV3", "mobilenet_v2"),
    ("DeepLabV3Plus", "resnet18"),
    ("PAN", "mobilenet_v2"),
    ("UPerNet", "resnet18"),
    ("Segformer", "mit_b0"),
    ("DPT", "tu-convnext_atto"),
]


def smp(architecture, encoder):
    return SmpSpec(family="smp", architecture=architecture, encoder=encoder)


@pytest.mark.parametrize(("architecture", "encoder"), COMBINATIONS)
def test_a_step_of_training_on_four_bands(architecture, encoder):
    torch.manual_seed(0)
    model = build_model(smp(architecture, encoder), 3, in_channels=4).train()
    images = torch.rand(2, 4, 128, 128)
    target = torch.randint(0, 3, (2, 128, 128))
    logits = model(images)
    assert logits.shape == (2, 3, 128, 128)
    cross_entropy(logits, target).backward()
    behind = [*model.decoder.parameters(), *model.segmentation_head.parameters()]
    assert sum(p.grad is not None and p.grad.abs().sum() > 0 for p in behind) > 0.8 * len(behind)
    first = next(m for m in model.encoder.modules() if isinstance(m, torch.nn.Conv2d))
    assert first.in_channels == 4 and first.weight.grad[:, 3].abs().sum() > 0


@pytest.mark.parametrize(
    ("architecture", "encoder", "size", "batch", "message"),
    [
        ("UnetPlusPlus", "mit_b0", 128, 2, "UnetPlusPlus with encoder mit_b0 cannot be built"),
        ("DPT", "resnet18", 128, 2, "DPT with encoder resnet18 cannot be built"),
        (
            "PAN",
            "resnet18",
            64,
            2,
            r"models\.m: does not take 2 tiles of 4 bands and 64² pixels .*; choose a larger",
        ),
        (
            "Linknet",
            "resnet18",
            72,
            2,
            r"models\.m: does not take 2 tiles .*divisible by 32.*; choose a larger",
        ),
        (
            "DeepLabV3Plus",
            "resnet18",
            64,
            1,
            r"models\.m: does not take 1 tile .*; choose .* a batch_size above 1",
        ),
    ],
)
def test_what_does_not_go_together_is_one_line(architecture, encoder, size, batch, message):
    with pytest.raises(UserError, match=message) as error:
        check_tiles("m", smp(architecture, encoder), 3, 4, size, batch)
    assert "\n" not in str(error.value)


OWN = """
import torch
from torch import nn, relu

class Own(nn.Module):
    def __init__(self, num_classes, in_channels, width=4):
        super().__init__()
        self.a, self.b = nn.Conv2d(in_channels, width, 3, padding=1), nn.Conv2d(width, num_classes, 1)

    def forward(self, x):
        return self.b(relu(self.a(x)))

def half(num_classes, in_channels):
    return nn.Sequential(Own(num_classes, in_channels), nn.MaxPool2d(2))

def number(num_classes, in_channels):
    return 7
"""


@pytest.fixture
def own(tmp_path, monkeypatch):
    """A file of one's own in the working folder; its entry."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "nets").mkdir()
    (tmp_path / "nets/own.py").write_text(OWN)
    return PythonSpec(family="python", file="nets/own.py", name="Own", arguments={"width": 6})


def test_a_class_gets_classes_bands_and_its_arguments(own):
    model = build_model(own, 5, in_channels=2)
    assert sum(p.numel() for p in model.parameters()) == (3 * 3 * 2 * 6 + 6) + (6 * 5 + 5)
    check_tiles("own", own, 5, 2, 30, 1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"file": "nets/none.py"}, r"nets/none\.py: no such file in "),
        ({"name": "Other"}, r"nets/own\.py: does not define 'Other'; it has Own, half, number"),
        ({"name": "relu"}, r"nets/own\.py: does not define 'relu'"),  # imported there, not defined
        (
            {"arguments": {"depth": 1}},
            r"nets/own\.py: Own\(.*\): .*unexpected keyword argument 'depth'",
        ),
        (
            {"name": "number", "arguments": {}},
            r"nets/own\.py: number returns a int; a torch\.nn\.Module",
        ),
        (
            {"name": "half", "arguments": {}},
            r"models\.m: turns 1 tile .* into \(1, 3, 16, 16\), not into logits \(1, 3, 32, 32\)",
        ),
    ],
)
def test_a_mistake_in_ones_own_model_is_one_line(own, changes, message):
    with pytest.raises(UserError, match=message) as error:
        check_tiles("m", own.model_copy(update=changes), 3, 3, 32, 1)
    assert "\n" not in str(error.value)


@pytest.mark.parametrize("stage", ["train", "evaluate", "profile", "speed"])
def test_the_file_is_a_source_of_the_jobs_that_build_it(own, stage):
    assert model_code(stage, own).count("nets/own.py") == 1


def test_a_link_out_of_the_working_folder_is_not_followed(own, tmp_path, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere") / "own.py"
    elsewhere.write_text(OWN)
    (tmp_path / "nets/linked.py").symlink_to(elsewhere)
    with pytest.raises(UserError, match="no such file in"):
        build_model(own.model_copy(update={"file": "nets/linked.py"}), 3)


def test_ones_own_model_trains_and_comes_back_from_its_weights(
    own, scene_folder, tile_slice, tmp_path
):
    table = build_tiles(tile_slice, scene_folder, tmp_path / "tiles")
    subsets = np.where(table["tile"] % 3 == 0, "val", "train")
    pd.DataFrame({"tile": table["tile"], "scene": table["scene"], "subset": subsets}).to_csv(
        "split.csv", index=False
    )
    write_json("raw/manifest.json", {"dataset": "small", "root": "scenes", "files": []})
    spec = TrainSlice(
        cell={"dataset": "small", "model": "own", "recipe": "quick", "seed": 0},
        model=own,
        training={
            "loss": {"name": "cross_entropy"},
            "epochs": 1,
            "batch_size": 8,
            "precision": "32",
        },
        classes=tile_slice.classes,
        counted=[0, 1, 2],
    )
    run(spec, "raw", "tiles", "split.csv", "run", 0)
    segmenter = load_weights("run/final.pt", python_file=own.file)
    images = torch.randint(0, 256, (1, 3, 32, 32), dtype=torch.uint8)
    state = torch.load("run/final.pt", weights_only=True)["state_dict"]
    again = build_model(own, 3)
    again.load_state_dict(state)
    expected = again.eval()(images / 255).argmax(1)
    assert torch.equal(predict(segmenter, images), expected)


@pytest.fixture
def weights(own, tmp_path):
    """Weights of that model."""
    meta = {"classes": ["a", "b"], "counted": [0, 1], "padded_tiles": True, "batch_size": 1}
    save_weights("own.pt", build_model(own, 2), own, 3, **meta, scaling="unit", precision="32")
    return tmp_path / "own.pt"


def configure(monkeypatch, *entries):
    config = load().model_copy(update={"models": dict(enumerate(entries))})
    monkeypatch.setattr("satseg.models.segmenter.load", lambda: config)


def test_weights_do_not_choose_what_is_run(own, weights, monkeypatch, tmp_path):
    """Only the file that the configuration names, as it was when they were trained."""
    marker = tmp_path / "ran"
    evil = f"open({str(marker)!r}, 'w')\n{OWN}"
    configure(monkeypatch, own)
    assert load_weights(weights).classes == ["a", "b"]

    (tmp_path / "nets/own.py").write_text(evil)
    with pytest.raises(UserError, match=r"own\.pt: was trained with another nets/own\.py; restore"):
        load_weights(weights)
    for configured in ("nets/other.py", "own.py"):
        (tmp_path / configured).write_text(OWN)
        with pytest.raises(
            UserError, match=r"own\.pt: names nets/own\.py as the code of its model"
        ):
            load_weights(weights, python_file=configured)
    configure(monkeypatch)
    with pytest.raises(UserError, match="so it is not run; add the model, or train the cell again"):
        load_weights(weights)
    assert not marker.exists()


@pytest.mark.parametrize(
    ("line", "error", "message"),
    [
        ("raise MemoryError", MemoryError, ""),
        ("raise PermissionError(13, 'Permission denied', 'its.csv')", PermissionError, "its.csv"),
        ("raise SystemExit(0)", UserError, r"^own\.py: line 1: SystemExit: 0; correct it$"),
        ("1 / 0", UserError, r"^own\.py: line 1: ZeroDivisionError: division by zero; correct it$"),
    ],
)
def test_what_goes_wrong_while_a_file_is_imported(tmp_path, monkeypatch, line, error, message):
    """What is no mistake of the file's is not called one; an end of the process is."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "own.py").write_text(f"{line}\n")
    spec = PythonSpec(family="python", file="own.py", name="Own")
    with pytest.raises(error, match=message):
        build_model(spec, 2)
