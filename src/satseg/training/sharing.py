"""Whether a run had the machine to itself."""

import time

import lightning as L
from lightning.pytorch.callbacks import Callback

from satseg.sharing import Meter, gpu_others

PAUSE = 60  # seconds between two looks at the GPU, which may take a second each


class Sharing(Callback):
    """Measures, epoch by epoch, what other processes took of the machine; the checkpoint keeps it,
    so a resumed run knows of all its parts.

    It looks as an epoch starts and after the last one, so it adds nothing to an epoch's time if it
    comes before `History`.
    """

    def __init__(self) -> None:
        self.others: list[float] = []
        """The others' share of the CPU time used in each epoch, or each part of one."""
        self.on_gpu: list[int | None] = []
        """Other processes on the GPU, whenever looked at."""
        self.meter: Meter | None = None
        self.looked: float | None = None

    def state_dict(self) -> dict:
        """What the checkpoint keeps."""
        running = [] if self.meter is None else [self.meter.others()]
        return {"others": [*self.others, *running], "on_gpu": self.on_gpu}

    def load_state_dict(self, state: dict) -> None:
        """Resume from a checkpoint."""
        self.others = list(state["others"])
        self.on_gpu = list(state["on_gpu"])

    def on_train_epoch_start(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Close the last epoch and begin the next."""
        self._close()
        if self.looked is None or time.monotonic() - self.looked >= PAUSE:
            self._look_at_gpu()
        self.meter = Meter()

    def on_train_end(self, trainer: L.Trainer, task: L.LightningModule) -> None:
        """Close the last epoch."""
        self._close()
        self._look_at_gpu()

    def _close(self) -> None:
        if self.meter is not None:
            self.others.append(self.meter.others())
        self.meter = None

    def _look_at_gpu(self) -> None:
        self.on_gpu.append(gpu_others())
        self.looked = time.monotonic()

    def record(self) -> dict:
        """What `run.json` says: the highest share of an epoch, and the most processes seen on the
        GPU; None for what is not known."""
        seen = [number for number in self.on_gpu if number is not None]
        return {
            "cpu_others": round(max(self.others), 3) if self.others else None,
            "gpu_others": max(seen) if seen and len(seen) == len(self.on_gpu) else None,
        }
