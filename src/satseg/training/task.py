"""What happens in a step."""

import math

import lightning as L
import numpy as np
import pandas as pd
import torch
from torch import nn

from satseg.data.augmentation import augment
from satseg.data.normalise import normalise, to_unit
from satseg.distributed import total
from satseg.jobs.slices import TrainSlice
from satseg.metrics.counts import epoch_metrics, tile_counts
from satseg.models.segmenter import choose, positions
from satseg.training.optimizer import mode


class Task(L.LightningModule):
    """A model, its loss and optimizer, and the counts of the running epoch."""

    def __init__(self, spec: TrainSlice, model: nn.Module, loss: nn.Module):
        super().__init__()
        self.spec, self.training_spec = spec, spec.training
        self.model = model.to(memory_format=torch.channels_last)
        self.loss = loss
        self.counts: dict[str, torch.Tensor] = {}
        self.losses: dict[str, torch.Tensor] = {}

    def on_before_batch_transfer(self, batch: tuple, dataloader_idx: int) -> tuple | None:
        """None for an empty batch of training: Lightning passes over it, and nothing moves."""
        return batch if len(batch[0]) or not self.trainer.training else None

    def training_step(self, batch: tuple, index: int) -> torch.Tensor:
        """Loss of an augmented batch."""
        # The same draws, wherever in its epoch a training was cut off; others in each process of
        # several.
        others = [self.global_rank] if self.global_rank else []
        state = np.random.SeedSequence(
            [self.spec.cell.seed, self.current_epoch, index, *others]
        ).generate_state(1)
        torch.manual_seed(int(state[0]))
        loss = self._step("train", batch, augmented=True)
        self._check_loss(loss, f"batch {index + 1}")
        return loss

    def validation_step(self, batch: tuple, index: int) -> None:
        """Loss and counts of a batch: as it is, but for a recipe that augments everywhere."""
        if len(batch[0]):
            loss = self._step("val", batch, self.training_spec.augmentation.everywhere)
            self._check_loss(loss, f"batch {index + 1} of the validation")

    def _check_loss(self, loss: torch.Tensor, where: str) -> None:
        if not torch.isfinite(total(loss.detach())):
            raise FloatingPointError(
                f"in epoch {self.current_epoch + 1}, {where}, the loss is {loss.item()}"
            )

    def _augmented(self, batch: tuple) -> tuple[torch.Tensor, torch.Tensor]:
        images, masks, tiles = batch
        if not len(tiles):  # borrowed
            return to_unit(images), masks
        settings, seed = self.training_spec.augmentation, self.spec.cell.seed
        return augment(images, masks, tiles, settings, seed, self.current_epoch)

    def _step(self, subset: str, batch: tuple, augmented: bool) -> torch.Tensor:
        images, masks = self._augmented(batch) if augmented else (to_unit(batch[0]), batch[1])
        logits = self.model(normalise(images, self.training_spec.scaling))
        target = positions(masks, self.spec.counted)
        # Sums over a tile overflow or lose digits in 16 bits.
        with torch.autocast(logits.device.type, enabled=False):
            loss = self.loss(logits[:, self.spec.counted].float(), target)
        with torch.no_grad():
            counts = tile_counts(choose(logits, self.spec.counted), target, len(self.spec.counted))
            tiles = total(loss.new_tensor(len(batch[2])))
            self._record(subset, total(counts.sum(0)), torch.stack([loss.detach(), tiles]))
        return loss

    def _record(self, subset: str, counts: torch.Tensor, loss: torch.Tensor) -> None:
        """Keep the counts [C, 4] of a batch, and its loss with its number of tiles [2]."""
        for records, record in ((self.counts, counts), (self.losses, loss)):
            earlier = records.get(subset, record.new_empty(0, *record.shape))
            records[subset] = torch.cat([earlier.to(record.device), record[None]])

    def on_save_checkpoint(self, checkpoint: dict) -> None:
        """Keep what the running epoch has counted."""
        checkpoint["counted"] = {"counts": self.counts, "losses": self.losses}

    def on_load_checkpoint(self, checkpoint: dict) -> None:
        """Go on counting."""
        self.counts, self.losses = checkpoint["counted"]["counts"], checkpoint["counted"]["losses"]

    def epoch_result(self, subset: str) -> dict[str, float]:
        """Mean loss and metrics of the running epoch, averaged as the recipe says."""
        means = self.training_spec.means
        counts = self.counts[subset].cpu().numpy()
        losses, tiles = self.losses[subset].T.cpu().numpy()
        if getattr(means, subset) == "tiles":
            loss = float(np.average(losses, weights=tiles))
            return {"loss": loss} | epoch_metrics(counts.sum(0), means.classes)
        batches = [epoch_metrics(batch, means.classes) for batch in counts]
        metrics = pd.DataFrame(batches).mean().to_dict()
        return {"loss": float(losses.mean())} | metrics

    def on_validation_epoch_end(self) -> None:
        """Publish what may pick the best epoch."""
        result = self.epoch_result("val")
        self.log_dict({"val_loss": result["loss"], "val_jaccard": result["jaccard"]})

    def on_train_epoch_end(self) -> None:
        """Step the schedule and start counting anew; the epoch's row is written, its checkpoint is
        not."""
        schedule = self.lr_schedulers()
        if isinstance(schedule, torch.optim.lr_scheduler.ReduceLROnPlateau):
            schedule.step(self.trainer.callback_metrics[self.training_spec.monitor])
        elif schedule:
            schedule.step()
        self.counts, self.losses = {}, {}

    def lr_scheduler_step(self, scheduler, metric) -> None:
        """Nothing: Lightning would step a plateau only after the epoch's checkpoint, which would
        lack that step."""

    def configure_optimizers(self) -> dict:
        """The recipe's optimizer and schedule."""
        settings = self.training_spec.optimizer
        kinds = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW, "sgd": torch.optim.SGD}
        extra = {"momentum": 0.9} if settings.name == "sgd" else {}
        optimizer = kinds[settings.name](
            self.model.parameters(), lr=settings.lr, weight_decay=settings.weight_decay, **extra
        )
        plan = self.training_spec.scheduler
        if plan is None:
            return {"optimizer": optimizer}
        if plan.name == "plateau":
            schedule = torch.optim.lr_scheduler.ReduceLROnPlateau(
                optimizer, mode=mode(self.training_spec), patience=plan.patience, factor=plan.factor
            )
        else:
            epochs, warmup = self.training_spec.epochs, plan.warmup

            def share(epoch: int) -> float:
                if epoch < warmup:
                    return (epoch + 1) / (warmup + 1)
                return (1 + math.cos(math.pi * (epoch - warmup) / max(1, epochs - warmup))) / 2

            schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, share)
        return {
            "optimizer": optimizer,
            "lr_scheduler": {
                "scheduler": schedule,
                "interval": "epoch",
                "monitor": self.training_spec.monitor,
            },
        }
