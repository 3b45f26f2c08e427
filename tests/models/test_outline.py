"""What a drawing shows of a model is what its layers make."""

import pytest
import torch

from satseg.config.models import CompactSpec, SmpSpec
from satseg.models import build_model
from satseg.models.outline import outline

ENCODER = {"stem": 4, "widths": [6, 8], "blocks": [1, 0]}
COMPACT = CompactSpec(family="compact", encoder=ENCODER, width=10, detail=5, cells=[1])


def library(architecture):
    return SmpSpec(family="smp", architecture=architecture, encoder="resnet18")


def test_a_compact_model_by_hand():
    net = build_model(COMPACT, 3, 2).to("meta")
    assert outline(net, (2, 64, 64)) == {
        "input": 64,
        "encoder": [[4, 32], [6, 16], [8, 8]],
        "decoder": [[10, 8], [10, 16], [5, 32]],
        "output": 32,
    }
    assert net.training and not any(part._forward_hooks for part in net.modules())


@pytest.mark.parametrize("name", ["UnetPlusPlus", "DeepLabV3Plus", "Linknet", "FPN", "UPerNet"])
def test_library_models_end_in_what_their_head_takes(name):
    net = build_model(library(name), 3, 3, pretrained=False).to("meta")
    found = outline(net, (3, 128, 128))
    widths = [4 * 2**4, *([64 * 2**level for level in range(4)])]
    assert [channels for channels, _ in found["encoder"]] == widths
    sizes = [height for _, height in found["decoder"]]
    assert sizes == sorted(sizes) and found["output"] == sizes[-1]
    head = next(part for part in net.segmentation_head if isinstance(part, torch.nn.Conv2d))
    assert head.in_channels == found["decoder"][-1][0]
