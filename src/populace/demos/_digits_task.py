"""The main demo's task: handwritten digits labelled by careless annotators.

A small network learns scikit-learn's 8 x 8 digits, but at every visit of a training image the annotator is careless
with 90 % chance and names a digit at random: no more than 19 % of the labels are right. Early in training large noisy
updates make the fastest progress; later only small ones average the annotators' noise away. A constant learning rate
must compromise between the two, so a schedule has something to win.

The network is told how careless the annotators are: it is trained on the likelihood of the *label*, a mixture of its
own belief and a blind guess (the forward correction of Patrini et al. 2017, arXiv 1609.03683). Without it a perfect
network would say "19 % sure", and the log-loss on right labels would measure overconfidence more than knowledge.

Shapes: B images of a batch, I = 64 pixels, H = 32 hidden units, C = 10 classes, N any number of images.
Each layer's biases are one more row of its weights, met by an input that is always one.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, final

import numpy as np
import numpy.typing as npt

from populace.space import Complement, Dimension, Key, LogUniform
from populace.worker import Trainable

FloatArray = npt.NDArray[np.float32]
IntArray = npt.NDArray[np.int64]

NUM_UPDATES: Final = 300
BATCH_SIZE: Final = 2
CARELESS_SHARE: Final = 0.9

DIGITS_SPACE: Final[Mapping[str, Dimension]] = {
    "learning_rate": LogUniform(1e-3, 1.0),
    "momentum": Complement(0.0, 0.99),
    "weight_decay": LogUniform(1e-6, 1e-2),
    "input_noise": LogUniform(1e-2, 1.0),
}

_I, _H, _C = 64, 32, 10
_SPLIT = (900, 1300)
_CUT = (_I + 1) * _H
_NUM_WEIGHTS = _CUT + (_H + 1) * _C


@final
class Digits(Trainable):
    """A 64-32-10 tanh network on digits of which 90 % of the training labels are random, drawn anew at every visit.

    Shows what tuning *while* training wins over as many settings held constant. One step is 300 updates by
    stochastic gradient descent with momentum (batch 2). Hyperparameters: `learning_rate`, `momentum`, `weight_decay`
    (decoupled: each update shrinks the weights by learning_rate x weight_decay) and `input_noise` (standard deviation
    of the Gaussian noise on the pixels, which themselves have standard deviation 1).

    The state is `{"weights": (2410,), "velocity": (2410,)}`, both float32, 19 kB. The split is fixed: 900 images
    train, 400 rank (validation), 497 are held out; a run's seed changes only the first weights and the noise.
    Validation and test labels are right. Rank by `log_loss` (lower is better).
    """

    def __init__(self) -> None:
        images_NI, labels_N = _load()
        low, high = _SPLIT
        self._train = (images_NI[:low], labels_N[:low])
        self._validation = (images_NI[low:high], labels_N[low:high])
        self._test = (images_NI[high:], labels_N[high:])

    def init(self, key: Key, hp: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Returns Gaussian weights of variance 1 / inputs, zero biases and no velocity."""
        weights = np.zeros(_NUM_WEIGHTS, np.float32)
        rng = key.generator()
        for layer in _layers(weights):
            num_inputs = layer.shape[0] - 1
            layer[:-1] = rng.standard_normal((num_inputs, layer.shape[1]), np.float32) / np.sqrt(num_inputs)
        return {"weights": weights, "velocity": np.zeros_like(weights)}

    def step(self, key: Key, state: Mapping[str, FloatArray], hp: Mapping[str, Any]) -> dict[str, FloatArray]:
        """Returns the state after 300 updates."""
        images, targets = self._visits(key.generator(), float(hp["input_noise"]))
        weights, velocity = state["weights"].copy(), state["velocity"].copy()
        # A diverging member overflows to NaN, which the run ranks last; numpy's warnings would only be noise.
        with np.errstate(all="ignore"):
            _descend(
                weights,
                velocity,
                images,
                targets,
                learning_rate=float(hp["learning_rate"]),
                momentum=float(hp["momentum"]),
                weight_decay=float(hp["weight_decay"]),
            )
        return {"weights": weights, "velocity": velocity}

    def evaluate(self, key: Key, state: Mapping[str, FloatArray]) -> dict[str, float]:
        """Returns the mean `log_loss` (nats) and the `accuracy` (0..1) on the validation images."""
        return _measure(state["weights"], *self._validation)

    def test(self, state: Mapping[str, FloatArray]) -> dict[str, float]:
        """Returns `log_loss` and `accuracy` on the held-out images: for the final report, never for ranking."""
        return _measure(state["weights"], *self._test)

    def _visits(self, rng: np.random.Generator, input_noise: float) -> tuple[FloatArray, FloatArray]:
        """Returns what all updates of one step see: noisy images (U, B, I + 1) and one-hot labels (U, B, C)."""
        shape = (NUM_UPDATES, BATCH_SIZE)
        train_NI, labels_N = self._train
        chosen = rng.integers(len(labels_N), size=shape)
        images = np.ones((*shape, _I + 1), np.float32)
        noise = rng.standard_normal((*shape, _I), np.float32)
        images[..., :_I] = train_NI[chosen] + np.float32(input_noise) * noise
        careless = rng.random(shape) < CARELESS_SHARE
        labels = np.where(careless, rng.integers(_C, size=shape), labels_N[chosen])
        return images, np.eye(_C, dtype=np.float32)[labels]


def _load() -> tuple[FloatArray, IntArray]:
    """Returns all 1797 images (N, I), scaled to mean 0 and deviation 1, and labels (N,), in one fixed random order."""
    from sklearn.datasets import load_digits  # the one optional dependency of this file

    images, labels = load_digits(return_X_y=True)
    order = np.random.default_rng(0).permutation(len(labels))
    train = images[order[: _SPLIT[0]]]
    scaled = (images[order] - train.mean()) / train.std()
    return scaled.astype(np.float32), labels[order].astype(np.int64)


def _layers(flat: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Returns views of one flat vector as the two layers, (I + 1, H) and (H + 1, C)."""
    return flat[:_CUT].reshape(_I + 1, _H), flat[_CUT:].reshape(_H + 1, _C)


def _descend(
    weights: FloatArray,
    velocity: FloatArray,
    images: FloatArray,
    targets: FloatArray,
    *,
    learning_rate: float,
    momentum: float,
    weight_decay: float,
) -> None:
    """Trains in place: v <- momentum v - rate x gradient; w <- (1 - rate x decay) w + v (Polyak's heavy ball).

    The loss of an image whose label has probability p under the network is -ln((1 - s) p + s / C) for a careless share
    s. Its gradient is cross-entropy's times p / (p + g), where g = s / (C (1 - s)): how far a label is to be trusted.

    A population spends all its time here. An update costs about 35 microseconds as next to nothing is allocated, both
    layers share one vector, and the rate is folded into the small (B, C) error instead of the whole gradient.
    """
    first, second = _layers(weights)
    gradient = np.empty_like(weights)
    gradient_first, gradient_second = _layers(gradient)
    second_transposed = second[:_H].T
    num_batch = images.shape[1]
    hidden_and_one = np.ones((num_batch, _H + 1), np.float32)
    hidden = hidden_and_one[:, :_H]
    before, back = np.empty((2, num_batch, _H), np.float32)
    error, likelihood = np.empty((2, num_batch, _C), np.float32)
    guess = np.float32(CARELESS_SHARE / (_C * (1.0 - CARELESS_SHARE)))
    scale, keep = np.float32(-learning_rate / num_batch), np.float32(1.0 - learning_rate * weight_decay)
    dot, total, highest = np.dot, np.add.reduce, np.maximum.reduce
    for image, target in zip(images, targets, strict=True):
        dot(image, first, out=before)
        np.tanh(before, out=hidden)
        dot(hidden_and_one, second, out=error)
        error -= highest(error, axis=1, keepdims=True)
        np.exp(error, out=error)
        error /= total(error, axis=1, keepdims=True)
        np.multiply(error, target, out=likelihood)
        trust = total(likelihood, axis=1, keepdims=True)
        trust /= trust + guess
        trust *= scale
        error -= target
        error *= trust
        dot(error, second_transposed, out=back)
        np.multiply(hidden, hidden, out=before)
        np.subtract(1.0, before, out=before)
        back *= before
        dot(image.T, back, out=gradient_first)
        dot(hidden_and_one.T, error, out=gradient_second)
        velocity *= momentum
        velocity += gradient
        weights *= keep
        weights += velocity


def _measure(weights: FloatArray, images_NI: FloatArray, labels_N: IntArray) -> dict[str, float]:
    """Returns the mean negative log-likelihood (nats) and the share of images whose likeliest class is right."""
    first, second = _layers(weights)
    with np.errstate(all="ignore"):
        hidden = np.tanh(images_NI @ first[:_I] + first[_I])
        scores_NC = (hidden @ second[:_H] + second[_H]).astype(np.float64)
        scores_NC -= scores_NC.max(axis=1, keepdims=True)
        log_likelihood_NC = scores_NC - np.log(np.exp(scores_NC).sum(axis=1, keepdims=True))
    right = log_likelihood_NC[np.arange(len(labels_N)), labels_N]
    accuracy = np.mean(np.argmax(scores_NC, axis=1) == labels_N)
    return {"log_loss": float(-right.mean()), "accuracy": float(accuracy)}
