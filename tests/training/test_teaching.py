"""What helps small models: another model's predictions, a second head, a slower encoder."""

import numpy as np
import pytest
import torch

from satseg.data.normalise import to_unit
from satseg.errors import UserError
from satseg.jobs.slices import TrainSlice
from satseg.models import build_model
from satseg.models.segmenter import Segmenter, load_weights
from satseg.training.auxiliary import Auxiliary, coarse
from satseg.training.cell import train
from satseg.training.distillation import soft_labels
from satseg.training.limits import Stopped
from satseg.training.optimizer import build_optimizer
from small import unet
from stopping import After

UNET = unet(4, 4, 8, 8, bottleneck=8)
CLASSES = ["ground", "water", "road"]


def job(counted=(0, 1, 2), **training) -> TrainSlice:
    recipe = {"loss": {"name": "jdt"}, "epochs": 1, "batch_size": 4, "precision": "32"} | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=UNET,
        training=recipe,
        classes=CLASSES,
        counted=list(counted),
    )


@pytest.fixture(scope="module")
def teacher(data, tmp_path_factory):
    """Weights of a trained cell."""
    folder = tmp_path_factory.mktemp("teacher")
    train(job(optimizer={"lr": 0.01}), *data, folder, "teacher")
    return folder / "best.pt"


TEACHER = {"model": "m", "recipe": "other", "share": 0.5}


def weights(folder):
    return torch.load(folder / "final.pt", weights_only=True)["state_dict"]


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[key], other[key]) for key in one)


def test_soft_labels_are_a_mixture():
    torch.manual_seed(0)
    net = build_model(job().model, 3, 3).eval()
    segmenter = Segmenter(net, CLASSES, [0, 2], True, 4, "imagenet", "32")
    images = torch.rand(2, 3, 16, 16)
    target = torch.randint(0, 2, (2, 16, 16))
    target[0, :3] = 255
    mixed, labelled = soft_labels(segmenter, images, target, 0.25)
    mean = torch.tensor([0.485, 0.456, 0.406])[:, None, None]
    deviation = torch.tensor([0.229, 0.224, 0.225])[:, None, None]
    with torch.no_grad():
        said = net((images - mean) / deviation)[:, [0, 2]].softmax(1)
    labels = torch.stack([target == 0, target == 1], 1).float()
    expected = 0.25 * said + 0.75 * labels
    assert torch.equal(labelled, target != 255)
    keep = labelled[:, None].expand_as(mixed)
    torch.testing.assert_close(mixed[keep], expected[keep])


def test_a_pupil_of_no_share_learns_the_labels_alone(data, teacher, tmp_path):
    """Cross-entropy with soft labels that are hard is that of the labels."""
    recipe = {"loss": {"name": "cross_entropy"}, "optimizer": {"name": "sgd", "lr": 0.1}}
    train(job(**recipe), *data, tmp_path / "alone", "x")
    pupil = job(**recipe, teacher=TEACHER | {"share": 0.0})
    train(pupil, *data, tmp_path / "pupil", "x", teacher=teacher)
    one = weights(tmp_path / "alone")
    other = weights(tmp_path / "pupil")
    for name in one:
        torch.testing.assert_close(one[name], other[name], atol=1e-5, rtol=1e-4)

    taught = job(**recipe, teacher=TEACHER)
    train(taught, *data, tmp_path / "taught", "x", teacher=teacher)
    assert not same(one, weights(tmp_path / "taught"))


def test_a_taught_run_resumes_exactly(data, teacher, tmp_path):
    taught = job(epochs=2, teacher=TEACHER, auxiliary=0.4, ema=0.9)
    train(taught, *data, tmp_path / "whole", "x", teacher=teacher)
    After.looks = 3
    with pytest.raises(Stopped):
        train(taught, *data, tmp_path / "cut", "x", limits=After(), teacher=teacher)
    train(taught, *data, tmp_path / "cut", "x", teacher=teacher)
    assert same(weights(tmp_path / "whole"), weights(tmp_path / "cut"))


def test_a_teacher_must_be_there_and_know_the_classes(data, teacher, tmp_path):
    taught = job(teacher=TEACHER)
    with pytest.raises(UserError, match="its weights are missing"):
        train(taught, *data, tmp_path / "a", "x")
    other = job(counted=[0, 1], teacher=TEACHER)
    with pytest.raises(UserError, match="trained on other classes"):
        train(other, *data, tmp_path / "b", "x", teacher=teacher)


def test_the_second_head_is_dropped_and_helps_the_decoder_alone(data, tmp_path):
    result = train(job(auxiliary=0.4), *data, tmp_path / "two", "x")
    plain = train(job(), *data, tmp_path / "one", "x")
    assert weights(tmp_path / "two").keys() == weights(tmp_path / "one").keys()
    assert result["parameters"] == plain["parameters"]
    assert not same(weights(tmp_path / "two"), weights(tmp_path / "one"))
    images = torch.zeros(1, 3, 32, 32)
    assert load_weights(tmp_path / "two" / "best.pt").model(to_unit(images)).shape[1] == 3


def test_the_second_head_sees_an_eighth_of_the_tile():
    torch.manual_seed(0)
    net = build_model(job().model, 3, 3)
    head = Auxiliary(net, 3, 16, 3)
    images = torch.rand(2, 3, 32, 64)
    seen = []
    net.decoder[0].block.layers[-1].register_forward_hook(lambda *a: seen.append(a[2]))
    net(images)
    assert torch.equal(head(), head.head(seen[0])) and seen[0].shape == (2, 8, 4, 8)
    rows = torch.arange(32)[:, None].expand(32, 64)
    assert coarse(rows, (4, 8)).tolist() == [[4] * 8, [12] * 8, [20] * 8, [28] * 8]
    # Of 36 rows in 5 cells: the middles are 3.6, 10.8, …
    assert coarse(torch.arange(36)[None], (1, 5)).tolist() == [[3, 10, 18, 25, 32]]


class Fixed(torch.nn.Conv2d):
    """A model that takes tiles of 32² pixels only."""

    def forward(self, x):
        return super().forward(x.reshape(len(x), 3, 32, 32))


def test_a_model_without_such_features_is_refused():
    with pytest.raises(UserError) as caught:
        Auxiliary(torch.nn.Conv2d(3, 3, 1), 3, 1, 3, "recipes.r.auxiliary")
    assert str(caught.value) == (
        "recipes.r.auxiliary: the model has no features at 1/8 of the tile's size; set it to 0"
    )
    with pytest.raises(UserError, match=r"^auxiliary: the model does not take tiles of 128² pixe"):
        Auxiliary(Fixed(3, 3, 1), 3, 1, 3)


class Shared(torch.nn.Module):
    """A model whose levels share their layers."""

    encoder = "the same layers"

    def __init__(self):
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 3, 1)
        self.conv = torch.nn.Conv2d(3, 3, 3, padding=1)
        self.pool = torch.nn.MaxPool2d(2)
        self.up = torch.nn.Upsample(scale_factor=2)

    def forward(self, x):
        x = self.stem(x)
        for _ in range(3):
            x = self.pool(self.conv(x))
        for _ in range(3):
            x = self.up(self.conv(x))
        return x


def test_layers_that_occur_at_several_sizes():
    """The second head takes the call at an eighth of the size; no part is an encoder."""
    torch.manual_seed(0)
    net = Shared()
    head = Auxiliary(net, 3, 8, 3)
    images = torch.rand(2, 3, 32, 64)
    x = net.stem(images)
    for _ in range(3):
        x = net.pool(net.conv(x))
    for _ in range(2):
        net(images)
        assert torch.equal(head(), head.head(net.conv(x)))
    settings = job(optimizer={"encoder_lr": 0.1}).training
    assert len(build_optimizer(settings, net).param_groups) == 1


def test_an_encoder_of_its_own_rate():
    net = build_model(job().model, 3, 3)
    settings = job(optimizer={"name": "sgd", "lr": 0.5, "encoder_lr": 0.1}).training
    optimizer = build_optimizer(settings, net)
    before = {name: p.detach().clone() for name, p in net.named_parameters()}
    for p in net.parameters():
        p.grad = torch.ones_like(p)
    optimizer.step()
    for name, p in net.named_parameters():
        step = 0.05 if name.startswith("encoder.") else 0.5
        torch.testing.assert_close(before[name] - p, torch.full_like(p, step), atol=1e-5, rtol=0)
    assert len(build_optimizer(job().training, net).param_groups) == 1
    assert np.isclose(optimizer.param_groups[0]["lr"], 0.5)
