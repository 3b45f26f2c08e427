"""Averaged weights: a second model that follows the trained one slowly."""

from copy import deepcopy

import torch
from torch import nn


class Average(nn.Module):
    """The exponential moving average of a model's weights and batch statistics.

    Early on the average forgets faster, as if it had begun with the run: after step t it keeps
    (1 + t) / (10 + t) of itself, and never more than `decay`.

    Args:
        net: the model; its present weights begin the average.
        decay: what the average keeps of itself in a step.
    """

    def __init__(self, net: nn.Module, decay: float):
        super().__init__()
        self.decay = decay
        self.steps = 0
        self.model = deepcopy(net).requires_grad_(False)

    def forward(self, images: torch.Tensor) -> torch.Tensor:
        """What the averaged model says: images float [B, bands, H, W] → logits [B, C, H, W]."""
        return self.model(images)

    @torch.no_grad()
    def follow(self, net: nn.Module) -> None:
        """Move towards the model's weights, after an optimizer step; counters are copied."""
        self.steps += 1
        decay = min(self.decay, (1 + self.steps) / (10 + self.steps))

        own = self.model.state_dict()
        new = net.state_dict()
        decimals = [name for name, values in own.items() if values.is_floating_point()]
        torch._foreach_lerp_(
            [own[name] for name in decimals], [new[name] for name in decimals], 1 - decay
        )
        for name in own.keys() - set(decimals):
            own[name].copy_(new[name], non_blocking=True)
