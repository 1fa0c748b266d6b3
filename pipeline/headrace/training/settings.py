"""The settings of a training: the section `train`, which a search (`tune`) varies too."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from headrace.config import Section, parse_named_options, validate_section
from headrace.data.image.augmentation.transform_table import find_transform_mistakes
from headrace.errors import ConfigError
from headrace.models import find_model
from headrace.training.optim.optimizers import OPTIMIZERS
from headrace.training.optim.schedules import SCHEDULES
from headrace.training.resume.checkpoint_settings import Checkpoint

INCOMPATIBLE_WITH_PRIVACY: dict[str, str] = {
    "accumulate": "private batches are already processed in parts, and noise is added once per batch",
    "cutmix": "a row would contribute to the gradients of others",
    "gradient_checkpointing": "gradients are already computed for a few rows at a time",
    "gradient_clip": "privacy.clip already bounds each row's gradient",
    "mixup": "a row would contribute to the gradients of others",
    "sampling": "the privacy cost is only known for rows that are drawn with equal probability",
    "strategy": "clipping needs the complete gradient of a row",
}
"""Key of `train` that must keep its default in a private training -> the reason."""
NOT_AUTO_WITH_PRIVACY = {"learning_rate": "its range test trains on the train rows, which also costs privacy"}
"""Key of `train` that must not be `auto` in a private training -> the reason."""


class Privacy(Section):
    """Trains by DP-SGD (Abadi et al. 2016, arXiv:1607.00133), so that the weights reveal little about any train row.

    See docs/privacy.md for what is guaranteed and what is not.
    """

    epsilon: Annotated[float, Field(ge=0.01)]
    """The budget: removing any one train row changes no event's odds by more than e^epsilon; 1 is strong, 8 weak.

    A training that runs all its epochs spends all of it; one that stops early spends less.
    """
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability that the guarantee fails: less than 1 / train rows; null: train rows ^ -1.1."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """Largest L2 norm of a row's gradient; the noise is proportional to it."""
    secure: bool = True
    """Whether sampling and noise use a random key from the operating system, which is deleted after the training.

    false: a key derived from `train.seed`, so that the training can be repeated; anyone who knows the seed can remove
    the noise, so nothing is private. For experiments only.
    """


def find_privacy_conflict(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """Returns why the other settings of `train` rule out `privacy`, or None."""
    for name, reason in INCOMPATIBLE_WITH_PRIVACY.items():
        if name in settings and settings[name] != defaults[name]:
            return f"cannot be combined with train.{name}: {settings[name]}, because {reason}; remove one of them"
    for name, reason in NOT_AUTO_WITH_PRIVACY.items():
        if settings.get(name) == "auto":
            return f"cannot be combined with train.{name}: auto, because {reason}; set a number"
    return None


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Auto = Literal["auto"]


class EarlyStopping(Section):
    """Stops a training that no longer improves on the validation rows, or that reaches a limit of steps or time."""

    patience: Annotated[int, Field(ge=0)] = 5
    """Epochs without improvement before the training stops; 0 disables it."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """Smallest decrease of the validation loss that counts as an improvement."""
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Limit of optimizer steps, at which the schedule ends too; 0 disables it."""
    max_minutes: Annotated[float, Field(ge=0)] = 0.0
    """Wall-clock limit in minutes, including time spent before an interruption; 0 disables it.

    It does not change the schedule, which follows `max_epochs`.
    """


class TrainSettings(Section):
    """How a network is trained, as written in params.yaml; `auto` is decided by `autotune` before the training."""

    model: dict[str, Any] = {"name": "cnn"}
    """Name in MODELS (or `my_package.module:Thing`) and its options.

    For a table with columns of texts, `text_encoder` names the network of texts that encodes each of them, with its
    options: `{name: transformer, width: 64}`; a text then has `width` features beside those of the other columns.
    """
    max_epochs: Count = 10
    """Largest number of passes over the train rows."""
    batch_size: Count | Auto = 64
    """Rows per optimizer step, over all workers; must be a multiple of the number of workers.

    auto: doubled while that raises rows/s by 10 % and leaves 32 steps per epoch. It is timed, so it may differ between
    machines.
    """
    accumulate: Count = 1
    """Number of parts in which a batch is processed, to save memory; the gradient stays the same.

    Batch norm uses the statistics of each part.
    """
    gradient_checkpointing: bool = False
    """Whether blocks discard their activations and recompute them for the gradient: less memory, more time."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """shuffled: each row once per epoch; balanced: each class equally often, repeating rows of rare classes."""
    learning_rate: Positive | Auto = 1e-3
    """Highest learning rate of the schedule; auto: chosen by a range test on train rows, see lr_range_test.py."""
    optimizer: dict[str, Any] = {"name": "adam"}
    """Name in OPTIMIZERS (gd, sgd, adam, adamw, muon), or with options: `{name: sgd, momentum: 0.8}`; optimizers.py."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """L2 penalty (gd, sgd, adam), or decoupled decay (adamw, muon), which excludes biases and normalization."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Penalty on the sum of absolute weights, which makes some of them 0; excludes biases and normalization."""
    schedule: dict[str, Any] = {"name": "one_cycle"}
    """Learning-rate schedule: name in SCHEDULES, or with options: `{name: step, epochs: 5}`; see schedules.py."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of an exponential moving average of the weights, which is validated and exported; 0 disables it.

    The effective averaging window is about 1 / (1 - ema) steps. Running statistics of batch norm are averaged too.
    """
    keep: Literal["best", "last"] = "best"
    """Which weights are saved: those of the epoch with the lowest validation loss, or of the last epoch."""
    loss: Literal["auto", "cross_entropy", "focal", "bce", "mse", "mae", "huber"] = "auto"
    """Classification: cross_entropy (auto), focal (Lin et al. 2017), or bce, for two classes with a single output.

    Multilabel: bce (auto) or focal. Regression, on standardized targets: mse (auto), mae, or huber (1964).
    """
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    """For the focal loss: how strongly rows that are already correct are down-weighted; 0 is cross_entropy."""
    class_weights: Literal["none", "balanced"] | dict[str, Positive] = "none"
    """Weight of the rows of each class: balanced, inversely proportional to its rows; or by name, 1 by default.

    Classification: scaled so that the mean over the train rows is 1. Multilabel: weight of a label in rows that have
    it; balanced: such that rows with and without the label have the same total weight.
    """
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Fraction of the target's probability that is spread over all classes (classification)."""
    gradient_clip: Annotated[float, Field(ge=0)] = 0.0
    """Largest L2 norm of the gradient; 0 disables clipping."""
    precision: Literal["32", "bf16", "auto"] = "32"
    """Arithmetic of the network: float32, or bfloat16 autocast (fast on CPUs with AVX-512 BF16 and on GPUs).

    auto: the faster one in a short measurement, so metrics may differ between machines.
    """
    memory_format: Literal["contiguous", "channels_last", "auto"] = "contiguous"
    """Memory layout of images in training; channels_last suits many convolutions; auto: the faster one."""
    augmentation: list[dict[str, Any]] = []
    """Images: albumentations transforms in order, as `name` and arguments. Drawn for each row and epoch."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Images and tables: alpha of Beta(alpha, alpha), from which mixing weights of pairs of rows are drawn; 0: off.

    Zhang et al. (2018) use 0.1 to 0.4. Train metrics are computed on mixed rows, and are therefore pessimistic.
    """
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Images: alpha of Beta(alpha, alpha), from which the fraction of an image that stays its own is drawn; 0: off.

    Yun et al. (2019) use 1. With mixup as well, each step randomly uses one of the two.
    """
    token_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Texts, also in tables: fraction of the tokens that become the unknown token, drawn for each row and epoch."""
    feature_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Tables: fraction of the cells that become missing, drawn for each row and epoch."""
    early_stopping: EarlyStopping = EarlyStopping()
    """When to stop before `max_epochs`."""
    checkpoint: Checkpoint = Checkpoint()
    """When to save the state from which a killed training goes on. Changing it changes no weights."""
    num_workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Ray Train workers; 0: train in the calling process; auto: one per GPU, or two on CPUs with at least two cores.

    On the CPUs of this machine, auto is 0 if the training or its steps are too short to gain (worker_plan.py).
    """
    num_threads: Count | Auto | None = None
    """Threads per worker; null: its cores, or 1 if the network's operations are too small to split.

    null is counted, so it is the same in every run; auto is timed, so it also depends on other load.
    """
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """ddp: each worker holds the whole network; fsdp: a part of it, for networks too large for one worker's memory.

    The results are the same; fsdp communicates more.
    """
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Seed of the initial weights, the row order, dropout and augmentation."""
    privacy: Privacy | None = None
    """Differential privacy of the train rows, `{epsilon, delta, clip}`: see docs/privacy.md; null: none."""

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: dict[str, Any]) -> dict[str, Any]:
        if "name" not in model:
            raise ValueError("model.name: missing; add the name of a model, such as 'cnn'")
        if ":" not in str(model["name"]):  # classes outside the tree are imported only for a training
            try:
                find_model(model, "model")
            except ConfigError as error:
                raise ValueError(str(error)) from None
        return model

    @field_validator("optimizer", mode="before")
    @classmethod
    def _optimizer_is_known(cls, optimizer: Any) -> dict[str, Any]:
        return parse_named_options(optimizer, OPTIMIZERS, "optimizer")

    @field_validator("schedule", mode="before")
    @classmethod
    def _schedule_is_known(cls, schedule: Any) -> dict[str, Any]:
        return parse_named_options(schedule, SCHEDULES, "schedule")

    @field_validator("augmentation")
    @classmethod
    def _transforms_are_known(cls, augmentation: list[dict[str, Any]]) -> list[dict[str, Any]]:
        mistakes = find_transform_mistakes(augmentation, "augmentation")
        if mistakes:
            raise ValueError("; and ".join(mistakes))
        return augmentation

    @field_validator("accumulate")
    @classmethod
    def _batch_has_as_many_rows(cls, accumulate: int, info: ValidationInfo) -> int:
        batch_size = info.data.get("batch_size")  # None if it is invalid itself
        if isinstance(batch_size, int) and accumulate > batch_size:
            raise ValueError(
                f"cannot split a batch_size of {batch_size} into {accumulate} parts; use at most {batch_size}"
            )
        return accumulate

    @field_validator("strategy")
    @classmethod
    def _fsdp_fits(cls, strategy: str, info: ValidationInfo) -> str:
        if strategy == "ddp":
            return strategy
        if info.data.get("num_workers") == 0:
            raise ValueError(
                "'fsdp' splits the network over workers, and num_workers is 0; set num_workers: 2 or more, or ddp"
            )
        optimizer = info.data.get("optimizer", {}).get("name")
        needs_full_weights = [name for name in ("ema", "gradient_checkpointing", "l1") if info.data.get(name)]
        needs_full_weights += ["optimizer: muon"] if optimizer == "muon" else []
        if needs_full_weights:
            raise ValueError(
                f"'fsdp' shards the weights, and train.{needs_full_weights[0]} needs all of them; set strategy: ddp"
            )
        return strategy

    @field_validator("class_weights", mode="before")
    @classmethod
    def _class_weights_are_by_name(cls, weights: Any) -> Any:
        # before pydantic tries each type in turn, which would give one error per type
        if isinstance(weights, dict):
            numbers = [w for w in weights.values() if isinstance(w, int | float) and not isinstance(w, bool) and w > 0]
            if len(numbers) == len(weights):  # YAML parses class names such as 3 and true as numbers and booleans
                return {name if isinstance(name, str) else json.dumps(name): w for name, w in weights.items()}
        elif weights in ("none", "balanced"):
            return weights
        raise ValueError(f"got {weights!r}; must be none, balanced, or a number above 0 by class, such as {{cat: 2}}")

    @field_validator("privacy")
    @classmethod
    def _privacy_has_no_conflict(cls, privacy: Privacy | None, info: ValidationInfo) -> Privacy | None:
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        conflict = find_privacy_conflict(info.data, defaults) if privacy else None
        if conflict:
            raise ValueError(conflict)
        return privacy

    @field_validator("num_workers")
    @classmethod
    def _workers_divide_batch(cls, num_workers: int | str, info: ValidationInfo) -> int | str:
        batch_size = info.data.get("batch_size")  # None: it is invalid itself
        if not isinstance(num_workers, int) or not isinstance(batch_size, int):
            return num_workers
        if num_workers > 1 and batch_size % num_workers:
            raise ValueError(
                f"{num_workers} workers cannot share a batch_size of {batch_size} evenly; "
                f"make train.batch_size a multiple of {num_workers}, or train.num_workers a divisor of {batch_size}"
            )
        return num_workers

    def resolve(self, **values: Any) -> ResolvedTrainSettings:
        """Returns these settings with the given values; raises ConfigError if one is invalid or `auto` remains."""
        return validate_section(ResolvedTrainSettings, dict(self) | values, "params.yaml: train")


class ResolvedTrainSettings(TrainSettings):
    """How a network is trained, without `auto` in any value."""

    batch_size: Count = 64
    learning_rate: Positive = 1e-3
    precision: Literal["32", "bf16"] = "32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
    num_workers: Annotated[int, Field(ge=0)] = 0
    num_threads: Count | None = None
