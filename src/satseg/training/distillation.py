"""Labels mixed with what another trained model says."""

import torch

from satseg.data.labels import NO_LABEL
from satseg.data.normalise import normalise
from satseg.models.segmenter import Segmenter, autocast, counted_logits


@torch.no_grad()
def soft_labels(
    teacher: Segmenter, images: torch.Tensor, target: torch.Tensor, share: float
) -> tuple[torch.Tensor, torch.Tensor]:
    """The teacher's probabilities and the labels, mixed.

    Args:
        teacher: a model in evaluation mode on the images' device, with the classes of `target`.
        images: float [B, bands, H, W] in [0, 1].
        target: positions in the counted classes, int64 [B, H, W]; 255 where there is no label.
        share: weight of the teacher, 0 to 1.

    Returns:
        Soft labels, float32 [B, counted, H, W], and which pixels count, bool [B, H, W].
    """
    # In the teacher's own precision, whatever the pupil's is.
    own = torch.autocast(images.device.type, enabled=False)
    with own, autocast(images.device, teacher.precision):
        logits = teacher.model(normalise(images, teacher.scaling))
    said = counted_logits(logits, teacher.counted).float().softmax(1)

    labelled = target != NO_LABEL
    classes = torch.where(labelled, target, 0)[:, None]
    labels = torch.zeros_like(said).scatter_(1, classes, 1)
    return torch.lerp(labels, said, share), labelled
