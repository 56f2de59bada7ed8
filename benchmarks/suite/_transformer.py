"""A small Transformer, several at once: the models of a population are one batch of matrix products.

Vaswani et al. 2017, arXiv 1706.03762, with normalisation before each block and learned positions; Adam with the paper's
moments. At this size a step of one model is mostly waiting for small products; forty together cost a third each.

Shapes: P models, B sentences, L tokens, D = 32 width, H = 2 heads, M = 64 in the middle.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, final

import torch
from torch.nn import functional

PAD, BEGIN, END = 0, 1, 2
WIDTH, HEADS, MIDDLE, LAYERS = 32, 2, 64, 2
_BETAS, _EPSILON = (0.9, 0.98), 1e-9

Weights = Mapping[str, torch.Tensor]
"""By name, of one model, or (P, ...) of several."""


@final
@dataclass(frozen=True, kw_only=True)
class Sizes:
    """How many words each language has, and how long its longest sentence is."""

    english_words: int
    french_words: int
    english_length: int
    french_length: int


class Shares(NamedTuple):
    """Shares of what is dropped, each (P,)."""

    attention: torch.Tensor
    relu: torch.Tensor
    layer: torch.Tensor


class _Dropout(NamedTuple):
    """Drops with a generator for each model, so that a model's numbers do not depend on who trains beside it."""

    randoms: Sequence[torch.Generator] = ()
    shares: Shares | None = None

    def __call__(self, x: torch.Tensor, kind: str) -> torch.Tensor:
        if self.shares is None:
            return x
        share = _along(getattr(self.shares, kind), x)
        drawn = torch.stack([torch.rand(x.shape[1:], generator=random) for random in self.randoms])
        return x * (drawn >= share) / (1.0 - share)


def shapes_of(sizes: Sizes) -> dict[str, tuple[int, ...]]:
    """Returns the shape of every weight of one model."""
    shapes: dict[str, tuple[int, ...]] = {}
    sides = (
        ("english", sizes.english_words, sizes.english_length, ("self", "middle")),
        ("french", sizes.french_words, sizes.french_length, ("self", "cross", "middle")),
    )
    for name, num_words, length, blocks in sides:
        shapes |= {f"{name}.embed": (num_words, WIDTH), f"{name}.place": (length, WIDTH)}
        for layer in range(LAYERS):
            for block in blocks:
                at = f"{name}.{layer}.{block}"
                shapes |= {f"{at}.scale": (WIDTH,), f"{at}.shift": (WIDTH,)}
                if block == "middle":
                    shapes |= {f"{at}.in": (WIDTH, MIDDLE), f"{at}.in_bias": (MIDDLE,)}
                    shapes |= {f"{at}.out": (MIDDLE, WIDTH), f"{at}.out_bias": (WIDTH,)}
                else:
                    shapes |= {f"{at}.{each}": (WIDTH, WIDTH) for each in ("query", "key", "value", "out")}
        shapes |= {f"{name}.scale": (WIDTH,), f"{name}.shift": (WIDTH,)}
    return {**shapes, "head": (WIDTH, sizes.french_words)}


def fresh(sizes: Sizes, random: torch.Generator) -> dict[str, torch.Tensor]:
    """Returns the first weights of one model."""
    weights = {}
    for name, shape in shapes_of(sizes).items():
        if len(shape) == 1:
            weights[name] = torch.ones(shape) if name.endswith("scale") else torch.zeros(shape)
        else:
            size = WIDTH if "embed" in name or "place" in name else shape[0]
            weights[name] = torch.randn(shape, generator=random) / math.sqrt(size)
    return weights


def slopes_of(
    weights: Weights,
    english: torch.Tensor,
    french: torch.Tensor,
    smoothing: torch.Tensor,
    shares: Shares,
    randoms: Sequence[torch.Generator],
) -> dict[str, torch.Tensor]:
    """Returns the gradient of each model's cross-entropy with smoothed labels.

    Args:
        weights: Each (P, ...).
        english: (P, B, L), padded.
        french: (P, B, L), with begin and end, padded.
        smoothing: (P,)
        shares: What is dropped.
        randoms: A generator for each model.
    """
    held = {name: each.detach().requires_grad_() for name, each in weights.items()}
    drop = _Dropout(randoms, shares)
    is_padding = (english == PAD)[:, :, None, None, :]
    logs = _decode(held, french[..., :-1], _encode(held, english, drop), is_padding, drop).log_softmax(-1)
    wanted = french[..., 1:]
    smooth = smoothing[:, None, None]
    right = logs.gather(-1, wanted[..., None])[..., 0]
    losses = -(1.0 - smooth) * right - smooth * logs.mean(-1)
    counts = wanted != PAD
    loss_P = (losses * counts).sum((1, 2)) / counts.sum((1, 2))
    # A model's loss depends on its own weights alone: the gradient of the sum has that of each.
    return dict(zip(held, torch.autograd.grad(loss_P.sum(), list(held.values())), strict=True))


@final
@dataclass(frozen=True, kw_only=True)
class Learners:
    """Models with their moments; `count` is how many updates each has had."""

    weights: Weights
    mean: Weights
    square: Weights
    count: tuple[int, ...]

    @classmethod
    def stack(cls, states: Sequence[Mapping[str, Any]]) -> Learners:
        """Returns the states of single models as one batch."""
        parts = {
            part: {name: torch.stack([state[part][name] for state in states]) for name in states[0][part]}
            for part in ("weights", "mean", "square")
        }
        return cls(**parts, count=tuple(state["count"] for state in states))

    def parts(self) -> list[dict[str, Any]]:
        """Returns the states of the single models, in memory of their own."""
        return [
            {
                part: {name: each[place].clone() for name, each in getattr(self, part).items()}
                for part in ("weights", "mean", "square")
            }
            | {"count": count}
            for place, count in enumerate(self.count)
        ]

    def after(self, slopes: Weights, rates: Sequence[float]) -> Learners:
        """Returns them after an update by Adam, each with its own rate."""
        one, two = _BETAS
        count = tuple(each + 1 for each in self.count)
        pace = torch.tensor([rate / (1 - one**n) for rate, n in zip(rates, count, strict=True)])
        due = torch.tensor([1 - two**n for n in count])
        with torch.no_grad():
            mean = {name: one * self.mean[name] + (1 - one) * slope for name, slope in slopes.items()}
            square = {name: two * self.square[name] + (1 - two) * slope * slope for name, slope in slopes.items()}
            weights = {
                name: each - _along(pace, each) * mean[name] / ((square[name] / _along(due, each)).sqrt() + _EPSILON)
                for name, each in self.weights.items()
            }
        return Learners(weights=weights, mean=mean, square=square, count=count)


def translated(weights: Weights, english: torch.Tensor, length: int) -> torch.Tensor:
    """Returns greedy translations (P, B, L) of the same sentences by each model, begin left out.

    What was said before is kept as keys and values of each layer, so that a word costs one step of the decoder.

    Args:
        weights: Each (P, ...).
        english: (B, L)
        length: Words at most.
    """
    calm, count = _Dropout(), len(weights["head"])
    with torch.no_grad():
        sentences = english.expand(count, *english.shape)
        is_padding = (sentences == PAD)[:, :, None, None, :]
        memory = _encode(weights, sentences, calm)
        crosses = [_keys(weights, f"french.{layer}.cross", memory) for layer in range(LAYERS)]
        held: list[tuple[torch.Tensor, torch.Tensor] | None] = [None] * LAYERS
        said = torch.full((count, len(english), 1), BEGIN)
        for step in range(length):
            x = _embedded(weights, "french", said[..., -1:], step)
            for layer in range(LAYERS):
                at = f"french.{layer}"
                seen = _norm(weights, f"{at}.self", x)
                now, before = _keys(weights, f"{at}.self", seen), held[layer]
                if before is not None:
                    now = (torch.cat([before[0], now[0]], 3), torch.cat([before[1], now[1]], 3))
                held[layer] = now
                x = x + _attend(weights, f"{at}.self", seen, now, None, calm)
                seen = _norm(weights, f"{at}.cross", x)
                x = x + _attend(weights, f"{at}.cross", seen, crosses[layer], is_padding, calm)
                x = x + _middle(weights, f"{at}.middle", x, calm)
            best = _product(_norm(weights, "french", x), weights["head"]).argmax(-1)
            said = torch.cat([said, best], -1)
            if bool((said == END).any(-1).all()):
                break
    return said[..., 1:]


def _encode(weights: Weights, english: torch.Tensor, drop: _Dropout) -> torch.Tensor:
    is_padding = (english == PAD)[:, :, None, None, :]
    x = _embedded(weights, "english", english, 0)
    for layer in range(LAYERS):
        at = f"english.{layer}"
        seen = _norm(weights, f"{at}.self", x)
        x = x + _attend(weights, f"{at}.self", seen, _keys(weights, f"{at}.self", seen), is_padding, drop)
        x = x + _middle(weights, f"{at}.middle", x, drop)
    return _norm(weights, "english", x)


def _decode(
    weights: Weights, french: torch.Tensor, memory: torch.Tensor, is_padding: torch.Tensor, drop: _Dropout
) -> torch.Tensor:
    length = french.shape[-1]
    is_later = torch.ones(length, length, dtype=torch.bool).triu(1)
    x = _embedded(weights, "french", french, 0)
    for layer in range(LAYERS):
        at = f"french.{layer}"
        seen = _norm(weights, f"{at}.self", x)
        x = x + _attend(weights, f"{at}.self", seen, _keys(weights, f"{at}.self", seen), is_later, drop)
        seen = _norm(weights, f"{at}.cross", x)
        x = x + _attend(weights, f"{at}.cross", seen, _keys(weights, f"{at}.cross", memory), is_padding, drop)
        x = x + _middle(weights, f"{at}.middle", x, drop)
    return _product(_norm(weights, "french", x), weights["head"])


def _embedded(weights: Weights, side: str, words: torch.Tensor, first: int) -> torch.Tensor:
    models = torch.arange(len(words))[:, None, None]
    return weights[f"{side}.embed"][models, words] + weights[f"{side}.place"][:, None, first : first + words.shape[-1]]


def _keys(weights: Weights, at: str, source: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Returns keys and values (P, B, H, L, D / H)."""
    return _heads(source, weights[f"{at}.key"]), _heads(source, weights[f"{at}.value"])


def _attend(
    weights: Weights,
    at: str,
    seen: torch.Tensor,
    told: tuple[torch.Tensor, torch.Tensor],
    is_hidden: torch.Tensor | None,
    drop: _Dropout,
) -> torch.Tensor:
    """Returns what a block of attention adds."""
    key, value = told
    scores = _heads(seen, weights[f"{at}.query"]) @ key.transpose(-1, -2) / math.sqrt(WIDTH / HEADS)
    if is_hidden is not None:
        scores = scores.masked_fill(is_hidden, -1e9)
    attention = drop(scores.softmax(-1), "attention")
    return drop(_product((attention @ value).transpose(2, 3).flatten(-2), weights[f"{at}.out"]), "layer")


def _middle(weights: Weights, at: str, x: torch.Tensor, drop: _Dropout) -> torch.Tensor:
    inner = _product(_norm(weights, at, x), weights[f"{at}.in"]) + weights[f"{at}.in_bias"][:, None, None]
    out = _product(drop(inner.relu(), "relu"), weights[f"{at}.out"]) + weights[f"{at}.out_bias"][:, None, None]
    return drop(out, "layer")


def _norm(weights: Weights, at: str, x: torch.Tensor) -> torch.Tensor:
    scale, shift = (weights[f"{at}.{name}"][:, None, None] for name in ("scale", "shift"))
    return functional.layer_norm(x, (WIDTH,)) * scale + shift


def _heads(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    return _product(x, weight).unflatten(-1, (HEADS, -1)).transpose(2, 3)


def _product(x: torch.Tensor, weight: torch.Tensor) -> torch.Tensor:
    """Returns each model's product, (P, B, L, D) with (P, D, E)."""
    return torch.bmm(x.flatten(1, 2), weight).unflatten(1, x.shape[1:3])


def _along(numbers: torch.Tensor, x: torch.Tensor) -> torch.Tensor:
    """Returns a number for each model, shaped to go with (P, ...)."""
    return numbers.view(-1, *[1] * (x.dim() - 1))
