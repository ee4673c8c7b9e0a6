"""The settings of a RISCLIP, its parts and its training: plain values, read from YAML; unknown keys are refused."""

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
    """Settings that do not change and take no key that they do not know."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Architecture(Strict):
    """The parts of a RISCLIP. The paper describes the parts and their order; we chose every size below.

    Attributes:
        input_size: Side of the image tower's input in pixels, rounded to whole patches; None for the tower's own. The
            published models have 480.
        cfe_layers: Layers of the image tower (after so many blocks) at which the towers exchange features; None for
            `cfe_pairs` layers spread evenly over its second half. The text tower's layers are the nearest of the same
            relative depth.
        cfe_pairs: Number of adapter pairs; 0 leaves CFE out.
        cfe_width: Width of the adapters' bottleneck.
        cfe_heads: Heads of its cross-attention.
        patch_features: What is taken from the image tower's last block: "tokens", its output; "values", its value path
            alone (MaskCLIP, ClearCLIP), which is aligned with texts before any training.
        ske_layers: Blocks of the transformer in the joint space; 0 leaves SKE out.
        ske_width: Width of these blocks.
        ske_heads: Heads of these blocks.
        ske_ratio: Width of their feed-forward part over `ske_width`.
        ske_match: Let patches also enter as their product with the sentence.
        decoder: "conv", or "none": the grounding map, enlarged, is the mask.
        decoder_width: Channels of the decoder.
        decoder_layers: Early layers of the image tower that the decoder reads, before the first adapter; None for the
            embeddings and the layer halfway to the first adapter.
        cells: Number of cells along a side of a patch that the decoder distinguishes.
        checkpoint_blocks: Run blocks again in the backward pass instead of keeping what is inside them: a third slower,
            a fraction of the memory; the results are the same.
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
    """The images that are trained on, or validated with.

    Attributes:
        dataset: Name for `load_dataset`.
        split: Name of the split.
        limit: Number of images; None for all.
        data_root: Folder of the benchmark's files.
        split_by: Splitting scheme.
        options: The dataset's own settings, e.g. {style: refcocog} for scenes.
        without_nouns: Classes whose objects no expression refers to; they stay in the images.
        cache: Folder for the resized images and masks, or None. It depends on no weights.
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
    """How long each stage lasts, in optimizer steps; a stage of 0 is left out.

    The paper trains in two stages. Here the first trains CFE and SKE with the patch-text contrastive loss; the second
    trains the decoder with all else frozen, then everything together. `Steps(align=0, decode=0, joint=n)` is one-stage
    training.

    Attributes:
        align: Steps of the first stage.
        decode: Steps of the second stage with the decoder alone.
        joint: Steps of the second stage with all parts.
    """

    align: int = Field(2000, ge=0)
    decode: int = Field(300, ge=0)
    joint: int = Field(1500, ge=0)


class Training(Strict):
    """A whole training, as `zsris train risclip --config FILE` reads it.

    Attributes:
        clip: the frozen tower, a name for `load_clip`. device: "cpu", "cuda", ...; None for what there is.
        architecture, data, validation, steps: see their classes; validation None: no validation, no early stopping.
        batch: images in a step of one process. expressions: of an image in a step, at most. accumulate: batches whose
            gradients are added up before a step.
        rate: peak learning rate. warmup: share of each stage in which it rises. floor: its end, as a share of the peak.
        decay: weight decay. clip_norm: largest norm of the gradient.
        contrast_weight: of the patch-text contrastive loss in the joint stage. dice_weight: of dice beside BCE.
        validate_every: steps. patience: validations without a better one after which a stage ends early; None: never.
        precision: "no" (fp32), "bf16" or "fp16". workers: processes that prepare batches. threads: of torch on a CPU;
            None for torch's own.
        checkpoint_minutes: between two checkpoints. log_every: steps. seed: of everything that is drawn.
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
    """Settings from plain values.

    Raises:
        InvalidInputError: an unknown key or a value that does not fit, each named with what is accepted.
    """
    try:
        return kind.model_validate(values)
    except ValidationError as error:
        raise InvalidInputError(f"{source}: {'; '.join(_said(kind, one) for one in error.errors())}.") from error


def _said(kind: type[BaseModel], error: Any) -> str:
    """One fault in words: where it is, what was given, what is accepted."""
    place = ".".join(str(part) for part in error["loc"]) or "as a whole"
    if error["type"] == "extra_forbidden":
        known = _fields(kind, error["loc"][:-1])
        return f"{place} is no setting; {'.'.join(str(part) for part in error['loc'][:-1]) or 'a training'} has {known}"
    message = str(error["msg"]).removeprefix("Value error, ")
    given = f" ({error['input']!r} was given)" if error["loc"] else ""
    return f"{place}: {message[0].lower()}{message[1:]}{given}"


def _fields(kind: Any, path: tuple[Any, ...]) -> str:
    """Names of the settings of a nested group."""
    for part in path:
        annotation = kind.model_fields[part].annotation if part in kind.model_fields else kind
        options = [annotation, *getattr(annotation, "__args__", ())]
        kind = next((one for one in options if isinstance(one, type) and issubclass(one, BaseModel)), kind)
    return ", ".join(kind.model_fields)


def read_training(path: str | os.PathLike[str]) -> Training:
    """A training's settings from a YAML file; what it leaves out has its default.

    Raises:
        UnavailableError: There is no such file.
        CorruptFileError: The file is no YAML.
        InvalidInputError: A key is unknown, or a value does not fit.
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
