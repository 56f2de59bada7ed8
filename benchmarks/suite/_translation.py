"""Numbers written out, from English to French: a small Transformer that first must learn fast and then not overfit.

300 training pairs of numbers below a million (num2words), 100 rank, 400 are held out, all fixed; words are tokens, and
hyphens part them. Two layers of encoder and two of decoder (Vaswani et al. 2017, arXiv 1706.03762; normalisation before
each block, learned positions), width 32, 2 heads, 64 in the middle, batches of 16, Adam, 500 steps. Tuned: the rate,
dropout of attention, of the middle and of each block's output, label smoothing. Score and test are BLEU (sacrebleu) of
greedy translations; 100 is perfect. After the task of Jaderberg et al. 2017, section 4.2, made small.

Shapes: B sentences, L tokens, D = 32 width, H = 2 heads.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from functools import cache
from typing import Any, NamedTuple, final

import numpy as np

from benchmarks.suite._task import Task
from populace.space import Key, LogUniform
from populace.worker import Trainable

_PAD, _BEGIN, _END = 0, 1, 2
_COUNTS = (300, 100, 400)
_WIDTH, _HEADS, _MIDDLE, _LAYERS, _BATCH = 32, 2, 64, 2, 16
_DROPOUTS = ("attention_dropout", "relu_dropout", "layer_dropout")


class Part(NamedTuple):
    """Sentence pairs."""

    english: Any
    """(B, L), padded"""
    french: Any
    """(B, L), with begin and end, padded"""
    references: list[str]
    """What is to be said."""


class Corpus(NamedTuple):
    """All pairs, and the words."""

    parts: tuple[Part, ...]
    words: tuple[list[str], list[str]]


@cache
def corpus() -> Corpus:
    """Returns the training, ranking and held-out pairs."""
    import torch
    from num2words import num2words

    numbers = np.random.default_rng(0).choice(1_000_000, sum(_COUNTS), replace=False)
    pairs = [[_tokens(num2words(int(n), lang=lang)) for n in numbers] for lang in ("en", "fr")]
    words = [["<pad>", "<begin>", "<end>", *sorted({w for s in side for w in s})] for side in pairs]
    index = [{word: i for i, word in enumerate(each)} for each in words]
    longest = [max(map(len, side)) for side in pairs]
    english = np.full((len(numbers), longest[0]), _PAD)
    french = np.full((len(numbers), longest[1] + 2), _PAD)
    for row, (source, target) in enumerate(zip(*pairs, strict=True)):
        english[row, : len(source)] = [index[0][word] for word in source]
        french[row, : len(target) + 2] = [_BEGIN, *(index[1][word] for word in target), _END]
    cuts = np.cumsum(_COUNTS)[:-1]
    parts = zip(np.split(english, cuts), np.split(french, cuts), np.split(np.arange(len(numbers)), cuts), strict=True)
    return Corpus(
        parts=tuple(
            Part(torch.from_numpy(e), torch.from_numpy(f), [" ".join(pairs[1][i]) for i in rows])
            for e, f, rows in parts
        ),
        words=(words[0], words[1]),
    )


def _tokens(text: str) -> list[str]:
    return text.replace("-", " ").replace(",", "").split()


@final
class Translation(Trainable):
    """One step is an update by a batch of 16."""

    def init(self, key: Key, hp: Mapping[str, Any]) -> Any:
        import torch

        random = torch.Generator().manual_seed(key.seed())
        weights = {}
        for name, shape in _shapes().items():
            if len(shape) == 1:
                weights[name] = torch.ones(shape) if name.endswith("scale") else torch.zeros(shape)
            else:
                size = _WIDTH if "embed" in name or "place" in name else shape[0]
                weights[name] = torch.randn(shape, generator=random) / math.sqrt(size)
        zeros = {name: torch.zeros_like(each) for name, each in weights.items()}
        return {"weights": weights, "mean": zeros, "square": zeros, "count": 0}

    def step(self, key: Key, state: Any, hp: Mapping[str, Any]) -> Any:
        import torch
        from torch.nn import functional

        random = torch.Generator().manual_seed(key.seed())
        train = corpus().parts[0]
        rows = torch.randint(len(train.references), (_BATCH,), generator=random)
        english, french = train.english[rows], train.french[rows]
        weights = {name: each.detach().requires_grad_() for name, each in state["weights"].items()}
        drop = _Dropout(random, *(float(hp[name]) for name in _DROPOUTS))
        logits = _decode(weights, french[:, :-1], _encode(weights, english, drop), english == _PAD, drop)
        loss = functional.cross_entropy(
            logits.flatten(0, 1),
            french[:, 1:].flatten(),
            ignore_index=_PAD,
            label_smoothing=float(hp["label_smoothing"]),
        )
        slopes = torch.autograd.grad(loss, list(weights.values()))
        return _adam(state, dict(zip(weights, slopes, strict=True)), float(hp["learning_rate"]))

    def evaluate(self, key: Key, state: Any) -> float:
        return _bleu(state["weights"], corpus().parts[1])

    def test(self, key: Key, state: Any) -> float:
        return _bleu(state["weights"], corpus().parts[2])


class _Dropout(NamedTuple):
    random: Any
    attention: float = 0.0
    relu: float = 0.0
    layer: float = 0.0

    def __call__(self, x: Any, share: float) -> Any:
        import torch

        if self.random is None:
            return x
        return x * (torch.rand(x.shape, generator=self.random) >= share) / (1.0 - share)


def _shapes() -> dict[str, tuple[int, ...]]:
    words, parts = corpus().words, corpus().parts
    shapes: dict[str, tuple[int, ...]] = {}
    for side, name in enumerate(("english", "french")):
        shapes[f"{name}.embed"] = (len(words[side]), _WIDTH)
        shapes[f"{name}.place"] = ((parts[0].english, parts[0].french)[side].shape[1], _WIDTH)
        blocks = ("self", "cross", "middle") if name == "french" else ("self", "middle")
        for layer in range(_LAYERS):
            for block in blocks:
                at = f"{name}.{layer}.{block}"
                shapes |= {f"{at}.scale": (_WIDTH,), f"{at}.shift": (_WIDTH,)}
                if block == "middle":
                    shapes |= {f"{at}.in": (_WIDTH, _MIDDLE), f"{at}.in_bias": (_MIDDLE,)}
                    shapes |= {f"{at}.out": (_MIDDLE, _WIDTH), f"{at}.out_bias": (_WIDTH,)}
                else:
                    shapes |= {f"{at}.{each}": (_WIDTH, _WIDTH) for each in ("query", "key", "value", "out")}
        shapes |= {f"{name}.scale": (_WIDTH,), f"{name}.shift": (_WIDTH,)}
    return {**shapes, "head": (_WIDTH, len(words[1]))}


def _encode(weights: Mapping[str, Any], english: Any, drop: _Dropout) -> Any:
    is_hidden = (english == _PAD)[:, None, None, :]
    x = weights["english.embed"][english] + weights["english.place"]
    for layer in range(_LAYERS):
        x = x + _attend(weights, f"english.{layer}.self", x, None, is_hidden, drop)
        x = x + _middle(weights, f"english.{layer}.middle", x, drop)
    return _norm(weights, "english", x)


def _decode(weights: Mapping[str, Any], french: Any, memory: Any, is_padding: Any, drop: _Dropout) -> Any:
    import torch

    length = french.shape[1]
    is_later = torch.ones(length, length, dtype=torch.bool).triu(1)
    x = weights["french.embed"][french] + weights["french.place"][:length]
    for layer in range(_LAYERS):
        x = x + _attend(weights, f"french.{layer}.self", x, None, is_later, drop)
        x = x + _attend(weights, f"french.{layer}.cross", x, memory, is_padding[:, None, None, :], drop)
        x = x + _middle(weights, f"french.{layer}.middle", x, drop)
    return _norm(weights, "french", x) @ weights["head"]


def _attend(weights: Mapping[str, Any], at: str, x: Any, memory: Any, is_hidden: Any, drop: _Dropout) -> Any:
    """Returns what a block of attention adds; `memory` None: to itself."""
    seen = _norm(weights, at, x)
    source = seen if memory is None else memory

    def heads(values: Any, name: str) -> Any:
        return (values @ weights[f"{at}.{name}"]).unflatten(-1, (_HEADS, -1)).transpose(1, 2)

    query, key, value = heads(seen, "query"), heads(source, "key"), heads(source, "value")
    scores = query @ key.transpose(-1, -2) / math.sqrt(_WIDTH / _HEADS)
    attention = drop(scores.masked_fill(is_hidden, -1e9).softmax(-1), drop.attention)
    return drop((attention @ value).transpose(1, 2).flatten(-2) @ weights[f"{at}.out"], drop.layer)


def _middle(weights: Mapping[str, Any], at: str, x: Any, drop: _Dropout) -> Any:
    inner = (_norm(weights, at, x) @ weights[f"{at}.in"] + weights[f"{at}.in_bias"]).relu()
    return drop(drop(inner, drop.relu) @ weights[f"{at}.out"] + weights[f"{at}.out_bias"], drop.layer)


def _norm(weights: Mapping[str, Any], at: str, x: Any) -> Any:
    from torch.nn import functional

    return functional.layer_norm(x, (_WIDTH,), weights[f"{at}.scale"], weights[f"{at}.shift"])


def _adam(state: Any, slopes: Mapping[str, Any], rate: float, betas: tuple[float, float] = (0.9, 0.98)) -> Any:
    import torch

    one, two = betas
    count = state["count"] + 1
    with torch.no_grad():
        mean = {n: one * state["mean"][n] + (1 - one) * g for n, g in slopes.items()}
        square = {n: two * state["square"][n] + (1 - two) * g * g for n, g in slopes.items()}
        weights = {
            n: w - rate / (1 - one**count) * mean[n] / ((square[n] / (1 - two**count)).sqrt() + 1e-9)
            for n, w in state["weights"].items()
        }
    return {"weights": weights, "mean": mean, "square": square, "count": count}


def translate(weights: Mapping[str, Any], english: Any) -> list[str]:
    """Returns greedy translations."""
    import torch

    words, longest = corpus().words[1], corpus().parts[0].french.shape[1]
    calm = _Dropout(None)
    with torch.no_grad():
        memory = _encode(weights, english, calm)
        said = torch.full((len(english), 1), _BEGIN)
        for _ in range(longest - 1):
            logits = _decode(weights, said, memory, english == _PAD, calm)
            said = torch.cat([said, logits[:, -1:].argmax(-1)], 1)
    lines = []
    for row in said[:, 1:].tolist():
        end = row.index(_END) if _END in row else len(row)
        lines.append(" ".join(words[i] for i in row[:end]))
    return lines


def _bleu(weights: Mapping[str, Any], part: Part) -> float:
    import torch
    from sacrebleu import corpus_bleu

    if not all(bool(torch.isfinite(each).all()) for each in weights.values()):
        return math.nan
    said = translate(weights, part.english)
    # Words are what we say they are: no tokenisation of sacrebleu's.
    return float(corpus_bleu(said, [part.references], tokenize="none", force=True).score)


def translation() -> Task:
    task = Translation()
    return Task(
        name="translation",
        trainable=task,
        space={
            "learning_rate": LogUniform(1e-4, 1e-1),
            **{name: LogUniform(1e-3, 0.5) for name in _DROPOUTS},
            "label_smoothing": LogUniform(1e-3, 0.4),
        },
        steps_per_tick=5,
        test=task.test,
        source="num2words, English to French; at most 100",
        num_seeds=8,
        seeds_at_once=1,
    )
