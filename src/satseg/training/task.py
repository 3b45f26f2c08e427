"""A training step, a validation step, and what an epoch counts."""

from contextlib import AbstractContextManager, nullcontext

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import nn

from satseg.data.augmentation import augment
from satseg.data.exchange import Palette
from satseg.data.normalise import normalise, to_unit
from satseg.distributed import total
from satseg.jobs.slices import TrainSlice
from satseg.metrics.counts import epoch_metrics, known_tile_counts
from satseg.models.segmenter import Segmenter, choose, counted_logits, positions
from satseg.training.auxiliary import Auxiliary, coarse
from satseg.training.averaging import Average
from satseg.training.distillation import soft_labels
from satseg.training.optimizer import build_optimizer, build_schedule, step_share


class Task(L.LightningModule):
    """A model, its loss and optimizer, and the counts of the running epoch."""

    def __init__(
        self,
        job: TrainSlice,
        net: nn.Module,
        loss: nn.Module,
        bands: int = 3,
        palette: Palette | None = None,
        teacher: Segmenter | None = None,
    ):
        super().__init__()
        self.job = job
        self.settings = job.training
        self.model = net.to(memory_format=torch.channels_last)
        self.average = Average(self.model, self.settings.ema) if self.settings.ema else None
        self.loss = loss
        self.palette = palette
        self.teacher = teacher
        # After the average, which has no use for it.
        self.auxiliary = None
        if self.settings.auxiliary:
            key = f"recipes.{job.cell.recipe}.auxiliary"
            self.auxiliary = Auxiliary(self.model, bands, job.model.stride, len(job.classes), key)
        if self.settings.compile:
            # A graph per shape of batch, whatever came before: a run that resumes takes the same.
            self.model.compile(dynamic=False)
        self.counts: dict[str, torch.Tensor] = {}
        self.losses: dict[str, torch.Tensor] = {}

    def on_before_batch_transfer(self, batch: tuple, dataloader_idx: int) -> tuple | None:
        """None for an empty training batch: Lightning skips it, and no step is taken."""
        return batch if len(batch[0]) or not self.trainer.training else None

    def transfer_batch_to_device(
        self, batch: tuple | None, device: torch.device, dataloader_idx: int
    ) -> tuple | None:
        """Send images and masks, without waiting; tile numbers stay on the host, which draws what
        happens to each tile."""
        if batch is None:
            return None
        images, masks, tiles = batch
        return images.to(device, non_blocking=True), masks.to(device, non_blocking=True), tiles

    def training_step(self, batch: tuple, index: int) -> torch.Tensor:
        """Loss of an augmented batch."""
        # The same draws wherever in its epoch a run is interrupted; each process has its own.
        seeds = [self.job.cell.seed, self.current_epoch, index]
        if self.global_rank:
            seeds.append(self.global_rank)
        state = np.random.SeedSequence(seeds).generate_state(1)
        torch.manual_seed(int(state[0]))

        loss = self._step("train", batch, augmented=True)
        tiles = len(self.trainer.train_dataloader.batch_sampler.sampler)
        return loss * step_share(self.settings, index, tiles)

    def optimizer_step(self, *arguments, **options) -> None:
        """Let the averaged weights follow each step."""
        super().optimizer_step(*arguments, **options)
        if self.average is not None:
            self.average.follow(self.model)

    def validation_step(self, batch: tuple, index: int) -> None:
        """Loss and counts of a batch, unchanged except by a recipe that augments everywhere."""
        if len(batch[0]):
            self._step("val", batch, self.settings.augmentation.everywhere)

    @property
    def judged(self) -> nn.Module:
        """The model that is validated and kept: the averaged one, if the recipe averages."""
        return self.model if self.average is None else self.average.model

    def check_losses(self) -> None:
        """Look for a loss of the running epoch that is not finite; on a GPU this waits for it.

        Raises:
            FloatingPointError: there is one; the message names the epoch and the batch.
        """
        for subset, where in (("train", ""), ("val", " of the validation")):
            if subset not in self.losses:
                continue
            losses = total(self.losses[subset][:, 0]).cpu().numpy()
            wrong = np.flatnonzero(~np.isfinite(losses))
            if len(wrong):
                raise FloatingPointError(
                    f"in epoch {self.current_epoch + 1}, batch {wrong[0] + 1}{where}, "
                    f"the loss is {losses[wrong[0]]}"
                )

    def _augmented(self, batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        images, masks, tiles = batch
        if not len(tiles):  # borrowed
            return to_unit(images), masks
        augmentation = self.settings.augmentation
        seed = self.job.cell.seed
        return augment(images, masks, tiles, augmentation, seed, self.current_epoch, self.palette)

    def _step(self, subset: str, batch: tuple, augmented: bool) -> torch.Tensor:
        counted = self.job.counted
        images, masks = self._augmented(batch) if augmented else (to_unit(batch[0]), batch[1])
        net = self.model if subset == "train" else self.judged
        with self._precision(subset):
            logits = net(normalise(images, self.settings.scaling))
        target = positions(masks, counted)

        labels = (target,)
        if subset == "train" and self.teacher is not None:
            share = self.settings.teacher.share
            labels = soft_labels(self.teacher, images, target, share)
        loss = self._loss(logits, labels)
        if subset == "train" and self.auxiliary is not None:
            with self._precision(subset):
                coarse_logits = self.auxiliary()
            size = coarse_logits.shape[2:]
            coarse_labels = tuple(coarse(values, size) for values in labels)
            coarse_loss = self._loss(coarse_logits, coarse_labels)
            loss = loss + self.settings.auxiliary * coarse_loss

        with torch.no_grad():
            counts = known_tile_counts(choose(logits, counted), target, len(counted))
            tiles = total(loss.new_full((), len(batch[2])))
            self._record(subset, total(counts.sum(0)), torch.stack([loss.detach(), tiles]))
        return loss

    def _loss(self, logits: torch.Tensor, labels: tuple[torch.Tensor, ...]) -> torch.Tensor:
        """The recipe's loss against hard labels, or soft ones with the pixels that count."""
        # Sums over a tile overflow or lose digits in 16 bits.
        with torch.autocast(logits.device.type, enabled=False):
            return self.loss(counted_logits(logits, self.job.counted).float(), *labels)

    def _precision(self, subset: str) -> AbstractContextManager:
        """The precision of a forward pass: Lightning's own, or 32-bit for a validation that the
        recipe wants so."""
        if subset == "val" and self.settings.full_precision_evaluation:
            return torch.autocast(self.device.type, enabled=False)
        return nullcontext()

    def _record(self, subset: str, counts: torch.Tensor, loss: torch.Tensor) -> None:
        """Keep the counts [C, 4] of a batch, and its loss with its number of tiles [2]."""
        for records, record in ((self.counts, counts), (self.losses, loss)):
            earlier = records.get(subset, record.new_empty(0, *record.shape))
            records[subset] = torch.cat([earlier.to(record.device), record[None]])

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep the running epoch's counts and losses."""
        checkpoint["counted"] = {"counts": self.counts, "losses": self.losses}
        if self.average is not None:
            checkpoint["averaged_steps"] = self.average.steps

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Continue to count from there."""
        self.counts = checkpoint["counted"]["counts"]
        self.losses = checkpoint["counted"]["losses"]
        if self.average is not None:
            self.average.steps = checkpoint["averaged_steps"]

    def epoch_result(self, subset: str) -> dict[str, float]:
        """Mean loss and metrics of the running epoch, averaged as the recipe says."""
        means = self.settings.means
        counts = self.counts[subset].cpu().numpy()
        losses, tiles = self.losses[subset].T.cpu().numpy()

        if getattr(means, subset) == "tiles":
            loss = float(np.average(losses, weights=tiles))
            return {"loss": loss} | epoch_metrics(counts.sum(0), means.classes)

        batches = [epoch_metrics(batch, means.classes) for batch in counts]
        metrics = pd.DataFrame(batches).mean().to_dict()
        return {"loss": float(losses.mean())} | metrics

    def on_validation_epoch_end(self) -> None:
        """Publish the values that may pick the best epoch."""
        self.check_losses()
        result = self.epoch_result("val")
        values = {"val_loss": result["loss"], "val_jaccard": result["jaccard"]}
        self.log_dict(values)

    def on_train_epoch_end(self) -> None:
        """Step the schedule and reset the counts: after the epoch's row is written, before its
        checkpoint is."""
        schedule = self.lr_schedulers()
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            schedule.step(self.trainer.callback_metrics[self.settings.monitor])
        elif schedule:
            schedule.step()
        self.counts = {}
        self.losses = {}

    def lr_scheduler_step(self, scheduler, metric) -> None:
        """Do nothing: Lightning would step a plateau only after the epoch's checkpoint, which would
        then lack that step."""

    def configure_optimizers(self) -> dict:
        """The recipe's optimizer and schedule."""
        settings = self.settings
        further = [] if self.auxiliary is None else self.auxiliary.parameters()
        optimizer = build_optimizer(settings, self.model, further)
        schedule = build_schedule(settings, optimizer)
        if schedule is None:
            return {"optimizer": optimizer}
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule,
                "interval": "epoch",
                "monitor": settings.monitor,
            },
        }
