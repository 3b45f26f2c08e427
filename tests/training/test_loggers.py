"""Lightning's own loggers get the rows of history.csv, and change nothing else."""

import json
import struct
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pandas as pd
import pytest

from satseg.config.root import Config
from satseg.errors import UserError
from satseg.jobs.running import missing_logger
from satseg.jobs.slices import TrainSlice
from satseg.training import loggers
from satseg.training.cell import train
from satseg.training.limits import Stopped
from small import unet
from stopping import After

EPOCHS = 3
# They would report to their makers.
QUIET = {"MLFLOW_DISABLE_TELEMETRY": "true", "WANDB_ERROR_REPORTING": "false"}


def job(batch_size: int = 4) -> TrainSlice:
    """A cell that trains within seconds."""
    return TrainSlice(
        cell={"dataset": "small", "model": "m", "recipe": "r", "seed": 0},
        model=unet(8, bottleneck=8, dropout=0.2),
        training={
            "loss": {"name": "cross_entropy"},
            "augmentation": {"hflip": True, "brightness": 0.1},
            "epochs": EPOCHS,
            "batch_size": batch_size,
            "precision": "32",
        },
        classes=["ground", "water", "road"],
        counted=[0, 1, 2],
    )


@pytest.fixture(scope="module")
def plain(data, tmp_path_factory):
    """The cell without a logger."""
    out = tmp_path_factory.mktemp("plain")
    train(job(), *data, out, "x")
    return out


class Memory:
    """A logger that keeps what it is sent."""

    def __init__(self, run: str = "one"):
        self.version = run
        self.experiment = SimpleNamespace()
        self.settings = {}
        self.rows = []
        self.ends = []

    def log_hyperparams(self, settings):
        self.settings = settings

    def log_metrics(self, row, step):
        assert step == row["epoch"]
        self.rows.append(row)

    def save(self):
        pass

    def finalize(self, status):
        self.ends.append(status)


@pytest.fixture
def memory(monkeypatch) -> list[Memory]:
    """Every logger that is opened, none of which needs a library."""
    opened = []

    def open_logger(kind: str, name: str, folder: Path, run: str = "") -> Memory:
        opened.append(Memory(run or f"run {len(opened)}"))
        return opened[-1]

    monkeypatch.setattr(loggers, "missing_logger", lambda kind: "")
    monkeypatch.setattr(loggers, "open_logger", open_logger)
    return opened


def history(out: Path) -> pd.DataFrame:
    """What a run wrote, without what the clock says."""
    return pd.read_csv(out / "history.csv").drop(columns="epoch_seconds")


def assert_same_results(out: Path, plain: Path) -> None:
    """The logger decided nothing."""
    pd.testing.assert_frame_equal(history(out), history(plain), check_exact=True)
    for name in ("best.pt", "final.pt"):
        assert (out / name).read_bytes() == (plain / name).read_bytes()


def interrupt(data, out: Path, kind: str) -> None:
    """Train until the run is stopped in its second epoch."""
    After.looks = 9
    with pytest.raises(Stopped):
        train(job(), *data, out, "x", limits=After(), logger=kind)


def test_the_configuration_names_the_kinds_there_are():
    assert get_args(Config.model_fields["logger"].annotation) == loggers.KINDS


def test_no_slice_holds_the_logger():
    assert "logger" not in str(TrainSlice.model_json_schema())


@pytest.mark.parametrize("kind", loggers.KINDS[1:])
def test_a_logger_that_is_not_installed_is_one_line(kind, tmp_path, monkeypatch):
    monkeypatch.setattr("satseg.jobs.running.find_spec", lambda name: None)
    with pytest.raises(
        UserError, match=rf"^logger: {kind} is not installed; run .*\[{kind}\]"
    ) as told:
        loggers.Tracker(kind, job(), tmp_path, "x", None)
    # Before the first job, in the same words.
    assert missing_logger(kind) == str(told.value)


@pytest.mark.parametrize("kind", loggers.KINDS)
def test_a_logger_that_is_installed_is_not_missed(kind, monkeypatch):
    monkeypatch.setattr("satseg.jobs.running.find_spec", lambda name: object())
    assert missing_logger(kind) == ""


def test_a_logger_gets_every_row_and_what_the_run_is(data, plain, memory, tmp_path):
    train(job(), *data, tmp_path, "x", logger="mlflow")
    [logger] = memory
    assert pd.DataFrame(logger.rows).to_csv(index=False) == (tmp_path / "history.csv").read_text()
    assert logger.settings == job().model_dump(mode="json")
    assert logger.ends == ["success"]
    assert_same_results(tmp_path, plain)


def test_a_run_that_resumes_goes_on_in_the_same_run_of_the_logger(data, plain, memory, tmp_path):
    interrupt(data, tmp_path, "mlflow")
    train(job(), *data, tmp_path, "x", logger="mlflow")
    assert [logger.version for logger in memory] == ["run 0", "run 0"]
    assert [[row["epoch"] for row in logger.rows] for logger in memory] == [[1], [2, 3]]
    assert [logger.ends for logger in memory] == [["KILLED"], ["success"]]
    assert_same_results(tmp_path, plain)


@pytest.mark.parametrize("before", ["csv", "wandb"])
def test_another_logger_gets_the_rows_from_before_the_interruption(data, memory, tmp_path, before):
    interrupt(data, tmp_path, before)
    train(job(), *data, tmp_path, "x", logger="mlflow")
    assert [row["epoch"] for row in memory[-1].rows] == [1, 2, 3]


def test_another_training_is_another_run_of_the_logger(data, memory, tmp_path):
    interrupt(data, tmp_path, "mlflow")
    train(job(), *data, tmp_path, "changed", logger="mlflow")
    assert [logger.version for logger in memory] == ["run 0", "run 1"]
    assert [row["epoch"] for row in memory[-1].rows] == [1, 2, 3]


def test_a_run_that_the_logger_has_lost_is_sent_anew(data, memory, tmp_path, monkeypatch):
    interrupt(data, tmp_path, "mlflow")
    remembering = loggers.open_logger

    def forgetful(kind: str, name: str, folder: Path, run: str = "") -> Memory:
        if run:
            raise RuntimeError(f"no run {run}")
        return remembering(kind, name, folder)

    monkeypatch.setattr(loggers, "open_logger", forgetful)
    train(job(), *data, tmp_path, "x", logger="mlflow")
    assert [row["epoch"] for row in memory[-1].rows] == [1, 2, 3]


def test_a_logger_that_fails_later_does_not_fail_the_run(
    data, plain, memory, tmp_path, monkeypatch, caplog
):
    def lost(self, row, step):
        if step == 2:
            raise ConnectionError("no answer\nfrom the server")
        self.rows.append(row)

    monkeypatch.setattr(Memory, "log_metrics", lost)
    train(job(), *data, tmp_path, "x", logger="mlflow")
    assert [row["epoch"] for row in memory[0].rows] == [1]
    warnings = [record.getMessage() for record in caplog.records if record.levelname == "WARNING"]
    assert warnings == [
        "logger: mlflow: no answer; the run goes on without, history.csv has everything"
    ]
    assert_same_results(tmp_path, plain)


@pytest.mark.parametrize("kind", loggers.KINDS[1:])
def test_a_logger_that_cannot_start_is_one_line(data, memory, tmp_path, monkeypatch, kind):
    def closed(*_):
        raise ConnectionError("connection refused\nand more")

    monkeypatch.setattr(loggers, "open_logger", closed)
    with pytest.raises(
        UserError, match=rf"^logger: {kind}: connection refused; .*, or set logger: csv$"
    ):
        train(job(), *data, tmp_path, "x", logger=kind)
    assert not list(tmp_path.glob("*.*"))


# --- with the libraries ---------------------------------------------------------------------------


def sent_to_tensorboard(out: Path) -> list[list[tuple[int, float]]]:
    """Per run, the validation mIoU by epoch."""
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    runs = []
    for folder in (out / "tensorboard").iterdir():
        events = EventAccumulator(str(folder))
        events.Reload()
        assert "batch_size: 4" in (folder / "hparams.yaml").read_text()
        runs.append([(event.step, event.value) for event in events.Scalars("val_jaccard")])
    return runs


def sent_to_mlflow(out: Path) -> list[list[tuple[int, float]]]:
    """Per run, the validation mIoU by epoch."""
    import mlflow

    client = mlflow.MlflowClient()
    experiment = client.get_experiment_by_name(loggers.PROJECT)
    runs = client.search_runs([experiment.experiment_id])
    assert {run.info.status for run in runs} == {"FINISHED"}
    assert {run.info.run_name for run in runs} == {"small/m/r/seed0"}
    assert {run.data.params["training/batch_size"] for run in runs} == {"4"}
    histories = [client.get_metric_history(run.info.run_id, "val_jaccard") for run in runs]
    return [[(metric.step, metric.value) for metric in history] for history in histories]


def sent_to_wandb(out: Path) -> list[list[tuple[int, float]]]:
    """Per run, the validation mIoU by epoch: its files are LevelDB logs of one block or more."""
    from wandb.proto.wandb_internal_pb2 import Record

    runs = []
    for file in sorted(out.glob("wandb/offline-run-*/run-*.wandb")):
        rows = []
        for message in leveldb_records(file.read_bytes()[7:]):
            items = Record.FromString(message).history.item
            row = {item.key or item.nested_key[0]: json.loads(item.value_json) for item in items}
            if row:
                rows.append((row["epoch"], row["val_jaccard"]))
        runs.append(rows)
    return runs


def leveldb_records(log: bytes) -> Iterator[bytes]:
    """The records of a log after its header, which belongs to the first block of 32 KiB."""
    place, record = 0, b""
    while place + 7 <= len(log):
        left = 32768 - (place + 7) % 32768
        if left < 7:
            place += left
            continue
        length, kind = struct.unpack("<HB", log[place + 4 : place + 7])
        record += log[place + 7 : place + 7 + length]
        place += 7 + length
        if kind in (1, 4):  # the whole record, or its end
            yield record
            record = b""


@pytest.mark.parametrize("kind", loggers.KINDS[1:])
def test_the_library_gets_every_row_once_and_says_nothing(
    data, plain, tmp_path, monkeypatch, capfd, recwarn, kind
):
    pytest.importorskip(kind, reason=f"{kind} is not installed")
    for name, value in (QUIET | loggers.DEFAULTS).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("MLFLOW_TRACKING_URI", f"sqlite:///{tmp_path}/mlflow.db")
    monkeypatch.setenv("WANDB_MODE", "offline")
    out = tmp_path / "cell"
    interrupt(data, out, kind)
    train(job(), *data, out, "x", logger=kind)

    assert_same_results(out, plain)
    scores = history(out)["val_jaccard"]
    rows = [(epoch, pytest.approx(score)) for epoch, score in enumerate(scores, 1)]
    runs = globals()[f"sent_to_{kind}"](out)
    # Offline, wandb cannot go on: another of its runs has all rows.
    assert runs == ([rows[:1], rows] if kind == "wandb" else [rows])
    said = [line for line in "".join(capfd.readouterr()).splitlines() if "INFO mlflow" not in line]
    assert said == []
    assert [str(warning.message) for warning in recwarn if "ogg" in str(warning.message)] == []


@pytest.mark.parametrize("kind", ["mlflow", "wandb"])
def test_a_server_that_does_not_answer_is_one_line(data, tmp_path, monkeypatch, capfd, kind):
    library = pytest.importorskip(kind, reason=f"{kind} is not installed")
    closed = "http://127.0.0.1:9"
    settings = (
        QUIET
        | loggers.DEFAULTS
        | {
            "MLFLOW_HTTP_REQUEST_MAX_RETRIES": "0",
            "WANDB_MODE": "online",
            "WANDB_INIT_TIMEOUT": "2",
            "WANDB_BASE_URL": closed,
            "WANDB_API_KEY": 40 * "a",
        }
    )
    for name, value in settings.items():
        monkeypatch.setenv(name, value)
    # Instead of what an earlier run of this process set.
    if kind == "mlflow":
        library.set_tracking_uri(closed)
    else:
        library.teardown()

    with pytest.raises(UserError, match=rf"^logger: {kind}: .*, or set logger: csv$") as told:
        train(job(), *data, tmp_path, "x", logger=kind)
    assert "\n" not in str(told.value)
    assert "Traceback" not in "".join(capfd.readouterr())
