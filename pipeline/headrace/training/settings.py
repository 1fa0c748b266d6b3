"""The settings of a training: the section `train`, which a search (`tune`) varies too.

Differential privacy of the train rows: what is asked for, and which settings do not go with it.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import Field, ValidationInfo, field_validator

from headrace.config import Section, parse_named_options
from headrace.errors import ConfigError
from headrace.models import find_model
from headrace.training.optim.optimizers import OPTIMIZERS
from headrace.training.optim.schedules import SCHEDULES

DELTA_EXPONENT = 1.1
CLASHES: dict[str, str] = {
    "accumulate": "a batch is taken in parts as it is, and its noise is added once",
    "cutmix": "a row would be in the gradients of others",
    "gradient_checkpointing": "gradients are taken row by row, a few rows at once",
    "gradient_clip": "privacy.clip bounds each row's gradient in its place",
    "mixup": "a row would be in the gradients of others",
    "sampling": "what is spent is known for rows that are drawn with one probability",
    "strategy": "a row's gradient is needed whole to be clipped",
}
"""Key of `train` that must keep its default beside `privacy` -> why."""
MEASURED = {"learning_rate": "it is found by trainings on the train rows, which spend too"}
"""Key of `train` that must not be `auto` beside `privacy` -> why."""


class Privacy(Section):
    """Trains by DP-SGD (Abadi et al. 2016, arXiv:1607.00133): the weights tell next to nothing of any one train row.

    What is guaranteed, and what is not, stands in docs/privacy.md.
    """

    epsilon: Annotated[float, Field(ge=0.01)]
    """The budget: leaving any one train row out changes no event's odds by more than e^epsilon; 1 is strong, 8 weak.

    A training that takes all its epochs spends it; one that stops early spends less.
    """
    delta: Annotated[float, Field(gt=0, lt=1)] | None = None
    """Probability in which that may fail: less than 1 / train rows; null: train rows ^ -1.1."""
    clip: Annotated[float, Field(gt=0)] = 1.0
    """The L2 norm that each row's gradient is cut down to; the noise grows with it."""
    secure: bool = True
    """Whether sampling and noise come from a key of the operating system's, which is deleted after the training.

    false: from `train.seed`, so that the training can be repeated; whoever knows the seed can take the noise off,
    so that nothing is private: for trials.
    """


def delta_of(privacy: Privacy, num_rows: int) -> float:
    """The delta that holds for so many train rows; raises ConfigError for one that protects nobody.

    At 1 / rows, publishing one row drawn at random would be allowed (Dwork and Roth 2014, section 2.3).
    """
    delta = num_rows**-DELTA_EXPONENT if privacy.delta is None else privacy.delta
    if delta * num_rows >= 1:
        raise ConfigError(
            f"params.yaml: train.privacy.delta: {delta:g} is no protection of {num_rows} train rows; must be less than "
            f"1 / rows, {1 / max(num_rows, 1):.2g}; set null for rows ^ -{DELTA_EXPONENT}"
        )
    return delta


def privacy_conflict(settings: Mapping[str, Any], defaults: Mapping[str, Any]) -> str | None:
    """What is wrong with the other settings of `train` beside `privacy`, or None."""
    for name, reason in CLASHES.items():
        if name in settings and settings[name] != defaults[name]:
            return f"does not go with train.{name}: {settings[name]}, since {reason}; take one of them out"
    for name, reason in MEASURED.items():
        if settings.get(name) == "auto":
            return f"does not go with train.{name}: auto, since {reason}; set a number"
    return None


Positive = Annotated[float, Field(gt=0)]
Count = Annotated[int, Field(gt=0)]
Auto = Literal["auto"]


class EarlyStopping(Section):
    """Ends a training that no longer improves on the validation rows, or that has had its share of steps or time."""

    patience: Annotated[int, Field(ge=0)] = 5
    """Epochs without improvement before the end; 0 switches it off."""
    min_delta: Annotated[float, Field(ge=0)] = 0.0
    """The least fall of the validation loss that counts as an improvement."""
    max_steps: Annotated[int, Field(ge=0)] = 0
    """Optimizer steps, at most; the schedule ends with them. 0: as many as `max_epochs` has."""
    max_minutes: Annotated[float, Field(ge=0)] = 0.0
    """Minutes of training, at most, those before a kill among them; 0: any. The schedule goes by `max_epochs`."""


class TrainSettings(Section):
    """How a network is trained, as it is written: `auto` is decided when the training starts, in adaptive.py."""

    model: dict[str, Any] = {"name": "cnn"}
    """Name in MODELS (or `my_package.module:Thing`) and its options."""
    max_epochs: Count = 10
    """Passes over the train rows, at most."""
    batch_size: Count | Auto = 64
    """Rows per optimizer step, over all workers; the workers must divide it.

    auto: doubled while rows/s gain a tenth and an epoch keeps 32 steps. It is timed: machines may differ in it.
    """
    accumulate: Count = 1
    """Parts that a batch is worked through in, one after another, to save memory; its gradient stays the same.

    Batch norm goes by the rows of a part, and dropout draws anew in each.
    """
    gradient_checkpointing: bool = False
    """Whether blocks forget what is inside them, and compute it again for the gradient: less memory, more time."""
    sampling: Literal["shuffled", "balanced"] = "shuffled"
    """Each row once an epoch, or classes equally often: rows of rare ones come several times (classification)."""
    learning_rate: Positive | Auto = 1e-3
    """The highest learning rate of the schedule; auto: by a range test on train rows, see range_test.py."""
    optimizer: dict[str, Any] = {"name": "adam"}
    """Name in OPTIMIZERS, or `{name: sgd, momentum: 0.8}`: gd, sgd, adam, adamw, muon; their options: optimizers.py."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Per step: an L2 penalty (gd, sgd, adam), or decoupled decay (adamw, muon), which spares biases and norms."""
    l1: Annotated[float, Field(ge=0)] = 0.0
    """Penalty on the sum of the weights' sizes, which makes some of them 0; biases and norms are free of it."""
    schedule: dict[str, Any] = {"name": "one_cycle"}
    """Name in SCHEDULES, or `{name: step, epochs: 5}`: how the learning rate goes; its options: schedules.py."""
    ema: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Decay per step of a moving mean of the weights, which is then validated, kept and exported; 0: no mean.

    About 1 / (1 - ema) steps count. Running statistics of batch norm are averaged alike.
    """
    keep: Literal["best", "last"] = "best"
    """Whose weights are kept: those of the epoch of the lowest validation loss, or of the last one."""
    loss: Literal["auto", "cross_entropy", "focal", "bce", "mse", "mae", "huber"] = "auto"
    """Of classes: cross_entropy (auto), focal (Lin et al. 2017), or bce, for two classes by one output.

    Of several labels a row: bce (auto), or focal. Of values, on standardised targets: mse (auto), mae, or huber (1964).
    """
    focal_gamma: Annotated[float, Field(ge=0)] = 2.0
    """Of the loss focal: how much less rows count that are right already; 0 is cross_entropy."""
    class_weights: Literal["none", "balanced"] | dict[str, Positive] = "none"
    """How much the rows of each class count: balanced, the rarer the more; or weights by name, 1 where there is none.

    They are scaled so that their mean over the train rows is 1 (classification). Of several labels a row: how much
    more a label counts for rows that have it; balanced: as much in all as for those that have it not.
    """
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target's probability that is spread over all classes (classification)."""
    gradient_clip: Annotated[float, Field(ge=0)] = 0.0
    """Largest L2 norm of the gradient; 0 switches it off."""
    precision: Literal["32", "bf16", "auto"] = "32"
    """Arithmetic of the network: float32, or bfloat16 autocast (fast on CPUs with AVX-512 BF16 and on GPUs).

    auto: the quicker in a short measurement, so that figures may differ between machines.
    """
    memory_format: Literal["contiguous", "channels_last", "auto"] = "contiguous"
    """Where an image's channels lie in memory while training; channels_last suits many convolutions; auto: timed."""
    augmentation: list[dict[str, Any]] = []
    """Of images: albumentations' transforms, in order: `name` and its arguments. Drawn anew for each row and epoch."""
    mixup: Annotated[float, Field(ge=0)] = 0.0
    """Of images and tables: alpha of Beta(alpha, alpha), by which rows and targets are blended with others; 0: off.

    Zhang et al. (2018), 0.1 to 0.4. Figures of train rows are then those of mixed ones, so worse than they seem.
    """
    cutmix: Annotated[float, Field(ge=0)] = 0.0
    """Of images: alpha of Beta(alpha, alpha), the share of an image that no other is pasted on; 0: off.

    Yun et al. (2019), 1. With mixup too each step takes one of both at random.
    """
    token_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of text: share of the tokens that become the unknown one, other ones for each row and epoch."""
    feature_dropout: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Of tables: share of the cells that go missing, other ones for each row and epoch."""
    early_stopping: EarlyStopping = EarlyStopping()
    """When to end before `max_epochs`."""
    num_workers: Annotated[int, Field(ge=0)] | Literal["auto"] = "auto"
    """Workers of Ray Train; auto: one a GPU, or on CPUs two where there are two cores; 0: in the calling process.

    On CPUs of this machine auto is 0 for a training that is short, or of short steps: it ends sooner so (plan.py).
    """
    num_threads: Count | Auto | None = None
    """Threads a worker; null: the cores, shared out, or one where the network's operations are too small to share.

    That is counted, and the same at every run. auto: timed, which sees other work on the cores, too.
    """
    strategy: Literal["ddp", "fsdp"] = "ddp"
    """ddp: each worker holds the whole network; fsdp: a share of it, for networks too large for one worker's memory.

    The results are the same; fsdp sends more.
    """
    seed: Annotated[int, Field(ge=0, lt=2**32)] = 0
    """Of weights, order and augmentation."""
    privacy: Privacy | None = None
    """Differential privacy of the train rows, `{epsilon, delta, clip}`: see docs/privacy.md; null: none."""

    @field_validator("model")
    @classmethod
    def _model_is_known(cls, model: dict[str, Any]) -> dict[str, Any]:
        if "name" not in model:
            raise ValueError("model.name: missing; add the name of a model, such as 'cnn'")
        if ":" not in str(model["name"]):  # classes outside the tree are imported when they are trained
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
    def _transforms_have_names(cls, augmentation: list[dict[str, Any]]) -> list[dict[str, Any]]:
        nameless = [index for index, entry in enumerate(augmentation) if not isinstance(entry.get("name"), str)]
        if nameless:
            raise ValueError(
                f"augmentation.{nameless[0]}.name: missing; add one, such as {{name: Affine, rotate: [-10, 10]}}"
            )
        return augmentation

    @field_validator("strategy")
    @classmethod
    def _shares_need_workers(cls, strategy: str, info: ValidationInfo) -> str:
        if strategy == "fsdp" and info.data.get("num_workers") == 0:
            raise ValueError(
                "'fsdp' shares the network out over workers, and num_workers is 0; set num_workers: 2 or more, or ddp"
            )
        return strategy

    @field_validator("class_weights", mode="before")
    @classmethod
    def _weights_are_by_name(cls, weights: Any) -> Any:
        # before pydantic tries the types in turn, since it would tell of each what it is not
        if isinstance(weights, dict):
            wrong = next((w for w in weights.values() if isinstance(w, bool) or not isinstance(w, int | float)), None)
            wrong = next((w for w in weights.values() if wrong is None and not w > 0), wrong)
            if wrong is None:  # YAML takes the names of classes such as 3 and true for what they look like
                return {name if isinstance(name, str) else json.dumps(name): w for name, w in weights.items()}
        elif weights in ("none", "balanced"):
            return weights
        raise ValueError(f"got {weights!r}; must be none, balanced, or a number above 0 by class, such as {{cat: 2}}")

    @field_validator("privacy")
    @classmethod
    def _privacy_is_not_undone(cls, privacy: Privacy | None, info: ValidationInfo) -> Privacy | None:
        defaults = {name: field.default for name, field in cls.model_fields.items()}
        mistake = privacy_conflict(info.data, defaults) if privacy else None
        if mistake:
            raise ValueError(mistake)
        return privacy

    @field_validator("num_workers")
    @classmethod
    def _workers_divide_batch(cls, num_workers: int | str, info: ValidationInfo) -> int | str:
        batch_size = info.data.get("batch_size")  # None: it has a mistake of its own
        if not isinstance(num_workers, int) or not isinstance(batch_size, int):
            return num_workers
        if num_workers > 1 and batch_size % num_workers:
            raise ValueError(
                f"{num_workers} workers cannot share a batch_size of {batch_size} evenly; "
                f"make train.batch_size a multiple of {num_workers}"
            )
        return num_workers


class ResolvedTrainSettings(TrainSettings):
    """How a network is trained, every `auto` of the training itself decided."""

    batch_size: Count = 64
    learning_rate: Positive = 1e-3
    precision: Literal["32", "bf16"] = "32"
    memory_format: Literal["contiguous", "channels_last"] = "contiguous"
