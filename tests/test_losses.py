"""Losses against brute-force loops over their formulas, and gradients against finite
differences."""

import itertools

import numpy as np
import pytest
import torch

from satseg.config.recipes import Loss
from satseg.losses import CrossEntropy, JDTLoss, build_loss, class_weights

IGNORE = 255


def reference(logits, labels, keep, hard, parts, alpha, beta, gamma, smooth, weights):
    """The loss by loops over images, classes and pixels, in float64."""
    batch, classes = logits.shape[:2]
    p = np.exp(logits - logits.max(1, keepdims=True))
    p /= p.sum(1, keepdims=True)

    def term(c, images):
        tp = fp = fn = 0.0
        for b in images:
            sums = [0.0, 0.0, 0.0]
            for at in zip(*np.nonzero(keep[b]), strict=True):
                x = p[b, c, *at]
                y = labels[b, c, *at]
                sums[0] += x
                sums[1] += y
                sums[2] += abs(x - y)
            hit = (sums[0] + sums[1] - sums[2]) / 2
            tp += hit
            fp += sums[0] - hit
            fn += sums[1] - hit
        below = tp + alpha * fp + beta * fn + smooth
        index = (tp + smooth) / below if below else 1.0
        return weights[c] * (1 - index) ** gamma

    def active(c, images):
        return not hard or any((labels[b, c] * keep[b]).sum() > 0 for b in images)

    def mean(values):
        return sum(values) / len(values) if values else 0.0

    every = range(batch)
    d = mean([term(c, every) for c in range(classes) if active(c, every)])
    by_image = {b: [] for b in every}
    by_class = {c: [] for c in range(classes)}
    for b, c in itertools.product(every, range(classes)):
        if active(c, [b]):
            by_image[b].append(term(c, [b]))
            by_class[c].append(term(c, [b]))
    i = mean([mean(terms) for terms in by_image.values() if terms])
    k = mean([mean(terms) for terms in by_class.values() if terms])
    return parts[0] * d + parts[1] * i + parts[2] * k


@pytest.mark.parametrize("hard", [True, False])
@pytest.mark.parametrize("weighted", [True, False])
@pytest.mark.parametrize("ignoring", [True, False])
@pytest.mark.parametrize("parts", [p for p in itertools.product((0.0, 0.7), repeat=3) if any(p)])
@pytest.mark.parametrize(
    "shape", [(1.0, 1.0, 1.0, 1.0), (0.5, 0.5, 1.0, 0.0), (0.7, 0.3, 2.0, 0.5)]
)
def test_jdt_equals_its_formulas(hard, weighted, ignoring, parts, shape):
    rng = np.random.default_rng(hash((hard, weighted, ignoring, parts)) % 2**32)
    batch = 3
    classes = 4
    size = (2, 4)
    logits = rng.normal(0, 2, (batch, classes, *size))
    # Class 3 occurs nowhere, class 2 in one image only.
    index = rng.integers(0, 2, (batch, *size))
    index[1, 0, :3] = 2
    labels = (
        np.eye(classes)[index].transpose(0, 3, 1, 2)
        if hard
        else rng.dirichlet([1] * classes, (batch, *size))
    )
    labels = labels if hard else labels.transpose(0, 3, 1, 2)
    keep = rng.random((batch, *size)) > 0.3 if ignoring else np.ones((batch, *size), bool)
    if ignoring:
        keep[2] = False
    alpha, beta, gamma, smooth = shape
    weights = rng.random(classes) + 0.5 if weighted else np.ones(classes)
    loss = JDTLoss(
        *parts,
        alpha,
        beta,
        gamma,
        smooth,
        class_weights=weights if weighted else None,
        ignore_index=IGNORE,
    )
    inputs = torch.from_numpy(logits)
    if hard:
        value = loss(inputs, torch.from_numpy(np.where(keep, index, IGNORE)))
    else:
        value = loss(inputs, torch.from_numpy(labels), keep=torch.from_numpy(keep))
    expected = reference(logits, labels, keep, hard, parts, alpha, beta, gamma, smooth, weights)
    assert value.item() == pytest.approx(expected, rel=1e-5)


def test_jdt_of_a_perfect_and_a_wrong_prediction():
    target = torch.tensor([[[0, 1], [1, 1]]])
    perfect = torch.nn.functional.one_hot(target, 2).movedim(-1, 1) * 200.0 - 100
    assert JDTLoss(smooth=0.0)(perfect, target).item() == pytest.approx(0, abs=1e-6)
    assert JDTLoss(smooth=0.0)(-perfect, target).item() == pytest.approx(1, abs=1e-6)


@pytest.mark.parametrize("hard", [True, False])
def test_jdt_gradient_is_that_of_finite_differences(hard):
    generator = torch.Generator().manual_seed(3)
    logits = torch.randn(2, 3, 3, 3, dtype=torch.float64, generator=generator, requires_grad=True)
    target = torch.randint(0, 3, (2, 3, 3), generator=generator)
    target[0, 0] = IGNORE
    soft = torch.randn(2, 3, 3, 3, dtype=torch.float64, generator=generator).softmax(1)
    loss = JDTLoss(0.5, 0.3, 0.2, alpha=0.6, beta=0.4, gamma=1.5, ignore_index=IGNORE)
    assert torch.autograd.gradcheck(lambda x: loss(x, target if hard else soft), logits)


def test_jdt_without_any_label_is_zero_and_keeps_the_graph():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    loss = JDTLoss(1, 1, 1, ignore_index=IGNORE)(logits, torch.full((2, 4, 4), IGNORE))
    loss.backward()
    assert loss.item() == 0 and torch.equal(logits.grad, torch.zeros_like(logits))


@pytest.mark.parametrize("label", [3, -1, 254])
def test_jdt_refuses_labels_outside_the_classes(label):
    target = torch.zeros(1, 4, 4, dtype=torch.long)
    target[0, 2, 2] = label
    with pytest.raises(ValueError, match=str(label)):
        JDTLoss(ignore_index=IGNORE)(torch.randn(1, 3, 4, 4), target)
    with pytest.raises(ValueError, match="does not fit"):
        JDTLoss()(torch.randn(1, 3, 4, 4), target[:, :2])


def test_jdt_sums_in_32_bit_under_autocast():
    logits = torch.randn(1, 3, 64, 64)
    target = torch.randint(0, 3, (1, 64, 64))
    plain = JDTLoss()(logits, target)
    with torch.autocast("cpu", torch.bfloat16):
        mixed = JDTLoss()(logits, target)
    assert mixed.dtype == torch.float32 and torch.equal(plain, mixed)


def test_weights_move_with_the_loss():
    assert "class_weights" in dict(JDTLoss(class_weights=[1.0, 2.0]).named_buffers())
    assert "class_weights" in dict(CrossEntropy(torch.ones(2)).named_buffers())


def test_cross_entropy_by_hand():
    logits = torch.tensor([[[[2.0, 0.0]], [[0.0, 1.0]]]])
    loss = CrossEntropy()(logits, torch.tensor([[[0, IGNORE]]]))
    assert loss.item() == pytest.approx(np.log(1 + np.exp(-2)))
    weighted = CrossEntropy(torch.tensor([1.0, 3.0]))(logits, torch.tensor([[[0, 1]]]))
    terms = np.log(1 + np.exp(-2)), np.log(1 + np.exp(-1))
    assert weighted.item() == pytest.approx((terms[0] + 3 * terms[1]) / 4)
    nothing = CrossEntropy()(logits.requires_grad_(), torch.full((1, 1, 2), IGNORE))
    nothing.backward()
    assert nothing.item() == 0


def test_class_weights():
    pixels = torch.tensor([100, 25, 0])
    assert class_weights(pixels, "none") is None
    inverse = class_weights(pixels, "inverse")
    root = class_weights(pixels, "inverse_root")
    # The mean over the classes that occur is 1.
    torch.testing.assert_close(inverse, torch.tensor([0.4, 1.6, 0.0]))
    torch.testing.assert_close(root, torch.tensor([2 / 3, 4 / 3, 0.0]))
    summed = class_weights(pixels, "inverse", "sum")
    torch.testing.assert_close(summed, torch.tensor([0.2, 0.8, 0.0]))


def test_published_class_weights():
    """The pixels of LandCover.ai's training tiles: total over count, divided by the sum of these."""
    pixels = torch.tensor([1134441600, 16767238, 648713984, 126508216, 31785360])
    shares = pixels.sum() / pixels.double()
    expected = (shares / shares.sum()).float()
    torch.testing.assert_close(class_weights(pixels, "inverse", "sum"), expected)


def test_pixels_of_a_class_without_weight_add_nothing():
    logits = torch.randn(2, 3, 4, 4, requires_grad=True)
    weighted = CrossEntropy(torch.tensor([0.4, 1.6, 0.0]))
    target = torch.full((2, 4, 4), 2)
    nothing = weighted(logits, target)
    nothing.backward()
    assert nothing.item() == 0 and not logits.grad.any()
    target[0, 0, 0] = 1
    one = weighted(logits, target)
    assert one.item() == pytest.approx(-logits[0, :, 0, 0].log_softmax(0)[1].item(), rel=1e-6)


def test_recipes_build_their_loss():
    loss = build_loss(Loss(name="jdt", alpha=0.3, beta=0.7, miou_c=0.5), torch.ones(3))
    assert (loss.alpha, loss.beta, loss.miou_c, loss.ignore_index) == (0.3, 0.7, 0.5, IGNORE)
    assert isinstance(build_loss(Loss(name="cross_entropy"), None), CrossEntropy)


def test_half_of_each():
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 4)
    target = torch.randint(0, 3, (2, 4, 4))
    target[0, 0] = IGNORE
    weights = torch.tensor([0.5, 1.0, 1.5])
    jdt = build_loss(Loss(name="jdt", miou_i=0.5), weights)
    cross = build_loss(Loss(name="cross_entropy"), weights)
    both = build_loss(Loss(name="jdt", miou_i=0.5, cross_entropy=0.25), weights)
    expected = 0.75 * jdt(logits, target) + 0.25 * cross(logits, target)
    torch.testing.assert_close(both(logits, target), expected)


@pytest.mark.parametrize("weights", [None, torch.tensor([0.5, 1.0, 1.5])])
def test_soft_labels_that_are_hard_give_the_hard_cross_entropy(weights):
    torch.manual_seed(0)
    logits = torch.randn(2, 3, 4, 4)
    target = torch.randint(0, 3, (2, 4, 4))
    keep = torch.rand(2, 4, 4) > 0.3
    hard = torch.where(keep, target, IGNORE)
    soft = torch.nn.functional.one_hot(target, 3).permute(0, 3, 1, 2).float()
    loss = CrossEntropy(weights)
    torch.testing.assert_close(loss(logits, soft, keep), loss(logits, hard))
    assert loss(logits, soft, torch.zeros(2, 4, 4, dtype=torch.bool)).item() == 0
