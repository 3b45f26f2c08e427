"""Models are built before the first job: what a training would refuse is found in the plan."""

import warnings

import pytest
import torch

from satseg.check import building
from satseg.check.building import try_model
from satseg.config.reading import ROOT, load, places
from satseg.errors import UserError
from satseg.models import build_model

STUDY = {"datasets": ["demo"], "models": ["mine"], "recipes": ["demo"]}
SMP = {"family": "smp", "architecture": "Unet", "encoder": "resnet18"}


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    return tmp_path


def tried(model, **recipe):
    over = {"models": {"mine": model}, "study": {"mine": STUDY}, "recipes": {"demo": recipe}}
    config = load(ROOT / "config", over, "mine.yaml")
    with warnings.catch_warnings(action="error"):
        try_model(config, "demo", "mine", "demo", places(ROOT / "config", over, "mine.yaml"))


def arguments(architecture="Unet", **values):
    return SMP | {"architecture": architecture, "arguments": values}


WRONG = {
    "depth": (arguments(encoder_depth=9), "depth should be in range [1, 5], got 9"),
    "too few channels": (arguments(decoder_channels=[64, 32]), "`decoder_channels` for 2 blocks"),
    "no channels": (arguments("UPerNet", decoder_channels=0), "correct its `arguments`"),
    "negative channels": (arguments(decoder_channels=[-1] * 5), "negative dimension -1"),
    "attention": (arguments(decoder_attention_type="foo"), "Attention foo is not implemented"),
    "interpolation": (arguments(decoder_interpolation="foo"), "correct its `arguments`, choose"),
    "size": (arguments("FPN", upsampling=3), "into (2, 6, 96, 96), not into logits"),
    "rates": (arguments("DeepLabV3", decoder_atrous_rates=[1, "a", 2]), "cannot be built"),
    "pictures": (
        SMP | {"architecture": "DPT", "encoder": "tu-vit_tiny_patch16_224"},
        "Input height (128) doesn't match model (224)",
    ),
    "levels": (
        {"family": "compact", "encoder": "mit_b0"},
        "mit_b0 has no features at half the size; set the model's `detail: 0`",
    ),
}


@pytest.mark.parametrize(("model", "words"), WRONG.values(), ids=WRONG)
def test_what_a_training_would_refuse_is_found_before(folder, model, words):
    with pytest.raises(UserError) as caught:
        tried(model)
    message = str(caught.value)
    assert message.startswith("mine.yaml: models.mine: ") and "\n" not in message
    assert words in message
    assert not building.BUILT.exists()


def test_one_pixel_is_nothing_to_normalise_over(folder):
    levels = [8] * 7
    unet = {"family": "unet", "widths": levels, "convs": [1] * 7, "decoder_convs": [1] * 7}
    unet["bottleneck"] = {"width": 8, "convs": 1}
    tried(unet)
    with pytest.raises(
        UserError, match=r"^mine.yaml: models.mine: does not take 1 tile of 3 bands"
    ):
        tried(unet, batch_size=1)


def test_a_file_of_weights_is_looked_into(folder):
    state = build_model(load(ROOT / "config", {"models": {"mine": SMP}}).models["mine"], 2)
    torch.save(state.encoder.state_dict(), "right.pt")
    torch.save({"a": torch.zeros(2)}, "wrong.pt")
    tried(SMP | {"encoder_weights": "right.pt"})
    with pytest.raises(UserError, match=r"models.mine: wrong.pt: does not hold weights of the enc"):
        tried(SMP | {"encoder_weights": "wrong.pt"})
    torch.save({"a": torch.zeros(2)}, "right.pt")
    with pytest.raises(UserError, match=r"models.mine: right.pt: does not hold weights of the enc"):
        tried(SMP | {"encoder_weights": "right.pt"})


def test_what_was_built_is_not_built_again(folder, monkeypatch):
    tried(SMP)
    monkeypatch.setattr(building, "_build", lambda *_: pytest.fail("built again"))
    tried(SMP)
    tried(SMP, epochs=3)
    building.BUILT.write_text("damaged")
    monkeypatch.setattr(building, "_build", lambda *_: None)
    tried(SMP)


def test_a_model_in_python_is_not_run(folder):
    code = "import torch\n\n\ndef own(num_classes, in_channels):\n    open('ran', 'w')\n"
    (folder / "own.py").write_text(code)
    tried({"family": "python", "file": "own.py", "name": "own"})
    assert not (folder / "ran").exists()
