"""A faster version of Lightning's loop over the batches of an epoch.

With steps of a few milliseconds, Lightning's own loop takes a fifth of the time: for each batch it goes through some
forty hooks, profiler contexts, result collections and attributes of the module. This loop performs the same steps in
the same order, and calls only hooks that are overridden. Cases that it does not cover (the gradient scaler of half
precision, sharded strategies, accumulation, the first batch after a restart) are left to Lightning.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from typing import Any

import pytorch_lightning as pl
from pytorch_lightning.loops.training_epoch_loop import _TrainingEpochLoop
from pytorch_lightning.strategies import DDPStrategy, SingleDeviceStrategy
from pytorch_lightning.utilities.model_helpers import is_overridden

from headrace.runtime import is_plain

Hook = Callable[..., object]
BYPASSED_METHODS = "optimizer_step", "backward", "lr_scheduler_step"
"""Methods of a module that this loop does not call: a module that overrides one needs Lightning's loop."""


class StepLoop(_TrainingEpochLoop):
    """One batch, one optimizer step."""

    def advance(self, data_fetcher: Any) -> None:
        """Trains on the next batch; raises StopIteration after the last one."""
        if self.restarting or not self._is_supported:
            super().advance(data_fetcher)
            return
        self.val_loop.restarting = False
        batch, _, _ = next(data_fetcher)
        progress, batch_idx = self.batch_progress, self.batch_idx + 1
        progress.is_last_batch = data_fetcher.done
        if self._has_device:
            batch = self.trainer.strategy.batch_to_device(batch, dataloader_idx=0)
        progress.increment_ready()
        self._call("on_train_batch_start", batch, batch_idx)
        progress.increment_started()
        outputs = {"loss": self._step(batch, batch_idx)}
        progress.increment_processed()
        self._step_schedules()
        self._call("on_train_batch_end", outputs, batch, batch_idx)
        progress.increment_completed()

    def _step(self, batch: Any, batch_idx: int) -> Any:
        """Runs forward, backward and the optimizer's step; returns the detached loss."""
        optimizer, counters = self.trainer.optimizers[0], self.automatic_optimization.optim_progress.optimizer
        counters.step.increment_ready()
        loss = self.trainer.strategy.training_step(batch, batch_idx)
        counters.zero_grad.increment_ready()
        self._call("on_before_zero_grad", optimizer)
        counters.zero_grad.increment_started()
        optimizer.zero_grad()
        counters.zero_grad.increment_completed()
        self._call("on_before_backward", loss)
        loss.backward()
        self._call("on_after_backward")
        self._call("on_before_optimizer_step", optimizer)
        if self.trainer.gradient_clip_val:
            self.trainer.lightning_module.configure_gradient_clipping(optimizer, self.trainer.gradient_clip_val)
        optimizer.step()
        counters.step.increment_completed()
        return loss.detach()

    def _step_schedules(self) -> None:
        for config in self.trainer.lr_scheduler_configs:
            self.scheduler_progress.increment_ready()
            config.scheduler.step()
            self.scheduler_progress.increment_completed()

    def on_advance_end(self, data_fetcher: Any) -> None:
        """Leaves validation and the end of the training to Lightning."""
        trainer = self.trainer
        if (
            not self._is_supported
            or self.batch_progress.is_last_batch
            or trainer.should_stop
            or trainer.received_sigterm
        ):
            super().on_advance_end(data_fetcher)
        else:
            self._batches_that_stepped += 1

    def _call(self, name: str, *arguments: Any) -> None:
        for hook in self._hooks[name]:
            hook(*arguments)

    @cached_property
    def _hooks(self) -> dict[str, list[Hook]]:
        """Hooks by name, in Lightning's order: those of the callbacks, then that of the module."""
        trainer, module = self.trainer, self.trainer.lightning_module
        names = (
            "on_train_batch_start",
            "on_before_zero_grad",
            "on_before_backward",
            "on_after_backward",
            "on_before_optimizer_step",
            "on_train_batch_end",
        )
        return {
            name: [
                _bind_callback(getattr(callback, name), trainer)
                for callback in trainer.callbacks
                if is_overridden(name, callback, parent=pl.Callback)
            ]
            + ([getattr(module, name)] if is_overridden(name, module) else [])
            for name in names
        }

    @cached_property
    def _is_supported(self) -> bool:
        trainer = self.trainer
        return bool(
            trainer.accumulate_grad_batches == 1
            and isinstance(trainer.strategy, SingleDeviceStrategy | DDPStrategy)
            and getattr(trainer.precision_plugin, "scaler", None) is None
            and trainer.lightning_module.automatic_optimization
            and not any(is_overridden(name, trainer.lightning_module) for name in BYPASSED_METHODS)
            and all(
                (config.interval, config.frequency, config.reduce_on_plateau) == ("step", 1, False)
                for config in trainer.lr_scheduler_configs
            )
        )

    @cached_property
    def _has_device(self) -> bool:
        return bool(self.trainer.strategy.root_device.type != "cpu")


def _bind_callback(hook: Hook, trainer: pl.Trainer) -> Hook:
    return lambda *arguments: hook(trainer, trainer.lightning_module, *arguments)


def use_step_loop(trainer: pl.Trainer) -> None:
    """Replaces a trainer's loop by this one."""
    if is_plain():
        return
    own = trainer.fit_loop.epoch_loop
    trainer.fit_loop.epoch_loop = StepLoop(trainer, min_steps=own.min_steps, max_steps=own.max_steps)
