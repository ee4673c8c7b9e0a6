"""The interface of every image-text model: it embeds images and texts, which can then be compared."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, ClassVar, Literal

import torch
import torch.nn.functional as F
from PIL import Image
from torch import Tensor

from zsris_viz.errors import InvalidInputError, InvalidTypeError
from zsris_viz.models.blocks import autograd_mode
from zsris_viz.models.preprocessing import Preprocess
from zsris_viz.models.text_tokens import TextTokens
from zsris_viz.models.trace import ClipCounter

Images = Tensor | Image.Image | Sequence[Image.Image]
Texts = str | Sequence[str] | TextTokens
Kind = Literal["vit", "rn", "siglip", "blip", "open_clip"]


class ImageTextModel(ABC):
    """A frozen model that embeds images and texts in one space, where they can be compared.

    `zsris_viz.models.load_clip` creates instances. Calls run in inference mode and return fp32 features; `grad=True`
    runs them under autograd instead, for gradients with respect to their inputs.

    A model whose layers are accessible is a `LayeredModel`; test for that with `isinstance`.

    Attributes:
        kind: The architecture: "vit", "rn", "siglip", "blip" or "open_clip" (embeddings only).
        name: The name under which the model was loaded.
        device: Device of the weights.
        dtype: Number format of the weights, as requested.
        compute_dtype: Number format in which the towers compute, and that of traces. It is `dtype`; on a CPU without
            arithmetic for a 16-bit `dtype` it is fp32.
        embed_dim: D, the length of an image feature.
        image_size: S, side of the input in pixels.
        preprocess: Conversion of a PIL image to the normalised input of the image tower.
        tokenizer: The model's own tokenizer.
        activation: Name of the activation function in the transformer blocks, for example "quick_gelu".
        calls: Counts of the images and texts that were encoded.
    """

    kind: ClassVar[Kind]
    tokenizer: Callable[..., Any]

    def __init__(
        self,
        *,
        name: str,
        embed_dim: int,
        image_size: int,
        preprocess: Preprocess,
        activation: str,
        device: torch.device,
        dtype: torch.dtype,
        compute_dtype: torch.dtype | None = None,
    ) -> None:
        self.name = name
        self.embed_dim = embed_dim
        self.image_size = image_size
        self.preprocess = preprocess
        self.activation = activation
        self.device = device
        self.dtype = dtype
        self.compute_dtype = compute_dtype or dtype
        self.calls = ClipCounter()

    def pixels(self, images: Images) -> Tensor:
        """Return images as the input of the image tower.

        Args:
            images: PIL image or images, which `preprocess` turns into (B, 3, S, S); or a tensor (B, 3, H, W) or
                (3, H, W), which is passed through.

        Returns:
            (B, 3, H, W) floats, normalised.

        Raises:
            InvalidTypeError: If `images` is neither a floating-point tensor nor PIL images.
            InvalidInputError: If the tensor has another shape, or the list is empty.
        """
        if isinstance(images, Tensor):
            if not images.is_floating_point():
                raise InvalidTypeError(
                    f"pixels must be normalised floats, {images.dtype} was given; pass the PIL image, or "
                    "clip.preprocess.image(image)."
                )
            batch = images.unsqueeze(0) if images.ndim == 3 else images
            if batch.ndim != 4 or batch.shape[1] != 3:
                raise InvalidInputError(f"pixels must be (B, 3, H, W) or (3, H, W); {tuple(images.shape)} was given.")
            return batch
        if isinstance(images, Image.Image):
            images = [images]
        if not isinstance(images, Sequence) or isinstance(images, str):
            raise InvalidTypeError(
                f"images must be a tensor, a PIL image or a list of them; {type(images).__name__} was given."
            )
        if not images:
            raise InvalidInputError("an empty list of images was given; give at least one PIL image.")
        return torch.stack([self.preprocess.image(image) for image in images])

    def embed_images(self, images: Images, *, batch_size: int = 64, crops: bool = False, grad: bool = False) -> Tensor:
        """Return image features in the joint space, not normalised.

        Args:
            images: PIL image or images, or normalised pixels (B, 3, H, W).
            batch_size: Number of images that are encoded at once.
            crops: Whether the images are crops; only the count in `calls` depends on it.
            grad: Whether to run under autograd.

        Returns:
            (B, D) fp32.

        Raises:
            InvalidInputError: If `pixels` refuses the images, or the batch size is below 1.
            InvalidTypeError: If `images` is neither a floating-point tensor nor PIL images.
        """
        pixels = self.pixels(images)
        if crops:
            self.calls.crops += len(pixels)
        else:
            self.calls.images += len(pixels)
        with autograd_mode(grad):
            parts = [self._encode_images(self._to_tower(chunk)) for chunk in pixels.split(check_batch_size(batch_size))]
            return torch.cat(parts) if len(pixels) else torch.zeros(0, self.embed_dim, device=self.device)

    @abstractmethod
    def _encode_images(self, pixels: Tensor) -> Tensor:
        """Return the features (B, D) in fp32 of pixels that are on the device and in `compute_dtype`."""

    @abstractmethod
    def embed_texts(
        self, texts: Texts, *, batch_size: int = 256, allow_empty: bool = False, grad: bool = False
    ) -> Tensor:
        """Return text features in the joint space, not normalised.

        Args:
            texts: A text or a list of texts; a `LayeredModel` also accepts its own tokens.
            batch_size: Number of texts that are encoded at once.
            allow_empty: Whether a text without any token is accepted.
            grad: Whether to run under autograd.

        Returns:
            (B, D) fp32, in the order of the texts.

        Raises:
            InvalidInputError: If a text is empty and `allow_empty` is false.
            InvalidTypeError: If `texts` holds anything but texts.
        """

    def similarity(self, images: Tensor, texts: Tensor) -> Tensor:
        """Return the cosines of image features and text features.

        Args:
            images: (B, D), from `embed_images`.
            texts: (T, D), from `embed_texts`.

        Returns:
            (B, T) fp32, between -1 and 1.
        """
        return F.normalize(images, dim=-1) @ F.normalize(texts, dim=-1).T

    def _to_tower(self, tensor: Tensor) -> Tensor:
        return tensor.to(device=self.device, dtype=self.compute_dtype)


def check_batch_size(batch_size: int) -> int:
    """Return `batch_size`; raise InvalidInputError unless it is at least 1."""
    if batch_size < 1:
        raise InvalidInputError(f"batch_size must be at least 1; {batch_size} was given.")
    return batch_size
