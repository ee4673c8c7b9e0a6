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
        self._stem = nn.Sequential(*(_fused(folded, number) for number in (1, 2, 3)), folded.avgpool)
        stages = (folded.layer1, folded.layer2, folded.layer3, folded.layer4)
        self._stages = [nn.Sequential(*(FoldedBlock(block) for block in stage)) for stage in stages]

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


def _fused(module: Any, number: int) -> FusedConvolution:
    """Return the convolution conv1, conv2 or conv3 of a module with its ReLU, which may follow an addition."""
    return FusedConvolution(getattr(module, f"conv{number}"), relu=True)


class FoldedBlock(nn.Module):
    """A residual block whose last convolution, addition and ReLU are computed in one pass.

    Args:
        block: The block of open_clip, with its batch norms folded.
    """

    def __init__(self, block: Any) -> None:
        super().__init__()
        self.conv1, self.conv2, self.conv3 = (_fused(block, number) for number in (1, 2, 3))
        self.avgpool = block.avgpool
        self.downsample: nn.Module | None = None
        if block.downsample is not None:
            self.downsample = nn.Sequential(block.downsample[0], FusedConvolution(block.downsample[1], relu=False))

    def forward(self, maps: Tensor) -> Tensor:
        """Return the maps after the block: (B, C, h, w) becomes (B, C', h', w')."""
        identity = maps if self.downsample is None else self.downsample(maps)
        return self.conv3(self.avgpool(self.conv2(self.conv1(maps))), identity)
