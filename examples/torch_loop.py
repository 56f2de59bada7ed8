"""A PyTorch loop on real handwritten digits. Needs torch and scikit-learn.

`track` saves, copies and restores model and optimiser. `lr` and `weight_decay` are entries of the optimiser, so
they are set there after every restore, and read back; `dropout` is the loop's own to use.
"""

import functools
import sys

import torch
from sklearn.datasets import load_digits
from torch import nn

import populace


@functools.cache  # loaded once per worker process, warm for every member that it trains
def data():
    images, labels = load_digits(return_X_y=True)
    images, labels = torch.tensor(images, dtype=torch.float32) / 16, torch.tensor(labels)
    return images[:1200], labels[:1200], images[1200:], labels[1200:]


def train(member):
    torch.manual_seed(member.key.seed())
    images, labels, validation_images, validation_labels = data()
    dropout = nn.Dropout(member["dropout"])
    model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), dropout, nn.Linear(64, 10))
    opt = torch.optim.AdamW(model.parameters())
    member.track(model=model, opt=opt)
    for _ in member:
        dropout.p = member["dropout"]
        generator = torch.Generator().manual_seed(member.key.seed())
        model.train()
        for batch in torch.randperm(1200, generator=generator).split(50):
            opt.zero_grad()
            nn.functional.cross_entropy(model(images[batch]), labels[batch]).backward()
            opt.step()
        model.eval()
        with torch.no_grad():
            member.report((model(validation_images).argmax(1) == validation_labels).float().mean())


space = {
    "lr": populace.LogUniform(1e-4, 1e-1),
    "weight_decay": populace.LogUniform(1e-5, 1e-1),
    "dropout": populace.Uniform(0.0, 0.6),
}
steps = int(sys.argv[1]) if len(sys.argv) > 1 else 12
result = populace.tune(train, space, population=8, steps=steps, interval=2, seed=1)
print(f"best validation accuracy {result.best.score:.1%} with {result.best.hyperparameters}")

model = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(), nn.Linear(64, 10))
result.best.restore(model=model)
