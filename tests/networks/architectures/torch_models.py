"""The authors' architectures re-stated with PyTorch's own layers, of random weights."""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from torch import nn


class SFCN(nn.Module):
    """Peng's: pooling before the ReLU, a list of one, log-softmax."""

    def __init__(self, bins: int = 40) -> None:
        super().__init__()
        channels = (32, 64, 128, 256, 256, 64)
        self.feature_extractor = nn.Sequential()
        for i, width in enumerate(channels):
            before, edge = (channels[i - 1] if i else 1), (3 if i < 5 else 1)
            parts = [nn.Conv3d(before, width, edge, padding=edge // 2), nn.BatchNorm3d(width)]
            pooling = [nn.MaxPool3d(2, 2)] if i < 5 else []
            self.feature_extractor.add_module(f"conv_{i}", nn.Sequential(*parts, *pooling, nn.ReLU()))
        self.classifier = nn.Sequential()
        self.classifier.add_module("average_pool", nn.AdaptiveAvgPool3d(1))
        self.classifier.add_module("conv_6", nn.Conv3d(channels[-1], bins, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        scores = self.classifier(self.feature_extractor(x)).flatten(1)
        return torch.softmax(scores, 1) @ (42.5 + torch.arange(scores.shape[1], dtype=scores.dtype))


class DenseLayer(nn.Module):
    def __init__(self, channels: int) -> None:
        super().__init__()
        self.layers = nn.Sequential()
        self.layers.add_module("norm1", nn.BatchNorm3d(channels))
        self.layers.add_module("relu1", nn.ReLU())
        self.layers.add_module("conv1", nn.Conv3d(channels, 128, 1, bias=False))
        self.layers.add_module("norm2", nn.BatchNorm3d(128))
        self.layers.add_module("relu2", nn.ReLU())
        self.layers.add_module("conv2", nn.Conv3d(128, 32, 3, padding=1, bias=False))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([x, self.layers(x)], 1)


class DenseNet(nn.Module):
    """MONAI's."""

    def __init__(self, blocks: tuple[int, ...] = (6, 12, 24, 16)) -> None:
        super().__init__()
        own = self.features = nn.Sequential()
        own.add_module("conv0", nn.Conv3d(1, 64, 7, stride=2, padding=3, bias=False))
        own.add_module("norm0", nn.BatchNorm3d(64))
        own.add_module("relu0", nn.ReLU())
        own.add_module("pool0", nn.MaxPool3d(3, stride=2, padding=1))
        channels = 64
        for number, count in enumerate(blocks, start=1):
            block = nn.Sequential()
            for layer in range(1, count + 1):
                block.add_module(f"denselayer{layer}", DenseLayer(channels))
                channels += 32
            own.add_module(f"denseblock{number}", block)
            if number < len(blocks):
                turn = nn.Sequential()
                turn.add_module("norm", nn.BatchNorm3d(channels))
                turn.add_module("relu", nn.ReLU())
                turn.add_module("conv", nn.Conv3d(channels, channels // 2, 1, bias=False))
                turn.add_module("pool", nn.AvgPool3d(2, stride=2))
                own.add_module(f"transition{number}", turn)
                channels //= 2
        own.add_module("norm5", nn.BatchNorm3d(channels))
        self.class_layers = nn.Sequential()
        self.class_layers.add_module("relu", nn.ReLU())
        self.class_layers.add_module("pool", nn.AdaptiveAvgPool3d(1))
        self.class_layers.add_module("flatten", nn.Flatten(1))
        self.class_layers.add_module("out", nn.Linear(channels, 1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.class_layers(self.features(x))[:, 0]


class Bottleneck(nn.Module):
    def __init__(self, before: int, width: int, stride: int = 1) -> None:
        super().__init__()
        inside = width // 4
        self.bn1 = nn.BatchNorm3d(before)
        self.conv1 = nn.Conv3d(before, inside, 1, bias=False)
        self.bn2 = nn.BatchNorm3d(inside)
        self.conv2 = nn.Conv3d(inside, inside, 3, stride=stride, padding=1, bias=False)
        self.bn3 = nn.BatchNorm3d(inside)
        self.conv3 = nn.Conv3d(inside, width, 1, bias=False)
        self.conv4 = nn.Conv3d(before, width, 1, stride=stride, bias=False)
        self.turns = before != width or stride != 1

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        bent = nn.functional.leaky_relu
        first = bent(self.bn1(x))
        out = self.conv3(bent(self.bn3(self.conv2(bent(self.bn2(self.conv1(first)))))))
        return out + (self.conv4(first) if self.turns else x)


class _Features(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        widths, strides = (24, 48, 96, 192, 384, 384, 384), (1, 2, 2, 2, 1, 1)
        first = nn.Sequential(
            nn.Conv3d(1, 24, 7, stride=2, padding=3, bias=False), nn.BatchNorm3d(24), nn.ReLU()
        )
        blocks = [Bottleneck(widths[i], widths[i + 1], strides[i]) for i in range(6)]
        last = nn.Sequential(nn.BatchNorm3d(384), nn.ReLU(), nn.AvgPool3d(3, stride=1))
        self.features = nn.Sequential(first, nn.MaxPool3d(3, stride=2, padding=1), *blocks, last)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.features(x).flatten(1)


class Westman(nn.Module):
    """That of Dartora et al."""

    def __init__(self) -> None:
        super().__init__()
        self.features = _Features()
        self.fc1 = nn.Sequential(
            nn.Linear(384, 512), nn.ReLU(), nn.Linear(512, 512), nn.ReLU(), nn.Linear(512, 1)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.fc1(self.features(x))[:, 0]


def randomised(model: Any, seed: int) -> Any:
    """The model with normalisations that are not the identity, ready to predict."""
    torch.manual_seed(seed)
    for part in model.modules():
        if isinstance(part, nn.BatchNorm3d):
            nn.init.uniform_(part.weight, 0.5, 1.5)
            nn.init.normal_(part.bias, std=0.1)
            nn.init.normal_(part.running_mean, std=0.1)
            nn.init.uniform_(part.running_var, 0.5, 1.5)
    return model.eval()


def ages(model: Any, images: np.ndarray) -> np.ndarray:
    """In double precision, for images (n, d, h, w, 1)."""
    with torch.no_grad():
        return model.double()(torch.from_numpy(images[..., 0][:, None].astype(np.float64))).numpy()
