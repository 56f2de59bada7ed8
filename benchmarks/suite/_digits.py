"""Handwritten digits, with right labels and with 30 % wrong ones, which are drawn anew at every visit.

scikit-learn's 8 x 8 images: 900 train, 400 rank, 497 are held out, in one fixed order. A network of 64 - 32 tanh - 10
is trained by stochastic gradient descent with momentum for 4500 updates, in batches of 4 (16 where labels are right);
rate, momentum, weight decay and noise on the images are tuned. Score and test are the log-likelihood of right labels.
With right labels a good constant exists; with wrong ones a falling rate averages the errors away. No optimum is known;
a network that is told wrong labels on 30 % of its images believes the right one at 73 %, so about -0.31 is the best
without a correction.

Shapes: B images of a batch, I = 64 pixels, H = 32 hidden units, C = 10 classes.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, final

import jax
import jax.numpy as jnp
import numpy as np

from benchmarks.suite._task import Task
from populace.jax import Trainable
from populace.space import Complement, LogUniform

_SPLIT = (900, 1300)
_I, _H, _C = 64, 32, 10


@final
class WrongDigits(Trainable):
    """One step is an update.

    Args:
        wrong: Share of labels that are drawn at random, whatever is seen.
        batch: Images of an update.
    """

    def __init__(self, *, wrong: float, batch: int) -> None:
        from sklearn.datasets import load_digits

        images, labels = load_digits(return_X_y=True)
        order = np.random.default_rng(0).permutation(len(labels))
        train = images[order[: _SPLIT[0]]]
        scaled = ((images[order] - train.mean()) / train.std()).astype(np.float32)
        labels = labels[order].astype(np.int32)
        self.train_images, self.seen_images, self.unseen_images = np.split(scaled, _SPLIT)
        self.train_labels, self.seen_labels, self.unseen_labels = np.split(labels, _SPLIT)
        self.wrong = wrong
        self.batch = batch

    def init(self, key: Any, hp: Mapping[str, Any]) -> Any:
        one, two = jax.random.split(key)
        weights = {
            "w1": jax.random.normal(one, (_I, _H)) / _I**0.5,
            "b1": jnp.zeros(_H),
            "w2": jax.random.normal(two, (_H, _C)) / _H**0.5,
            "b2": jnp.zeros(_C),
        }
        return {"weights": weights, "velocity": jax.tree.map(jnp.zeros_like, weights)}

    def step(self, key: Any, state: Any, hp: Mapping[str, Any]) -> Any:
        rows, blur, mistake, told = jax.random.split(key, 4)
        chosen_B = jax.random.randint(rows, (self.batch,), 0, len(self.train_labels))
        images_BI = self.train_images[chosen_B] + hp["input_noise"] * jax.random.normal(blur, (self.batch, _I))
        is_wrong_B = jax.random.uniform(mistake, (self.batch,)) < self.wrong
        labels_B = jnp.where(is_wrong_B, jax.random.randint(told, (self.batch,), 0, _C), self.train_labels[chosen_B])
        slope = jax.grad(lambda weights: -_likelihood(weights, images_BI, labels_B))(state["weights"])
        rate = hp["learning_rate"]
        velocity = jax.tree.map(lambda v, g: hp["momentum"] * v - rate * g, state["velocity"], slope)
        keep = 1.0 - rate * hp["weight_decay"]
        return {
            "weights": jax.tree.map(lambda w, v: keep * w + v, state["weights"], velocity),
            "velocity": velocity,
        }

    def evaluate(self, key: Any, state: Any) -> Any:
        return _likelihood(state["weights"], self.seen_images, self.seen_labels)

    def test(self, key: Any, state: Any) -> Any:
        return _likelihood(state["weights"], self.unseen_images, self.unseen_labels)


def _likelihood(weights: Any, images_BI: Any, labels_B: Any) -> Any:
    logits_BC = jnp.tanh(images_BI @ weights["w1"] + weights["b1"]) @ weights["w2"] + weights["b2"]
    # A mask instead of an index: its gradient is a product, an index' gradient is a scatter.
    is_right_BC = labels_B[:, None] == jnp.arange(_C)
    return jnp.mean(jnp.sum(jnp.where(is_right_BC, jax.nn.log_softmax(logits_BC), 0.0), -1))


def digits30() -> Task:
    return _task("digits30", WrongDigits(wrong=0.3, batch=4))


def digits_clean() -> Task:
    return _task("digits_clean", WrongDigits(wrong=0.0, batch=16))


def _task(name: str, trainable: WrongDigits) -> Task:
    return Task(
        name=name,
        trainable=trainable,
        space={
            "learning_rate": LogUniform(1e-3, 1.0),
            "momentum": Complement(0.0, 0.99),
            "weight_decay": LogUniform(1e-6, 1e-2),
            "input_noise": LogUniform(1e-2, 1.0),
        },
        steps_per_tick=45,
        test=trainable.test,
        source="scikit-learn's digits; no optimum known",
        num_seeds=48,
        seeds_at_once=12,
    )
