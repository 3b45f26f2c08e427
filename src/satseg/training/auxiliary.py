"""A second head in the middle of the decoder, there for training only."""

from copy import deepcopy

import torch
from torch import nn

from satseg.errors import UserError, is_innocent, one_line

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
        key: how messages name the key that asks for this head.

    Raises:
        UserError: the model has no features of that size.
    """

    def __init__(
        self, net: nn.Module, bands: int, stride: int, num_classes: int, key: str = "auxiliary"
    ):
        super().__init__()
        side = max(stride, SIDE) * 2
        found = []
        try:
            found = self._find(net, bands, side)
        except Exception as error:  # a model of the user's own may raise anything
            if is_innocent(error):
                raise
            raise UserError(
                f"{key}: the model does not take tiles of {side}² pixels, with which its features "
                f"are looked for ({one_line(error)}); set it to 0"
            ) from None
        if not found:
            raise UserError(
                f"{key}: the model has no features at 1/{STRIDE} of the tile's size; set it to 0"
            )
        name, self.call, width = found[-1]
        self.head = nn.Conv2d(width, num_classes, 1)
        self.features: list[torch.Tensor] = []
        net.register_forward_pre_hook(self._begin)
        net.get_submodule(name).register_forward_hook(self._keep)

    @staticmethod
    def _find(net: nn.Module, bands: int, side: int) -> list[tuple[str, int, int]]:
        """Name of each module whose features have that size, which of its calls in a forward pass
        makes them, and their channels."""
        calls: dict[str, int] = {}
        found: list[tuple[str, int, int]] = []
        twin = deepcopy(net).to("meta").eval()
        for name, module in twin.named_modules():

            def note(module: nn.Module, _, output: object, name: str = name) -> None:
                call = calls.setdefault(name, 0)
                calls[name] += 1
                if isinstance(output, torch.Tensor) and output.shape[2:] == (side // STRIDE,) * 2:
                    found.append((name, call, output.shape[1]))

            module.register_forward_hook(note)
        with torch.no_grad():
            twin(torch.empty(1, bands, side, side, device="meta"))
        return found

    def _begin(self, *_: object) -> None:
        self.features = []

    def _keep(self, module: nn.Module, _, output: torch.Tensor) -> None:
        # A module that occurs at several sizes is called several times.
        self.features.append(output)

    def forward(self) -> torch.Tensor:
        """Logits [B, num_classes, H/8, W/8] of the model's last forward pass."""
        features = self.features[self.call]
        self.features = []
        return self.head(features)


def coarse(labels: torch.Tensor, size: torch.Size) -> torch.Tensor:
    """Labels [..., H, W] at as many rows and columns as `size` says, each from the middle of its
    cell: [..., h, w]."""
    rows, columns = (
        (2 * torch.arange(few, device=labels.device) + 1) * many // (2 * few)
        for few, many in zip(size, labels.shape[-2:], strict=True)
    )
    return labels.index_select(-2, rows).index_select(-1, columns)
