"""Fine-tuning: which weights are taken over, and what is recorded of it."""

import pytest
import torch

from satseg.config.splits import Split
from satseg.data.splits import draw_split
from satseg.data.store import open_tiles
from satseg.data.tiling import build_tiles
from satseg.errors import UserError
from satseg.files import sha256
from satseg.jobs.slices import TrainSlice
from satseg.models import build_model
from satseg.models.segmenter import save_weights
from satseg.prediction.bundle import write_bundle
from satseg.training.cell import train
from satseg.training.record import identity
from satseg.training.starting import start_from
from small import unet

CLASSES = ["ground", "water", "road"]
HEAD = ("head.weight", "head.bias")


def job(classes=CLASSES, model=None, **training) -> TrainSlice:
    recipe = {"loss": {"name": "jdt"}, "epochs": 1, "batch_size": 4, "precision": "32"} | training
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 1},
        model=model or unet(4, 8, bottleneck=8),
        training=recipe,
        classes=classes,
        counted=list(range(len(classes))),
    )


@pytest.fixture(scope="module")
def source(tmp_path_factory):
    """Weights that differ from every other model's."""
    torch.manual_seed(7)
    path = tmp_path_factory.mktemp("source") / "best.pt"
    net = build_model(job().model, 3, 3)
    save_weights(
        path, net, job().model, 3, classes=CLASSES, counted=[0, 1, 2], padded_tiles=True,
        batch_size=4, scaling="unit", precision="32", tile_size=64,
    )  # fmt: skip
    return path, net.state_dict()


def new_model(of: TrainSlice) -> torch.nn.Module:
    torch.manual_seed(0)
    return build_model(of.model, len(of.classes), 3)


def test_the_head_is_kept_with_the_same_classes_only(source):
    path, given = source
    same = job(init_from=str(path))
    net = new_model(same)
    told = start_from(net, same, 3)
    assert told == {"file": str(path), "sha256": sha256(path), "head": "kept"}
    assert all(torch.equal(values, given[name]) for name, values in net.state_dict().items())

    for classes in (["ground", "water", "roof"], ["ground", "water"]):
        other = job(classes, init_from=str(path))
        own = new_model(other).state_dict()
        net = new_model(other)
        before = torch.get_rng_state()
        assert start_from(net, other, 3)["head"] == "new"
        assert torch.equal(torch.get_rng_state(), before)
        for name, values in net.state_dict().items():
            assert torch.equal(values, own[name] if name in HEAD else given[name])

    assert start_from(net, job(), 3) is None


def test_another_model_is_refused(source):
    for changes in ({"model": unet(4, 12, bottleneck=8)}, {"model": unet(4, bottleneck=8)}):
        other = job(init_from=str(source[0]), **changes)
        with pytest.raises(UserError, match="its model is another than small/m"):
            start_from(new_model(other), other, 3)
    with pytest.raises(UserError, match="its model is another"):
        start_from(build_model(job().model, 3, 4), job(init_from=str(source[0])), 4)


def test_a_run_starts_from_a_bundle(source, scene_folder, tile_slice, tmp_path):
    path, given = source
    bundle = tmp_path / "bundle.zip"
    write_bundle(path.parent, bundle)
    build_tiles(tile_slice, scene_folder, tmp_path / "store")
    store = open_tiles(tmp_path / "store")
    split = draw_split(store.table, Split(unit="tile", train=0.6, val=0.4))

    tuned = job(init_from=str(bundle), optimizer={"name": "sgd", "lr": 1e-9})
    result = train(tuned, store, split, tmp_path / "run", "mark")
    assert result["started_from"]["sha256"] == sha256(bundle)
    state = torch.load(tmp_path / "run/final.pt", weights_only=True)["state_dict"]
    for name, values in state.items():
        if "running" not in name and "num_batches" not in name:
            torch.testing.assert_close(values, given[name], atol=1e-6, rtol=0)

    split_file = tmp_path / "split.csv"
    split.to_csv(split_file)
    marks = [identity(tuned, tmp_path / "store", split_file)]
    bundle.write_bytes(bundle.read_bytes() + b" ")
    marks.append(identity(tuned, tmp_path / "store", split_file))
    assert marks[0] != marks[1]
