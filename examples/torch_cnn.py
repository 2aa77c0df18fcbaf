"""A small convolutional network in PyTorch, trained on NPZ images of a DLIO configuration.

usage: python examples/torch_cnn.py [CONFIG]        without CONFIG: a small data set is generated
"""

import sys

import torch
from example_data import small_config

from dl_driver import PyTorchDataLoader

config = sys.argv[1] if len(sys.argv) > 1 else small_config("npz")
model = torch.nn.Sequential(
    torch.nn.Conv2d(1, 8, 3, stride=2), torch.nn.ReLU(), torch.nn.AdaptiveAvgPool2d(4), torch.nn.Flatten(), torch.nn.Linear(128, 2)
)
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)

with PyTorchDataLoader(config, output="results/torch_cnn") as loader:
    for epoch in range(2):
        for step, (data, target) in enumerate(loader, 1):
            images = data.unsqueeze(1).float() / 255  # [batch, height, width] of uint8, which shares memory with the engine
            loss = torch.nn.functional.cross_entropy(model(images), target % 2)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        print(f"epoch {epoch + 1}: {step} steps, loss {loss.item():.4f}")
# results/torch_cnn/result.json now compares with an emulated run: dl-driver compare
