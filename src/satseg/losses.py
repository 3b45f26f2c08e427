"""Training losses: cross-entropy, and the Jaccard metric losses with Dice and Tversky as settings.

If several processes share a batch, sums and means are those of the whole batch.
"""

import torch
from torch import nn
from torch.nn.functional import cross_entropy

from satseg.config.recipes import Loss
from satseg.data.labels import NO_LABEL
from satseg.devices import queues
from satseg.distributed import total, world


def build_loss(settings: Loss, class_weights: torch.Tensor | None) -> nn.Module:
    """The loss of a recipe: logits float [B, C, H, W], target int64 [B, H, W] (255 ignored) →
    scalar; or target float [B, C, H, W] with the pixels that count, bool [B, H, W]."""
    if settings.name == "cross_entropy":
        return CrossEntropy(class_weights)
    others = {"name", "cross_entropy", "class_weights", "class_weights_scale"}
    options = settings.model_dump(exclude=others)
    jdt = JDTLoss(**options, class_weights=class_weights, ignore_index=NO_LABEL, known_labels=True)
    if not settings.cross_entropy:
        return jdt
    return Mixture(jdt, CrossEntropy(class_weights), settings.cross_entropy)


def class_weights(
    pixels: torch.Tensor, kind: str, normalised_by: str = "mean"
) -> torch.Tensor | None:
    """Weights [C] from training pixels per class [C]: `none`, `inverse` or `inverse_root`.

    A class without training pixels has weight 0; over the others, the `mean` or the `sum` of the
    weights is 1, as `normalised_by` says.
    """
    if kind == "none":
        return None
    present = pixels > 0
    weights = 1 / pixels.double().clamp(min=1)
    weights = weights.sqrt() if kind == "inverse_root" else weights
    weights = torch.where(present, weights, 0)
    scale = weights.sum() if normalised_by == "sum" else weights.sum() / present.sum()
    return (weights / scale).float()


class CrossEntropy(nn.Module):
    """Cross-entropy, mean over the labelled pixels, weighted by class; zero if none has a weight.

    Args:
        class_weights: float [C], or None.
    """

    def __init__(self, class_weights: torch.Tensor | None = None):
        super().__init__()
        self.register_buffer("class_weights", class_weights)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """Logits float [B, C, H, W], target int64 [B, H, W], or float [B, C, H, W] and the pixels
        that count, bool [B, H, W] → scalar."""
        if target.is_floating_point():
            return self._soft(logits, target, keep)
        labelled = target != NO_LABEL
        if world() > 1 or queues(logits.device):
            return self._summed(logits, target, labelled)
        weighted = labelled
        if self.class_weights is not None:
            weighted = labelled & (self.class_weights[torch.where(labelled, target, 0)] > 0)
        if not bool(weighted.any()):
            return logits.sum() * 0
        return cross_entropy(logits, target, self.class_weights, ignore_index=NO_LABEL)

    def _summed(
        self, logits: torch.Tensor, target: torch.Tensor, labelled: torch.Tensor
    ) -> torch.Tensor:
        # On a GPU, PyTorch's own sums over pixels come in an order that varies.
        losses = cross_entropy(
            logits, target, self.class_weights, ignore_index=NO_LABEL, reduction="none"
        )
        weights = labelled.to(losses.dtype)
        if self.class_weights is not None:
            classes = torch.where(labelled, target, 0).flatten()
            weights = weights * self.class_weights.index_select(0, classes).view_as(weights)
        pixels = total(weights.sum())
        return total(losses.sum()) / torch.where(pixels > 0, pixels, 1)

    def _soft(self, logits: torch.Tensor, target: torch.Tensor, keep: torch.Tensor) -> torch.Tensor:
        if self.class_weights is not None:
            target = target * self.class_weights[None, :, None, None]
        target = target * keep[:, None]
        pixels = total(target.sum())
        losses = -(target * logits.log_softmax(1))
        return total(losses.sum()) / torch.where(pixels > 0, pixels, 1)


class Mixture(nn.Module):
    """Two losses of the same logits and target, weighted.

    Args:
        first: a loss.
        second: another.
        share: weight of the second, 0 to 1; the first has the rest.
    """

    def __init__(self, first: nn.Module, second: nn.Module, share: float):
        super().__init__()
        self.first = first
        self.second = second
        self.share = share

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """As both losses take them → scalar."""
        first = self.first(logits, target, keep)
        second = self.second(logits, target, keep)
        return (1 - self.share) * first + self.share * second


class JDTLoss(nn.Module):
    """Jaccard metric loss (arXiv 2302.05666, 2303.16296) with the three mIoU parts of arXiv
    2310.19252.

    Args:
        miou_d, miou_i, miou_c: weights of the data-set level, per-image and per-class parts.
        alpha, beta: costs of false positives and false negatives (1, 1: Jaccard; ½, ½: Dice; else
            Tversky).
        gamma: focusing exponent.
        smooth: added to numerator and denominator.
        class_weights: float [C], or None.
        ignore_index: target value that adds nothing to any sum, or None.
        known_labels: whether every hard label is known to be a class or the ignore index: they are
            not checked, which on a GPU would wait for all work before.

    Example:
        loss = JDTLoss(miou_d=0.5, miou_i=0.5, ignore_index=255)
        loss(logits, masks).backward()  # float [B, C, H, W], int64 [B, H, W]
    """

    def __init__(
        self,
        miou_d: float = 1.0,
        miou_i: float = 0.0,
        miou_c: float = 0.0,
        alpha: float = 1.0,
        beta: float = 1.0,
        gamma: float = 1.0,
        smooth: float = 1.0,
        class_weights: torch.Tensor | list[float] | None = None,
        ignore_index: int | None = None,
        known_labels: bool = False,
    ):
        super().__init__()
        self.miou_d = miou_d
        self.miou_i = miou_i
        self.miou_c = miou_c
        self.alpha = alpha
        self.beta = beta
        self.gamma = gamma
        self.smooth = smooth
        self.ignore_index = ignore_index
        self.known_labels = known_labels
        if class_weights is not None:
            class_weights = torch.as_tensor(class_weights, dtype=torch.float32)
        self.register_buffer("class_weights", class_weights)

    def forward(
        self, logits: torch.Tensor, target: torch.Tensor, keep: torch.Tensor | None = None
    ) -> torch.Tensor:
        """The loss, computed in 32-bit (or the logits' 64-bit).

        Args:
            logits: float [B, C, H, W].
            target: hard labels, integer [B, H, W], or soft labels, float [B, C, H, W].
            keep: bool [B, H, W], pixels that count, except those `ignore_index` leaves out; None
                for all.

        Raises:
            ValueError: shapes do not fit, or a hard label is neither a class nor the ignore index.
        """
        with torch.autocast(logits.device.type, enabled=False):
            logits = logits if logits.dtype == torch.float64 else logits.float()
            labels, keep, hard = self._labels(logits, target, keep)
            p = logits.softmax(dim=1) * keep
            y = labels * keep

            # Sums over pixels: [B, C].
            p_sum = p.flatten(2).sum(-1)
            y_sum = y.flatten(2).sum(-1)
            distance = (p - y).abs().flatten(2).sum(-1)
            tp = (p_sum + y_sum - distance) / 2
            fp = p_sum - tp
            fn = y_sum - tp
            active = y_sum > 0 if hard else torch.ones_like(y_sum, dtype=torch.bool)

            loss = logits.sum() * 0
            if self.miou_d:
                over_batch = self._class_losses(*(total(sums.sum(0)) for sums in (tp, fp, fn)))
                loss = loss + self.miou_d * _mean(over_batch, total(active.sum(0)) > 0)[0]
            if self.miou_i or self.miou_c:
                losses = self._class_losses(tp, fp, fn)
                if self.miou_i:
                    loss = loss + self.miou_i * _batch_mean(*_mean(losses, active))[0]
                if self.miou_c:
                    loss = loss + self.miou_c * _mean(*_batch_mean(losses, active))[0]
            return loss

    def _labels(self, logits: torch.Tensor, target: torch.Tensor, keep: torch.Tensor | None):
        """Labels as float [B, C, H, W], keep-mask as float [B, 1, H, W], and whether labels are
        hard."""
        batch, classes, *size = logits.shape
        hard = not target.is_floating_point()
        expected = (batch, *size) if hard else tuple(logits.shape)
        if tuple(target.shape) != expected:
            raise ValueError(
                f"target {tuple(target.shape)} does not fit logits {tuple(logits.shape)}"
            )
        if keep is None:
            keep = torch.ones((batch, *size), dtype=torch.bool, device=logits.device)
        if hard:
            target = target.long()
            if self.ignore_index is not None:
                keep = keep & (target != self.ignore_index)
            if not self.known_labels:
                self._check(target, keep, classes)
            index = torch.where(keep, target, 0)[:, None]
            target = torch.zeros_like(logits).scatter_(1, index, 1)
        return target.to(logits.dtype), keep[:, None].to(logits.dtype), hard

    def _check(self, target: torch.Tensor, keep: torch.Tensor, classes: int) -> None:
        wrong = keep & ((target < 0) | (target >= classes))
        if bool(wrong.any()):
            raise ValueError(
                f"target holds label {int(target[wrong][0])}; "
                f"classes are 0 to {classes - 1}, ignore {self.ignore_index}"
            )

    def _class_losses(self, tp: torch.Tensor, fp: torch.Tensor, fn: torch.Tensor) -> torch.Tensor:
        """w · (1 - T)^γ per class, of any leading shape."""
        numerator = tp + self.smooth
        denominator = numerator + self.alpha * fp + self.beta * fn
        # A class that is neither there nor predicted, without smoothing: nothing is wrong.
        defined = denominator > 0
        index = torch.where(defined, numerator / torch.where(defined, denominator, 1), 1)
        # Rounding may push the index slightly above 1, and a fractional power of a negative number
        # is NaN.
        losses = (1 - index).clamp(min=0) ** self.gamma
        return losses if self.class_weights is None else losses * self.class_weights


def _mean(values: torch.Tensor, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean of the active values over the classes, the last dimension (0 if none is active), and
    whether any was."""
    number = active.sum(-1)
    return torch.where(active, values, 0).sum(-1) / number.clamp(min=1), number > 0


def _batch_mean(values: torch.Tensor, active: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The same over the images, the first dimension."""
    number = total(active.sum(0))
    return total(torch.where(active, values, 0).sum(0)) / number.clamp(min=1), number > 0
