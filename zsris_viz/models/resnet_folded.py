"""A ResNet prepared for inference, with batch norms folded into convolutions and weights in the channels-last layout.

The maps equal those of the original up to rounding and take less CPU time: see tests/benchmarks/bench_resnet.py.
"""

from __future__ import annotations

import copy
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.utils.fusion import fuse_conv_bn_eval

from zsris_viz.models.products import FusedConvolution


class FoldedResNet:
    """The stem and the stages of open_clip's `ModifiedResNet` in evaluation mode, without batch norms.

    It is not an `nn.Module`, because its tensors are derived from the model's weights and are not parameters of it.

    Args:
        visual: The tower, which is not modified; later changes of its weights have no effect here.
    """

    def __init__(self, visual: Any) -> None:
        folded = copy.deepcopy(visual, {id(visual.attnpool): None}).eval().requires_grad_(False)
        for module in list(folded.modules()):
            _fold(module)
        folded = folded.to(memory_format=torch.channels_last)
        for module in list(folded.modules()):
            _fuse(module)
        self._stem = folded.stem
        self._stages = (folded.layer1, folded.layer2, folded.layer3, folded.layer4)

    def maps(self, pixels: Tensor) -> list[Tensor]:
        """Return the maps of the stem and of the four stages, each (B, C, h, w), for pixels (B, 3, H, W)."""
        maps = [self._stem(pixels.contiguous(memory_format=torch.channels_last))]
        for stage in self._stages:
            maps.append(stage(maps[-1]))
        return maps


def _fold(module: nn.Module) -> None:
    """Fold the batch norms bn1, bn2, bn3 and downsample[2] into the convolutions before them."""
    for number in (1, 2, 3):
        norm = getattr(module, f"bn{number}", None)
        if isinstance(norm, nn.BatchNorm2d):
            setattr(module, f"conv{number}", fuse_conv_bn_eval(getattr(module, f"conv{number}"), norm))
            setattr(module, f"bn{number}", nn.Identity())
    down: Any = getattr(module, "downsample", None)
    if down is not None:
        down[1], down[2] = fuse_conv_bn_eval(down[1], down[2]), nn.Identity()


def _fuse(module: nn.Module) -> None:
    """Fuse the convolutions conv1, conv2, conv3 with the ReLUs act1, act2, act3 where nothing lies between."""
    residual = hasattr(module, "downsample")  # in a residual block the third ReLU follows the addition
    for number in (1, 2, 3):
        convolution, relu = getattr(module, f"conv{number}", None), getattr(module, f"act{number}", None)
        if isinstance(convolution, nn.Conv2d) and isinstance(relu, nn.ReLU):
            fused = not (residual and number == 3)
            setattr(module, f"conv{number}", FusedConvolution(convolution, relu=fused))
            if fused:
                setattr(module, f"act{number}", nn.Identity())
    down: Any = getattr(module, "downsample", None)
    if down is not None:
        down[1] = FusedConvolution(down[1], relu=False)
