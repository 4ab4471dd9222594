"""torchvision's layouts in plain PyTorch modules, to hold ``fastnn.models`` to."""

import torch
from torch import nn
from torch.nn import functional as F


class BasicBlock(nn.Module):
    expansion = 1

    def __init__(self, inplanes, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.downsample = downsample(inplanes, planes, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        side = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn2(self.conv2(y)) + side)


class Bottleneck(nn.Module):
    expansion = 4

    def __init__(self, inplanes, planes, stride):
        super().__init__()
        self.conv1 = nn.Conv2d(inplanes, planes, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.conv2 = nn.Conv2d(planes, planes, 3, stride, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(planes)
        self.conv3 = nn.Conv2d(planes, 4 * planes, 1, bias=False)
        self.bn3 = nn.BatchNorm2d(4 * planes)
        self.downsample = downsample(inplanes, 4 * planes, stride)

    def forward(self, x):
        y = F.relu(self.bn1(self.conv1(x)))
        y = F.relu(self.bn2(self.conv2(y)))
        side = x if self.downsample is None else self.downsample(x)
        return F.relu(self.bn3(self.conv3(y)) + side)


def downsample(inplanes, outplanes, stride):
    if stride == 1 and inplanes == outplanes:
        return None
    return nn.Sequential(
        nn.Conv2d(inplanes, outplanes, 1, stride, bias=False), nn.BatchNorm2d(outplanes)
    )


class ResNet(nn.Module):
    def __init__(self, block, counts, num_classes, widths=(64, 128, 256, 512), small=False):
        super().__init__()
        planes = widths[0]
        stem = (3, 1, 1) if small else (7, 2, 3)
        self.conv1 = nn.Conv2d(3, planes, *stem, bias=False)
        self.bn1 = nn.BatchNorm2d(planes)
        self.maxpool = nn.Identity() if small else nn.MaxPool2d(3, 2, 1)
        self.stages = []
        for stage, (width, count) in enumerate(zip(widths, counts, strict=True)):
            blocks = []
            for i in range(count):
                blocks.append(block(planes, width, 2 if stage and not i else 1))
                planes = width * block.expansion
            setattr(self, f"layer{stage + 1}", nn.Sequential(*blocks))
            self.stages.append(f"layer{stage + 1}")
        self.fc = nn.Linear(planes, num_classes)

    def forward(self, x):
        x = self.maxpool(F.relu(self.bn1(self.conv1(x))))
        for stage in self.stages:
            x = getattr(self, stage)(x)
        return self.fc(x.mean((2, 3)))


class VGG(nn.Module):
    def __init__(self, counts, num_classes, batch_norm, hidden, pool):
        super().__init__()
        layers, planes = [], 3
        for width, count in zip((64, 128, 256, 512, 512), counts, strict=True):
            for _ in range(count):
                layers.append(nn.Conv2d(planes, width, 3, padding=1))
                if batch_norm:
                    layers.append(nn.BatchNorm2d(width))
                layers.append(nn.ReLU())
                planes = width
            layers.append(nn.MaxPool2d(2, 2))
        self.features = nn.Sequential(*layers)
        self.avgpool = nn.AdaptiveAvgPool2d(pool)
        self.classifier = nn.Sequential(
            nn.Linear(planes * pool * pool, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, hidden),
            nn.ReLU(),
            nn.Dropout(),
            nn.Linear(hidden, num_classes),
        )

    def forward(self, x):
        return self.classifier(self.avgpool(self.features(x)).flatten(1))


def conv_bn_relu6(inplanes, planes, kernel, stride=1, groups=1):
    conv = nn.Conv2d(inplanes, planes, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(conv, nn.BatchNorm2d(planes), nn.ReLU6())


class InvertedResidual(nn.Module):
    def __init__(self, inplanes, planes, stride, ratio):
        super().__init__()
        hidden = inplanes * ratio
        self.add = stride == 1 and inplanes == planes
        layers = [] if ratio == 1 else [conv_bn_relu6(inplanes, hidden, 1)]
        layers += [conv_bn_relu6(hidden, hidden, 3, stride, hidden)]
        layers += [nn.Conv2d(hidden, planes, 1, bias=False), nn.BatchNorm2d(planes)]
        self.conv = nn.Sequential(*layers)

    def forward(self, x):
        return x + self.conv(x) if self.add else self.conv(x)


class MobileNetV2(nn.Module):
    def __init__(self, num_classes):
        super().__init__()
        layers, planes = [conv_bn_relu6(3, 32, 3, 2)], 32
        for ratio, width, count, stride in (
            (1, 16, 1, 1),
            (6, 24, 2, 2),
            (6, 32, 3, 2),
            (6, 64, 4, 2),
            (6, 96, 3, 1),
            (6, 160, 3, 2),
            (6, 320, 1, 1),
        ):
            for i in range(count):
                layers.append(InvertedResidual(planes, width, 1 if i else stride, ratio))
                planes = width
        self.features = nn.Sequential(*layers, conv_bn_relu6(planes, 1280, 1))
        self.classifier = nn.Sequential(nn.Dropout(0.2), nn.Linear(1280, num_classes))

    def forward(self, x):
        return self.classifier(self.features(x).mean((2, 3)))


def randomised(model, seed=0):
    """Weights of He et al., and BatchNorms that have all seen something."""
    generator = torch.Generator().manual_seed(seed)

    def draw(tensor, low, high):
        tensor.copy_(low + (high - low) * torch.rand(tensor.shape, generator=generator))

    with torch.no_grad():
        for module in model.modules():
            if isinstance(module, (nn.Conv2d, nn.Linear)):
                fan_in = module.weight[0].numel()
                noise = torch.randn(module.weight.shape, generator=generator)
                module.weight.copy_(noise * (2 / fan_in) ** 0.5)
                if module.bias is not None:
                    draw(module.bias, -0.1, 0.1)
            elif isinstance(module, nn.BatchNorm2d):
                draw(module.weight, 0.5, 1.0)
                draw(module.bias, -0.2, 0.2)
                draw(module.running_mean, -0.2, 0.2)
                draw(module.running_var, 0.8, 1.5)
                module.num_batches_tracked.fill_(7)
    return model.eval()
