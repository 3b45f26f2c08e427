"""What a model is made of, level by level: what its drawing shows."""

from collections.abc import Iterator

import torch
from torch import nn


def outline(net: nn.Module, shape: tuple[int, ...]) -> dict:
    """Channels and height of the feature maps of a `compact` or `smp` model.

    Args:
        net: the model, best on the meta device, where nothing is computed.
        shape: of an image, (bands, height, width).

    Returns:
        `input`: the height of the image; `encoder`: [channels, height] of each level, from fine to
        coarse; `decoder`: those of the last feature maps of each height, from coarse to fine;
        `output`: the height of the logits before they are enlarged.
    """
    levels: list[list[int]] = []
    decoded: dict[int, int] = {}
    heads: list[int] = []

    def keep_levels(_: nn.Module, __: tuple, features: list[torch.Tensor]) -> None:
        used = [each for each in features[1:] if each.ndim == 4 and each.shape[1]]
        levels.extend([each.shape[1], each.shape[2]] for each in used)

    def keep_decoded(_: nn.Module, __: tuple, made: object) -> None:
        if torch.is_tensor(made) and made.ndim == 4 and made.shape[2] >= levels[-1][1]:
            decoded[made.shape[2]] = made.shape[1]

    def keep_head(_: nn.Module, __: tuple, made: torch.Tensor) -> None:
        heads.append(made.shape[2])

    own = isinstance(net.decoder, nn.ModuleList)
    parts = [*(net.decoder if own else blocks(net.decoder))]
    if hasattr(net, "context"):
        parts.append(net.context)
    head = net.segmentation_head if hasattr(net, "segmentation_head") else net.head
    convolutions = [part for part in head.modules() if isinstance(part, nn.Conv2d)]
    hooks = [net.encoder.register_forward_hook(keep_levels)]
    hooks += [part.register_forward_hook(keep_decoded) for part in parts]
    hooks += [part.register_forward_hook(keep_head) for part in convolutions]
    device = next(net.parameters()).device
    training = net.training
    try:
        with torch.no_grad():
            net.eval()(torch.zeros(1, *shape, device=device))
    finally:
        net.train(training)
        for hook in hooks:
            hook.remove()
    return {
        "input": shape[1],
        "encoder": levels,
        "decoder": [[decoded[height], height] for height in sorted(decoded)],
        "output": heads[-1],
    }


def blocks(decoder: nn.Module) -> Iterator[nn.Module]:
    """The parts of a decoder, those of its lists one by one."""
    for part in decoder.children():
        if isinstance(part, nn.ModuleList | nn.ModuleDict):
            yield from part.children()
        elif not isinstance(part, nn.Identity):
            yield part
