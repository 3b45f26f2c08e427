"""Architectures against the published numbers and closed forms."""

import re

import pytest
import timm
import torch
from safetensors.torch import load_file, save_file
from segmentation_models_pytorch.encoders import get_encoder
from segmentation_models_pytorch.encoders.timm_universal import TimmUniversalEncoder

from satseg.config.encoders import fits
from satseg.config.models import SmpSpec, UNetSpec
from satseg.config.reading import ROOT, load
from satseg.errors import UserError
from satseg.models import build_model
from satseg.models.encoders import load_encoder
from satseg.models.unet import Dropout

PARAMETERS = {
    "unet_base": {5: 31_043_781, 8: 31_043_976},
    "unet_short": {5: 8_254_981, 8: 8_255_368},
    "unet_skinny": {5: 20_095_781, 8: 20_095_880},
    "unet_less_conv": {5: 20_281_253, 8: 20_281_352},
    "unetplusplus": {5: 26_079_189, 8: 26_079_624},
    "deeplabv3plus": {5: 22_438_485, 8: 22_439_256},
    "lab_unet": {6: 1_941_190},
}


@pytest.mark.parametrize("name", PARAMETERS)
def test_parameter_counts_to_the_digit(name):
    for classes, expected in PARAMETERS[name].items():
        with torch.device("meta"):
            net = build_model(name, num_classes=classes)
        assert sum(parameter.numel() for parameter in net.parameters()) == expected


def test_the_unet_with_a_residual_encoder_by_hand():
    from torchvision.models import resnet34

    with torch.device("meta"):
        own = build_model("unet_resnet34", 5)
        classifier = resnet34()
    encoder = sum(p.numel() for p in classifier.parameters()) - (512 * 1000 + 1000)
    inputs = [512, 256, 128, 64, 32]
    skips = [256, 128, 64, 64, 0]
    outputs = [256, 128, 64, 32, 16]
    decoder = 0
    for i, skip, o in zip(inputs, skips, outputs, strict=True):
        decoder += 9 * (i + skip) * o + 9 * o * o + 2 * 2 * o  # two normalised convolutions
    head = 9 * 16 * 5 + 5
    assert sum(p.numel() for p in own.parameters()) == encoder + decoder + head


def spec(**changes):
    return UNetSpec(
        **{
            "family": "unet",
            "widths": [4, 6],
            "convs": [2, 1],
            "bottleneck": {"width": 8, "convs": 1},
            "decoder_convs": [1, 3],
        }
        | changes
    )


def test_unet_parameters_by_hand():
    conv = lambda i, o, k: i * o * k * k + o  # noqa: E731
    norm = lambda o: 2 * o  # noqa: E731
    encoder = conv(3, 4, 3) + conv(4, 4, 3) + 2 * norm(4) + conv(4, 6, 3) + norm(6)
    bottleneck = conv(6, 8, 3) + norm(8)
    deep = conv(8, 6, 2) + conv(12, 6, 3) + norm(6)
    shallow = conv(6, 4, 2) + conv(8, 4, 3) + 2 * conv(4, 4, 3) + 3 * norm(4)
    expected = encoder + bottleneck + deep + shallow + conv(4, 7, 1)
    assert sum(p.numel() for p in build_model(spec(), 7).parameters()) == expected


@pytest.mark.parametrize("size", [(4, 4), (8, 12), (64, 32)])
def test_output_has_the_size_of_the_input(size):
    for bands in (1, 3, 4):
        logits = build_model(spec(), 5, in_channels=bands)(torch.rand(2, bands, *size))
        assert logits.shape == (2, 5, *size) and logits.dtype == torch.float32


def test_skip_connections_carry_detail():
    model = build_model(spec(batch_norm=False), 2).eval()
    image = torch.rand(1, 3, 16, 16)
    moved = image.clone()
    moved[0, :, 5, 5] += 1
    difference = (model(moved) - model(image)).abs().amax(1)[0]
    assert difference[5, 5] > 0
    # Two poolings and few 3×3 convolutions reach no further than this.
    assert difference[0, 15] == 0 or difference[5, 5] > difference[0, 15]


def test_dropout_follows_every_relu():
    layers = list(build_model("lab_unet", 6).modules())
    relus = [i for i, m in enumerate(layers) if isinstance(m, torch.nn.ReLU)]
    assert len(relus) == 18
    assert all(
        isinstance(layers[i + 1], torch.nn.Dropout) and layers[i + 1].p == 0.2 for i in relus
    )
    assert not any(isinstance(m, torch.nn.BatchNorm2d) for m in layers)
    assert isinstance(build_model(spec(head_dropout=0.3), 2).dropout, torch.nn.Dropout)


@pytest.mark.parametrize("kind", [torch.float32, torch.bfloat16])
def test_dropout_drops_its_share_and_scales_the_rest(kind):
    torch.manual_seed(0)
    images = (
        torch.ones(8, 16, 65, 63, dtype=kind)
        .contiguous(memory_format=torch.channels_last)
        .requires_grad_()
    )
    dropped = Dropout(0.1)(images)
    assert dropped.is_contiguous(memory_format=torch.channels_last)
    kept = dropped != 0
    # Four standard deviations of a share of half a million draws.
    assert (~kept).float().mean().item() == pytest.approx(0.1, abs=4 * (0.09 / kept.numel()) ** 0.5)
    torch.testing.assert_close(
        dropped[kept].float(), torch.full((int(kept.sum()),), 1 / 0.9), rtol=4e-3, atol=0
    )
    # Neighbours in memory are independent: both are dropped as often as chance has it.
    flat = (~kept).permute(0, 2, 3, 1).flatten().float()
    for lag in (1, 2, 3, 4):
        assert (flat[:-lag] * flat[lag:]).mean().item() == pytest.approx(0.01, abs=8e-4)
    dropped.sum().backward()
    assert torch.equal(images.grad != 0, kept)
    assert torch.equal(Dropout(1.0)(images), torch.zeros_like(images)) and torch.equal(
        Dropout(0.0)(images), images
    )
    assert torch.equal(Dropout(0.5).eval()(images), images)


def test_mistakes_are_one_line():
    wrong = [
        ("unet_bas", "no model 'unet_bas'"),
        (SmpSpec(family="smp", architecture="Unett", encoder="resnet18"), "Unett|unett"),
        (SmpSpec(family="smp", architecture="Unet", encoder="resnet19"), "resnet19"),
    ]
    for model, message in wrong:
        with pytest.raises(UserError, match=message) as error:
            build_model(model, 2)
        assert "\n" not in str(error.value)


def test_weights_out_of_reach_name_the_switch(monkeypatch, tmp_path):
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setenv("HF_HOME", str(tmp_path))
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(UserError, match=r"`encoder_weights: null`.* a path"):
        build_model("deeplabv3plus", 5, pretrained=True)


RESNET = {"family": "smp", "architecture": "Unet", "encoder": "resnet18"}


@pytest.mark.parametrize("ending", ["pth", "safetensors"])
def test_encoder_weights_come_from_a_file(tmp_path, ending):
    from torchvision.models import resnet18

    # A classifier of another library, its head included, as people have it on disk.
    state = resnet18().state_dict()
    path = tmp_path / f"weights.{ending}"
    torch.save(state, path) if ending == "pth" else save_file(state, path)
    model = build_model(SmpSpec(**RESNET, encoder_weights=str(path)), 5, pretrained=True)
    assert torch.equal(model.encoder.layer4[1].conv2.weight, state["layer4.1.conv2.weight"])
    assert torch.equal(model.encoder.conv1.weight, state["conv1.weight"])
    four = build_model(
        SmpSpec(**RESNET, encoder_weights=str(path)), 5, in_channels=4, pretrained=True
    )
    assert four.encoder.conv1.weight.shape[1] == 4
    # The library repeats the first bands and keeps the sum.
    assert torch.allclose(four.encoder.conv1.weight[:, 0], state["conv1.weight"][:, 0] * 3 / 4)
    scratch = build_model(SmpSpec(**RESNET, encoder_weights=str(path)), 5)
    assert not torch.equal(scratch.encoder.conv1.weight, state["conv1.weight"])


FIRST_OF_KIND = [
    "resnet18",
    "dpn68",
    "densenet121",
    "efficientnet-b0",
    "mobilenet_v2",
    "timm-efficientnet-b0",
    "timm-skresnet18",
    "timm-regnetx_002",
    "timm-gernet_s",
    "mit_b0",
    "mobileone_s0",
    "tu-resnet18",
    "tu-tf_efficientnet_lite0",
    "tu-convnext_atto",
    "tu-mobilevitv2_050",
    "tu-hrnet_w18_small",
]


@pytest.mark.parametrize("name", FIRST_OF_KIND)
def test_every_kind_of_encoder_takes_a_file_for_any_bands(name):
    whole = get_encoder(name)
    state = whole.state_dict()
    if isinstance(whole, TimmUniversalEncoder):
        # As timm publishes it: other names, and a classifier's head.
        published = timm.create_model(whole.name).state_dict()
        assert len(published) > len(state)
        plain = {re.sub(r"_(?=\d\.)", ".", key): value for key, value in published.items()}
        names = {key: re.sub(r"_(?=\d\.)", ".", key.removeprefix("model.")) for key in state}
        state = {key: plain[name] for key, name in names.items()}
    else:
        published = state

    for bands in (1, 3, 4):
        encoder = get_encoder(name, in_channels=bands)
        load_encoder(encoder, dict(published), bands)
        loaded = encoder.state_dict()
        fitted = [key for key in state if state[key].shape != loaded[key].shape]
        assert bool(fitted) == (bands != 3)
        for key in fitted:
            # Three equal bands and as many equal others look the same to the first layer.
            grey = state[key].sum(1)
            assert loaded[key].shape[1] == bands
            if bands == 1:
                assert torch.equal(loaded[key][:, 0], grey)
            else:
                repeated = torch.stack([state[key][:, band % 3] * 3 / 4 for band in range(4)], 1)
                torch.testing.assert_close(loaded[key], repeated)
        assert all(torch.equal(loaded[key], state[key]) for key in state if key not in fitted)


ARCHITECTURES = [
    "Unet",
    "UnetPlusPlus",
    "MAnet",
    "Linknet",
    "FPN",
    "PSPNet",
    "DeepLabV3",
    "DeepLabV3Plus",
    "PAN",
    "UPerNet",
    "Segformer",
]


@pytest.mark.parametrize("architecture", [*ARCHITECTURES, "DPT"])
def test_every_architecture_takes_a_file(tmp_path, architecture):
    path = tmp_path / "encoder.pt"
    name = "vit_tiny_patch16_224" if architecture == "DPT" else "resnet18"
    published = timm.create_model(name).state_dict()
    torch.save(published, path)
    entry = {"architecture": architecture, "encoder": f"tu-{name}", "encoder_weights": str(path)}
    net = build_model(SmpSpec(family="smp", **entry), 2, in_channels=4, pretrained=True)
    first = next(key for key, value in published.items() if value.ndim == 4)
    loaded = net.encoder.state_dict()[f"model.{first}"]
    bands = published[first]
    torch.testing.assert_close(loaded.sum(1), (bands.sum(1) + bands[:, 0]) * 3 / 4)


# Weights that were trained, where they lie beside the checkout: file → encoder.
TRAINED = ROOT.parent / "shared" / "weights"
OF_FILE = {
    "mobilenet_v2.safetensors": "mobilenet_v2",
    "tf_efficientnet_lite0.safetensors": "tu-tf_efficientnet_lite0",
}


@pytest.mark.parametrize("architecture", ARCHITECTURES)
@pytest.mark.parametrize("name", OF_FILE)
def test_trained_weights_in_every_architecture(name, architecture):
    path = TRAINED / name
    if not path.is_file():
        pytest.skip(f"{path} is not here")
    entry = {"architecture": architecture, "encoder": OF_FILE[name], "encoder_weights": str(path)}
    assert fits(architecture, OF_FILE[name])
    side = 128 if architecture == "PAN" else 64  # it pools the encoder's output three times
    published = load_file(path)

    for bands in (1, 3, 4):
        spec = SmpSpec(family="smp", **entry)
        net = build_model(spec, 5, in_channels=bands, pretrained=True).eval()
        loaded = net.encoder.state_dict()
        assert loaded.keys() == published.keys()
        fitted = [key for key in loaded if not torch.equal(loaded[key], published[key])]
        assert len(fitted) == (bands != 3)
        with torch.no_grad():
            logits = net(torch.rand(1, bands, side, side))
        assert logits.shape == (1, 5, side, side)
        assert logits.isfinite().all()


def test_a_larger_siblings_file_is_refused(tmp_path):
    path = tmp_path / "resnet34.pt"
    torch.save(timm.create_model("resnet34").state_dict(), path)
    for encoder in ("resnet18", "tu-resnet18"):
        spec = SmpSpec(**RESNET | {"encoder": encoder}, encoder_weights=str(path))
        with pytest.raises(UserError, match=f"not hold weights of the encoder {encoder};"):
            build_model(spec, 2, pretrained=True)


def test_a_file_without_encoder_weights_is_named(tmp_path):
    torch.save({"a": torch.ones(2)}, tmp_path / "other.pt")
    (tmp_path / "text.pth").write_text("no weights")
    (tmp_path / "text.safetensors").write_text("no weights")
    for name in ("other.pt", "text.pth", "text.safetensors", "missing.pt", "missing.safetensors"):
        with pytest.raises(UserError, match="`encoder_weights: null`") as error:
            build_model(SmpSpec(**RESNET, encoder_weights=str(tmp_path / name)), 5, pretrained=True)
        assert str(tmp_path / name) in str(error.value) and "\n" not in str(error.value)


def test_head_dropout_stands_before_the_head_of_either_family():
    torch.manual_seed(0)
    dropped = build_model(SmpSpec(**RESNET, head_dropout=0.5), 5)
    assert (
        isinstance(dropped.segmentation_head[0], torch.nn.Dropout)
        and dropped.segmentation_head[0].p == 0.5
    )
    image = torch.rand(2, 3, 32, 32)
    assert not torch.equal(dropped(image), dropped(image))
    dropped.eval()
    plain = build_model(SmpSpec(**RESNET), 5).eval()
    for part in ("encoder", "decoder"):
        getattr(plain, part).load_state_dict(getattr(dropped, part).state_dict())
    plain.segmentation_head[0].load_state_dict(dropped.segmentation_head[1].state_dict())
    assert torch.equal(dropped(image), plain(image))


def test_arguments_reach_the_library():
    plain = SmpSpec(**RESNET)
    narrow = SmpSpec(**RESNET, arguments={"decoder_channels": [64, 32, 16, 8, 8]})
    attentive = SmpSpec(**RESNET, arguments={"decoder_attention_type": "scse"})
    assert build_model(narrow, 5).segmentation_head[0].in_channels == 8
    kinds = {type(m).__name__ for m in build_model(attentive, 5).modules()}
    assert "SCSEModule" in kinds - {type(m).__name__ for m in build_model(plain, 5).modules()}
    wrong = SmpSpec(**RESNET, arguments={"decoder_channels": [64, 32]})
    with pytest.raises(UserError, match=r"correct its `arguments`") as error:
        build_model(wrong, 5)
    assert "\n" not in str(error.value)


def test_every_entry_maps_a_tile_to_logits():
    for name, entry in load().models.items():
        side = max(128, 2 * entry.stride)
        with torch.device("meta"):
            logits = build_model(name, 3).eval()(torch.rand(1, 3, side, side))
        assert logits.shape == (1, 3, side, side), name


@pytest.mark.parametrize("name", ["unet_skinny_tuned", "unetplusplus_scratch"])
def test_dropout_before_the_head_may_drop_whole_channels(name):
    changes = {"head_dropout": 0.5, "head_dropout_channels": True}
    spec = load().models[name].model_copy(update=changes)
    net = build_model(spec, 3).train()
    (dropout,) = [module for module in net.modules() if isinstance(module, torch.nn.Dropout2d)]
    assert dropout.p == 0.5
    kept = dropout(torch.ones(4, 64, 8, 8)).flatten(2)
    assert ((kept == 0).all(-1) | (kept == 2).all(-1)).all()
    assert 0.3 < (kept[..., 0] == 0).float().mean() < 0.7
