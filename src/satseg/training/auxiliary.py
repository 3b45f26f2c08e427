"""A second head in the middle of the decoder, there for training only."""

from copy import deepcopy

import torch
from torch import nn

from satseg.errors import UserError

STRIDE = 8
SIDE = 64  # tile side that the model is looked at with, in multiples of its stride if that is more


class Auxiliary(nn.Module):
    """A 1×1 convolution on the last features at an eighth of the tile's size, which it takes from
    each forward pass of the model.

    Args:
        net: the model; it is looked at without arithmetic.
        bands: bands of its images.
        stride: its stride.
        num_classes: channels of its logits.

    Raises:
        UserError: the model has no features of that size.
    """

    def __init__(self, net: nn.Module, bands: int, stride: int, num_classes: int):
        super().__init__()
        name, width = self._find(net, bands, max(stride, SIDE) * 2)
        self.head = nn.Conv2d(width, num_classes, 1)
        self.features: list[torch.Tensor] = []
        net.get_submodule(name).register_forward_hook(self._keep)

    @staticmethod
    def _find(net: nn.Module, bands: int, side: int) -> tuple[str, int]:
        """Name and channels of the last module whose features have that size."""
        found: list[tuple[str, int]] = []
        twin = deepcopy(net).to("meta").eval()
        for name, module in twin.named_modules():

            def note(module: nn.Module, _, output: object, name: str = name) -> None:
                if isinstance(output, torch.Tensor) and output.shape[2:] == (side // STRIDE,) * 2:
                    found.append((name, output.shape[1]))

            module.register_forward_hook(note)
        with torch.no_grad():
            twin(torch.empty(1, bands, side, side, device="meta"))
        if not found:
            raise UserError(
                f"auxiliary: the model has no features at 1/{STRIDE} of the tile's size; "
                "set the recipe's auxiliary: 0"
            )
        return found[-1]

    def _keep(self, module: nn.Module, _, output: torch.Tensor) -> None:
        self.features = [output]

    def forward(self) -> torch.Tensor:
        """Logits [B, num_classes, H/8, W/8] of the model's last forward pass."""
        return self.head(self.features.pop())


def coarse(labels: torch.Tensor) -> torch.Tensor:
    """Labels [..., H, W] at every eighth row and column, from the middle of each cell."""
    return labels[..., STRIDE // 2 :: STRIDE, STRIDE // 2 :: STRIDE]
