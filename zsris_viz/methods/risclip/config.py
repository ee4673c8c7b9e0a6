"""Settings of RISCLIP's architecture, data and training, which are read from YAML and reject unknown keys."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from zsris_viz.errors import InvalidInputError, UnavailableError
from zsris_viz.io.yaml_files import read_yaml

Settings = TypeVar("Settings", bound="Strict")


class Strict(BaseModel):
    """Immutable settings that reject unknown keys."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(Strict):
    """Settings of the parts of a RISCLIP.

    The paper describes the parts and their order but not their sizes. The defaults here are the package's own choices.

    Attributes:
        input_size: Side of the image tower's input in pixels, rounded to whole patches; None for the tower's own. The
            published models use 480.
        cfe_layers: Layers of the image tower at which the towers exchange features, each counted as the number of
            blocks before it; None for `cfe_pairs` layers spread evenly over its second half. The layers of the text
            tower are the nearest ones at the same relative depth.
        cfe_pairs: Number of adapter pairs; 0 leaves CFE out.
        cfe_width: Number of channels of the adapters' bottleneck, a multiple of `cfe_heads`.
        cfe_heads: Number of heads of the adapters' cross-attention.
        patch_features: Output of the image tower's last block that is used: "tokens" for the block's output, "values"
            for its value path alone (MaskCLIP, ClearCLIP), which agrees with texts before any training.
        ske_layers: Number of blocks of the transformer in the joint space; 0 leaves SKE out.
        ske_width: Number of channels of these blocks, a multiple of 4 and of `ske_heads`.
        ske_heads: Number of attention heads of these blocks.
        ske_ratio: Width of their feed-forward part divided by `ske_width`.
        ske_match: Whether to add to each patch of SKE's input a projection of its channel-by-channel product with the
            sentence.
        decoder: "conv" for the convolutional decoder; "none" to enlarge the grounding map to the mask.
        decoder_width: Number of channels of the decoder.
        decoder_layers: Early layers of the image tower that the decoder reads, not after the first adapter; None for
            the embeddings and the layer halfway to the first adapter.
        cells: Number of cells along the side of a patch in the predicted mask.
        checkpoint_blocks: Whether the activations of blocks are recomputed in the backward pass instead of stored,
            which needs less memory and more time and gives the same results.
    """

    input_size: int | None = Field(None, ge=16)
    cfe_layers: tuple[int, ...] | None = None
    cfe_pairs: int = Field(3, ge=0)
    cfe_width: int = Field(64, ge=4)
    cfe_heads: int = Field(4, ge=1)
    patch_features: Literal["tokens", "values"] = "tokens"
    ske_layers: int = Field(2, ge=0)
    ske_width: int = Field(128, ge=4)
    ske_heads: int = Field(4, ge=1)
    ske_ratio: float = Field(2.0, gt=0)
    ske_match: bool = False
    decoder: Literal["conv", "none"] = "conv"
    decoder_width: int = Field(64, ge=4)
    decoder_layers: tuple[int, ...] | None = None
    cells: int = Field(8, ge=1)
    checkpoint_blocks: bool = False

    @model_validator(mode="after")
    def _whole_heads(self) -> Architecture:
        for name in ("cfe", "ske"):
            width, heads = getattr(self, f"{name}_width"), getattr(self, f"{name}_heads")
            if width % heads:
                raise ValueError(f"{name}_width={width} does not divide into {name}_heads={heads}")
        if self.ske_width % 4:
            raise ValueError(f"ske_width={self.ske_width} is no multiple of 4, which the places of patches need")
        return self


class Data(Strict):
    """Settings of the images for training or validation.

    Attributes:
        dataset: Name of the data set for `load_dataset`.
        split: Name of the split.
        limit: Number of images; None for all.
        data_root: Folder of the benchmark's files; None for the default folder.
        split_by: Splitting scheme of the data set; None for its default.
        options: The data set's own settings, for example {style: refcocog} for scenes.
        without_nouns: Classes whose objects have no expressions; the objects stay in the images.
        cache: Folder for the resized images and masks; None for no cache. The cache does not depend on any weights.
    """

    dataset: str = "scenes"
    split: str = "train"
    limit: int | None = Field(None, ge=1)
    data_root: str | None = None
    split_by: str | None = None
    options: dict[str, Any] = Field(default_factory=dict)
    without_nouns: tuple[str, ...] = ()
    cache: str | None = None


class Steps(Strict):
    """Number of optimizer steps of each stage; a stage with 0 steps is left out.

    The paper trains in two stages. Here the first stage trains CFE and SKE with the patch-text contrastive loss. The
    second stage trains the decoder alone with all other parts frozen, and then all parts together. `Steps(align=0,
    decode=0, joint=n)` is training in one stage.

    Attributes:
        align: Steps of the first stage.
        decode: Steps of the second stage with the decoder alone.
        joint: Steps of the second stage with all parts.
    """

    align: int = Field(2000, ge=0)
    decode: int = Field(300, ge=0)
    joint: int = Field(1500, ge=0)


class Training(Strict):
    """Settings of a whole training, as `zsris train risclip --config FILE` reads them.

    Attributes:
        clip: The frozen tower, a name for `load_clip`.
        device: Device for the training, for example "cpu" or "cuda"; None for the best one that is available.
        architecture: Settings of the parts of the model.
        data: Settings of the training images.
        validation: Settings of the validation images; None for no validation and no early stopping.
        steps: Number of steps of each stage.
        batch: Number of images in a batch of one process.
        expressions: Largest number of expressions of an image in a batch.
        accumulate: Number of batches whose gradients are added up before each step.
        rate: Peak learning rate.
        warmup: Share of each stage in which the learning rate rises, from 0 to less than 1.
        floor: Final learning rate of a stage as a share of the peak, 0-1.
        decay: Weight decay of AdamW.
        clip_norm: Largest norm of the gradient.
        contrast_weight: Weight of the patch-text contrastive loss in the joint stage.
        dice_weight: Weight of the Dice loss, which is added to the binary cross-entropy.
        validate_every: Number of steps between two validations.
        patience: Number of validations in a row without improvement after which a stage ends; None for no early
            stopping.
        precision: Mixed precision: "no" for float32, "bf16" or "fp16".
        workers: Number of additional processes that make batches.
        threads: Number of threads of torch on a CPU; None for torch's default.
        checkpoint_minutes: Time between two checkpoints in minutes.
        log_every: Number of steps between two rows of the log.
        seed: Seed of the initial weights, of the order of images and of the choice of expressions.
    """

    clip: str = "miniature"
    device: str | None = None
    architecture: Architecture = Architecture()
    data: Data = Data()
    validation: Data | None = Data(split="val", limit=100)
    steps: Steps = Steps()
    batch: int = Field(16, ge=1)
    expressions: int = Field(4, ge=1)
    accumulate: int = Field(1, ge=1)
    rate: float = Field(1e-3, gt=0)
    warmup: float = Field(0.05, ge=0, lt=1)
    floor: float = Field(0.02, ge=0, le=1)
    decay: float = Field(0.01, ge=0)
    clip_norm: float = Field(1.0, gt=0)
    contrast_weight: float = Field(0.5, ge=0)
    dice_weight: float = Field(1.0, ge=0)
    validate_every: int = Field(200, ge=1)
    patience: int | None = Field(None, ge=1)
    precision: Literal["no", "bf16", "fp16"] = "no"
    workers: int = Field(0, ge=0)
    threads: int | None = Field(None, ge=1)
    checkpoint_minutes: float = Field(2.0, ge=0)
    log_every: int = Field(20, ge=1)
    seed: int = 0


def checked(kind: type[Settings], values: Mapping[str, Any], source: str = "the settings") -> Settings:
    """Validate plain values as settings.

    Args:
        kind: Class of the settings.
        values: Names of settings and their values.
        source: Where the values come from, for the error message.

    Returns:
        The settings.

    Raises:
        InvalidInputError: A key is unknown or a value is not accepted; the message names each with what is accepted.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidInputError(
            f"{source}: {'; '.join(_description(kind, problem) for problem in error.errors())}."
        ) from error


def _description(kind: type[BaseModel], error: Any) -> str:
    """Describe one validation error: the setting, the value that was given and what is accepted."""
    place = ".".join(str(part) for part in error["loc"]) or "as a whole"
    if error["type"] == "extra_forbidden":
        known = _fields(kind, error["loc"][:-1])
        return f"{place} is no setting; {'.'.join(str(part) for part in error['loc'][:-1]) or 'a training'} has {known}"
    message = str(error["msg"]).removeprefix("Value error, ")
    value = f" ({error['input']!r} was given)" if error["loc"] else ""
    return f"{place}: {message[0].lower()}{message[1:]}{value}"


def _fields(kind: Any, path: tuple[Any, ...]) -> str:
    """Return the names of the settings of a nested group, separated by commas."""
    for part in path:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else kind
        options = [annotation, *getattr(annotation, "__args__", ())]
        kind = next((option for option in options if isinstance(option, type) and issubclass(option, BaseModel)), kind)
    return ", ".join(kind.model_fields)


def read_training(path: str | os.PathLike[str]) -> Training:
    """Read the settings of a training from a YAML file, with defaults for everything that it leaves out.

    Args:
        path: Path of the file.

    Returns:
        The settings.

    Raises:
        UnavailableError: The file does not exist.
        CorruptFileError: The file is not valid YAML.
        InvalidInputError: A key is unknown, or a value is not accepted.
    """
    file = Path(path)
    if not file.is_file():
        raise UnavailableError(f"there is no settings file {file}; write one: zsris train risclip --show-config")
    content = next(iter(read_yaml(file)), None)
    if content is None:
        content = {}
    if not isinstance(content, dict):
        raise InvalidInputError(f"{file} holds a {type(content).__name__}; a mapping of settings is needed, key: value")
    return checked(Training, content, str(file))
