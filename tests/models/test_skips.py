"""U-Net v2's skip connections against closed forms."""

import pytest
import torch
from torch.nn.functional import avg_pool2d, conv2d, interpolate

from satseg.config.models import SdiSkips, UNetSpec
from satseg.config.reading import load
from satseg.models import build_model
from satseg.models.skips import Attention, Infusion, Skips


def parameters(net):
    return sum(p.numel() for p in net.parameters())


@pytest.mark.parametrize(("from_level", "expected"), [(3, 147_968), (1, 332_928)])
def test_parameters_of_the_infusions(from_level, expected):
    spec = load().models["unet_skinny_sdi"]
    spec = spec.model_copy(update={"skips": SdiSkips(kind="sdi", from_level=from_level)})
    with torch.device("meta"):
        net = build_model(spec, 5)
    assert parameters(net.skips.infuse) == expected


def test_parameters_of_the_model_by_hand():
    with torch.device("meta"):
        plain = build_model("unet_skinny", 5)
        net = build_model("unet_skinny_sdi", 5)
    widths = [128, 256, 512, 512]
    refined = sum(2 * w * w // 16 + 2 * 49 + 32 * w + 2 * 32 for w in widths)
    # Every such decoder level takes 32 channels in place of its own width.
    saved = sum(9 * (w - 32) * w for w in widths)
    assert parameters(net) == parameters(plain) + refined + 147_968 - saved


def test_a_skip_is_the_product_of_all_levels():
    torch.manual_seed(0)
    infusion = Infusion(3, 4)
    levels = [torch.rand(2, 4, side, side) for side in (8, 4, 2)]
    sized = [
        avg_pool2d(levels[0], 2),
        levels[1],
        interpolate(levels[2], scale_factor=2, mode="bilinear", align_corners=True),
    ]
    expected = torch.ones(2, 4, 4, 4)
    for x, conv in zip(sized, infusion.convs, strict=True):
        expected = expected * conv2d(x, conv.weight, conv.bias, padding=1)
    torch.testing.assert_close(infusion(levels, torch.Size([4, 4])), expected)


def test_attention_weights_channels_and_then_pixels():
    torch.manual_seed(0)
    attention = Attention(32)
    down, _, up = attention.channels
    x = torch.randn(2, 32, 5, 6)

    def channel(v):
        return (v @ down.weight[:, :, 0, 0].T).relu() @ up.weight[:, :, 0, 0].T

    weights = (channel(x.mean((2, 3))) + channel(x.amax((2, 3)))).sigmoid()
    y = x * weights[..., None, None]
    maps = torch.stack([y.mean(1), y.amax(1)], 1)
    expected = y * conv2d(maps, attention.pixels.weight, padding=3).sigmoid()
    torch.testing.assert_close(attention(x), expected)


def test_the_product_starts_alive():
    """Normal features: at default initialisation a product of six deviates by some 1e-4 of 0."""
    torch.manual_seed(0)
    skips = Skips(SdiSkips(kind="sdi"), [16] * 6).train()
    out = skips([torch.randn(2, 16, 64 >> i, 64 >> i) for i in range(6)])
    for x in out:
        assert 0.5 < x.mean().item() < 1.5 and 0.02 < x.std().item() < 1


def test_fine_levels_keep_their_skips_and_products_their_digits():
    spec = UNetSpec(
        family="unet",
        widths=[4, 6, 8],
        convs=[1, 1, 1],
        bottleneck={"width": 8, "convs": 1},
        decoder_convs=[1, 1, 1],
        skips={"kind": "sdi", "channels": 5, "from_level": 2},
    )
    net = build_model(spec, 3).eval()
    assert [level.block.layers[0].in_channels for level in net.decoder] == [13, 11, 8]
    images = torch.rand(2, 3, 16, 24)
    assert net(images).shape == (2, 3, 16, 24)
    seen = []
    net.skips.infuse[0].register_forward_hook(lambda *arguments: seen.append(arguments[2].dtype))
    with torch.autocast("cpu", torch.bfloat16):
        net(images)
    assert seen == [torch.bfloat16]


def test_a_level_that_is_not_there_is_refused():
    with pytest.raises(ValueError, match=r"skips\.from_level: 5; widths has 1 level"):
        UNetSpec(
            family="unet",
            widths=[4],
            convs=[1],
            bottleneck={"width": 8, "convs": 1},
            decoder_convs=[1],
            skips={"kind": "sdi", "from_level": 5},
        )
