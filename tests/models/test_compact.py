"""The compact U-Net against closed forms."""

import pytest
import torch
from torch.nn.functional import avg_pool2d

from satseg.config.models import CompactSpec
from satseg.errors import UserError
from satseg.models import build_model
from satseg.models.compact import Context

SPEC = {
    "family": "compact",
    "encoder": {"stem": 4, "widths": [6, 8, 10], "blocks": [1, 0, 2]},
    "width": 12,
    "detail": 5,
    "cells": [1, 2],
}


def spec(**changes) -> CompactSpec:
    return CompactSpec(**SPEC | changes)


def norm_conv(inputs, outputs):
    return 9 * inputs * outputs + 2 * outputs


def test_parameters_by_hand():
    stem = norm_conv(3, 4)
    levels = norm_conv(4, 6) + norm_conv(6, 8) + norm_conv(8, 10)
    blocks = 2 * norm_conv(6, 6) + 4 * norm_conv(10, 10)
    context = 3 * 10 * 12 + 2 * 12
    decoder = (8 * 12 + 12) + (6 * 12 + 12) + 2 * norm_conv(12, 12)
    last = (12 * 5 + 5) + (4 * 5 + 5) + norm_conv(5, 5)
    head = 5 * 7 + 7
    expected = stem + levels + blocks + context + decoder + last + head
    assert sum(p.numel() for p in build_model(spec(), 7).parameters()) == expected

    coarse = expected - last - head + 12 * 7 + 7
    assert sum(p.numel() for p in build_model(spec(detail=0), 7).parameters()) == coarse


@pytest.mark.parametrize("detail", [0, 5])
@pytest.mark.parametrize("size", [(16, 16), (32, 48)])
def test_output_has_the_size_of_the_input(size, detail):
    for bands in (1, 3, 4):
        logits = build_model(spec(detail=detail), 5, in_channels=bands)(torch.rand(2, bands, *size))
        assert logits.shape == (2, 5, *size) and logits.dtype == torch.float32


@pytest.mark.parametrize(("detail", "finest"), [(5, 2), (0, 4)])
def test_no_feature_map_is_finer_than_the_head(detail, finest):
    net = build_model(spec(detail=detail), 3)
    sizes = {}
    for name, module in net.named_modules():

        def keep(module, _, output, name=name):
            if isinstance(output, torch.Tensor) and not any(module.children()):
                sizes[name] = output.shape[-1]

        module.register_forward_hook(keep)
    net(torch.rand(2, 3, 64, 64))
    assert sizes["head"] == 64 // finest
    assert (
        max(size for name, size in sizes.items() if not name.startswith("encoder")) == 64 // finest
    )
    assert max(sizes.values()) == 32


def test_context_is_the_means_over_its_grids():
    torch.manual_seed(0)
    context = Context(3, 4, [1, 2]).eval()
    x = torch.rand(2, 3, 8, 8)
    own, whole, quarters = context.own.weight, context.pooled[0].weight, context.pooled[1].weight
    with torch.no_grad():
        expected = torch.einsum("oiab,bihw->bohw", own, x)
        expected += torch.einsum("oiab,bi->bo", whole, x.mean((2, 3)))[..., None, None]
        means = torch.einsum("oiab,bihw->bohw", quarters, avg_pool2d(x, 4))
        # Bilinear: three quarters of the nearer mean and a quarter of the farther, from the middle
        # of a cell to that of the next; constant outside.
        along = torch.tensor([1, 1, 0.875, 0.625, 0.375, 0.125, 0, 0])
        weights = torch.stack([along, 1 - along])
        expected += torch.einsum("bors,rh,sw->bohw", means, weights, weights)
        found = context(x)
    torch.testing.assert_close(found, (expected / (1 + 1e-5) ** 0.5).relu())


def test_one_tile_suffices_for_a_step_of_training():
    net = build_model(spec(), 3).train()
    net(torch.rand(1, 3, 32, 32)).sum().backward()
    assert all(p.grad is not None for p in net.parameters())


def test_dropout_stands_before_the_head():
    dropped = build_model(spec(head_dropout=0.5, head_dropout_channels=True), 3)
    assert isinstance(dropped.dropout, torch.nn.Dropout2d) and dropped.dropout.p == 0.5
    images = torch.rand(2, 3, 32, 32)
    assert not torch.equal(dropped(images), dropped(images))


NAMED = SPEC | {"encoder": "tu-mobilenetv4_conv_small"}


def test_an_encoder_of_the_library():
    import timm

    with torch.device("meta"):
        net = build_model(CompactSpec(**NAMED), 5, in_channels=4)
        own = timm.create_model("mobilenetv4_conv_small", features_only=True, in_chans=4)
        logits = net.eval()(torch.rand(1, 4, 64, 96))
    assert logits.shape == (1, 5, 64, 96)
    parameters = sum(p.numel() for p in own.parameters())
    assert sum(p.numel() for p in net.encoder.parameters()) == parameters


def test_mistakes_of_a_named_encoder_are_one_line(tmp_path):
    with pytest.raises(
        UserError, match="mit_b0 has no features at half the size; set the model's `detail: 0`"
    ):
        build_model(CompactSpec(**NAMED | {"encoder": "mit_b0"}), 3)
    with pytest.raises(UserError, match="resnet19"):
        build_model(CompactSpec(**NAMED | {"encoder": "resnet19"}), 3)
    missing = NAMED | {"encoder_weights": str(tmp_path / "none.pt")}
    with pytest.raises(UserError, match="no such file of encoder weights"):
        build_model(CompactSpec(**missing), 3, pretrained=True)
    with pytest.raises(ValueError, match="encoder_weights: there are some only for"):
        spec(encoder_weights="imagenet")
