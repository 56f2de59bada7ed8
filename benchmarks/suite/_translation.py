"""Numbers written out, from English to French: a small Transformer that first must learn fast and then not overfit.

300 training pairs of numbers below a million (num2words), 100 rank, 400 are held out, all fixed; words are tokens, and
hyphens part them. Two layers of encoder and two of decoder (Vaswani et al. 2017, arXiv 1706.03762; normalisation before
each block, learned positions), width 32, 2 heads, 64 in the middle, batches of 16, Adam, 500 steps. Tuned: the rate,
dropout of attention, of the middle and of each block's output, label smoothing. Score and test are BLEU (sacrebleu) of
greedy translations; 100 is perfect. After the task of Jaderberg et al. 2017, section 4.2, made small.

Models of a population train as one batch (`_transformer`); shapes: B sentences, L tokens.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any, NamedTuple, final

import numpy as np

from benchmarks.suite._task import Herd, Task
from populace.space import Hyperparameters, Key, LogUniform

_COUNTS = (300, 100, 400)
_BATCH = 16
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

    from benchmarks.suite._transformer import BEGIN, END, PAD

    numbers = np.random.default_rng(0).choice(1_000_000, sum(_COUNTS), replace=False)
    pairs = [[_tokens(num2words(int(n), lang=lang)) for n in numbers] for lang in ("en", "fr")]
    words = [["<pad>", "<begin>", "<end>", *sorted({w for s in side for w in s})] for side in pairs]
    index = [{word: i for i, word in enumerate(each)} for each in words]
    longest = [max(map(len, side)) for side in pairs]
    english = np.full((len(numbers), longest[0]), PAD)
    french = np.full((len(numbers), longest[1] + 2), PAD)
    for row, (source, target) in enumerate(zip(*pairs, strict=True)):
        english[row, : len(source)] = [index[0][word] for word in source]
        french[row, : len(target) + 2] = [BEGIN, *(index[1][word] for word in target), END]
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
class Translation(Herd):
    """One step is an update by a batch of 16."""

    def init(self, key: Key, hp: Mapping[str, Any]) -> Any:
        import torch

        from benchmarks.suite._transformer import fresh

        weights = fresh(_sizes(), torch.Generator().manual_seed(key.seed()))
        zeros = {name: torch.zeros_like(each) for name, each in weights.items()}
        return {"weights": weights, "mean": zeros, "square": zeros, "count": 0}

    def step(self, key: Key, state: Any, hp: Mapping[str, Any]) -> Any:
        return self.steps([[key]], [state], [hp])[0]

    def steps(
        self, keys: Sequence[Sequence[Key]], states: Sequence[Any], hyperparameters: Sequence[Hyperparameters]
    ) -> list[Any]:
        import torch

        from benchmarks.suite._transformer import Learners, Shares, slopes_of

        def told(name: str) -> Any:
            return torch.tensor([float(hp[name]) for hp in hyperparameters])

        train, shares, smoothing = corpus().parts[0], Shares(*map(told, _DROPOUTS)), told("label_smoothing")
        rates = [float(hp["learning_rate"]) for hp in hyperparameters]
        learners = Learners.stack(states)
        for row in keys:
            randoms = [torch.Generator().manual_seed(key.seed()) for key in row]
            count = len(train.references)
            rows = torch.stack([torch.randint(count, (_BATCH,), generator=random) for random in randoms])
            slopes = slopes_of(learners.weights, train.english[rows], train.french[rows], smoothing, shares, randoms)
            learners = learners.after(slopes, rates)
        return learners.parts()

    def evaluate(self, key: Key, state: Any) -> float:
        return self.scores([key], [state])[0]

    def scores(self, keys: Sequence[Key], states: Sequence[Any]) -> list[float]:
        return _bleus(states, corpus().parts[1])

    def test(self, key: Key, state: Any) -> float:
        return _bleus([state], corpus().parts[2])[0]


def _sizes() -> Any:
    from benchmarks.suite._transformer import Sizes

    words, train = corpus().words, corpus().parts[0]
    return Sizes(
        english_words=len(words[0]),
        french_words=len(words[1]),
        english_length=train.english.shape[1],
        french_length=train.french.shape[1],
    )


def _bleus(states: Sequence[Any], part: Part) -> list[float]:
    import torch
    from sacrebleu import corpus_bleu

    from benchmarks.suite._transformer import translated

    weights = {name: torch.stack([state["weights"][name] for state in states]) for name in states[0]["weights"]}
    is_finite = torch.stack([each.isfinite().flatten(1).all(1) for each in weights.values()]).all(0).tolist()
    said = translated(weights, part.english, part.french.shape[1] - 1)
    # Words are what we say they are: no tokenisation of sacrebleu's.
    return [
        float(corpus_bleu(_lines(rows), [part.references], tokenize="none", force=True).score) if finite else math.nan
        for rows, finite in zip(said.tolist(), is_finite, strict=True)
    ]


def _lines(rows: Sequence[Sequence[int]]) -> list[str]:
    from benchmarks.suite._transformer import END

    words = corpus().words[1]
    ends = [row.index(END) if END in row else len(row) for row in rows]
    return [" ".join(words[i] for i in row[:end]) for row, end in zip(rows, ends, strict=True)]


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
        keeps_schedule=True,
        num_seeds=8,
        seeds_at_once=4,
    )
