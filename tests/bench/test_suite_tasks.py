"""The suite's tasks against what is known of them."""

from __future__ import annotations

import math

import numpy as np
import pytest

jax = pytest.importorskip("jax")
jnp = pytest.importorskip("jax.numpy")

from benchmarks.suite import TASKS, task_named  # noqa: E402 - only where JAX is
from benchmarks.suite._mixed import Mixed  # noqa: E402
from benchmarks.suite._quadratic import Quadratic  # noqa: E402
from benchmarks.suite._ring import modes_score, real  # noqa: E402
from benchmarks.suite._toys import Deceptive, Triangle  # noqa: E402

from populace.demos import NoisyQuadratic, TriangleWave, best_constant, oracle_schedule  # noqa: E402
from populace.demos._quadratic_task import expected_loss  # noqa: E402
from populace.space import Key, Space  # noqa: E402

KEY = jax.random.key(0)
PLAIN = NoisyQuadratic(num_updates=6)


@pytest.mark.slow
@pytest.mark.parametrize(("reference", "known"), [(best_constant, 2.475), (oracle_schedule, 2.912)])
def test_noisy_quadratic_has_the_known_best_constant_and_schedule(reference, known):
    """A table says how far from the best an algorithm ends, so the best must be right."""
    assert -math.log10(reference(PLAIN, num_steps=100).loss) == pytest.approx(known, abs=0.001)


@pytest.mark.slow
def test_noisy_quadratic_loses_what_its_formula_says():
    """The known optimum is that of the numpy task; the one in JAX must be the same problem."""
    noise, rate, num = 0.7, 0.05, 60
    task = Quadratic(noise=noise)

    def final(key):
        keys = jax.random.split(key, num + 1)
        state = task.init(keys[0], {"learning_rate": rate})
        state, _ = jax.lax.scan(lambda s, k: (task.step(k, s, {"learning_rate": rate}), None), state, keys[1:])
        return 10.0 ** -task.test(key, state)

    mean = float(jnp.mean(jax.jit(jax.vmap(final))(jax.random.split(KEY, 256))))
    plain = NoisyQuadratic(num_updates=1, noise=noise)
    assert mean == pytest.approx(expected_loss(plain, [rate] * num), rel=0.02)


@pytest.mark.slow
def test_the_test_of_a_noisy_score_has_no_noise():
    """A report on blurred scores would say how lucky a reading was."""
    task = task_named("nqm_noisy")
    state = task.trainable.init(KEY, {"learning_rate": 0.1})
    keys = jax.random.split(KEY, 200)
    seen = jax.vmap(lambda key: task.trainable.evaluate(key, state))(keys)
    assert float(jnp.std(seen)) == pytest.approx(0.2, abs=0.03)
    assert float(task.test(keys[0], state)) == float(task.test(keys[1], state))


@pytest.mark.slow
def test_triangle_wave_reaches_its_optimum_with_the_best_rate():
    """100 is the number that every score of it is read against."""
    task, plain = Triangle(), TriangleWave()
    state, progress = task.init(KEY, {}), 0.0
    for _ in range(100):
        state = task.step(KEY, state, {"learning_rate": jnp.float32(plain.best_rate(progress))})
        progress += 1.0
    assert float(state["progress"]) == pytest.approx(100.0, abs=0.01)


@pytest.mark.parametrize("rate", [1e-3, 3e-3, 1e-2, 1e-1])
def test_triangle_wave_is_the_demos_wave(rate):
    """The same name for two tasks would make two tables look comparable that are not."""
    task, plain, key = Triangle(), TriangleWave(), Key(0)
    state, other = {"progress": jnp.float32(37.0)}, {"progress": np.asarray(37.0)}
    for _ in range(3):
        state = task.step(KEY, state, {"learning_rate": jnp.float32(rate)})
        other = plain.step(key, other, {"learning_rate": rate})
    assert float(state["progress"]) == pytest.approx(float(other["progress"]), rel=1e-4)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("schedule", "known"),
    [(lambda done: 1e-4, 0.826972), (lambda done: 1.0, 0.954622), (lambda done: 1.0 - done, 1.197929)],
    ids=["greedy", "patient", "falling"],
)
def test_deceptive_toy_gives_the_known_scores_for_fixed_schedules(schedule, known):
    """If greed were not punished by exactly this much, the trap would be another one than that of the literature."""
    task = Deceptive(num_ticks=50)
    step = jax.jit(lambda state, h: task.step(KEY, state, {"h": h}))
    state = task.init(KEY, {})
    for tick in range(50):
        state = step(state, jnp.float32(schedule(tick / 50)))
    assert float(task.test(KEY, state)) == pytest.approx(known, abs=2e-6)


def test_deceptive_toy_begins_near_one():
    """From all over the range, random search would not be the one that is hard to beat."""
    starts = task_named("deceptive").starts(0, 20)
    assert all(0.9 <= each["h"] <= 1.1 for each in starts)
    assert len({each["h"] for each in starts}) == 20


@pytest.mark.slow
def test_ring_scores_the_ring_itself_nearly_eight_and_a_collapsed_maker_one():
    """A score that a single Gaussian satisfies would not notice what goes wrong most often."""
    samples = real(KEY, 4096)
    assert float(modes_score(samples)) == pytest.approx(8 * (1 - math.exp(-4.5)), abs=0.05)
    assert float(modes_score(jnp.broadcast_to(jnp.array([1.0, 0.0]), (100, 2)))) == pytest.approx(1.0, abs=1e-5)
    assert float(modes_score(jnp.zeros((100, 2)))) == 0.0


@pytest.mark.slow
def test_teacher_scores_a_student_that_is_off_by_a_tenth_at_two():
    """The score is -log10 of the excess error, without the labels' noise."""
    task = task_named("teacher").trainable
    shape = {"w1": (8, 32), "b1": (32,), "w2": (32,), "b2": ()}
    held = {name: np.zeros(each, np.float32) for name, each in shape.items()}
    held["w1"][:, :8], held["w2"][:8] = task.teacher["w1"], task.teacher["w2"]
    held["b2"] += np.float32(0.1)
    assert float(task.test(KEY, {"weights": held})) == pytest.approx(2.0, abs=1e-3)


@pytest.mark.slow
def test_digits_split_has_no_image_in_two_parts():
    """A held-out image that has been trained on is not held out."""
    pytest.importorskip("sklearn")
    task = task_named("digits30").trainable
    parts = [{image.tobytes() for image in part} for part in (task.train_images, task.seen_images, task.unseen_images)]
    assert [len(part) for part in (task.train_labels, task.seen_labels, task.unseen_labels)] == [900, 400, 497]
    assert not parts[0] & parts[1]
    assert not parts[0] & parts[2]
    state = {"weights": {"w1": np.zeros((64, 32)), "b1": np.zeros(32), "w2": np.zeros((32, 10)), "b2": np.zeros(10)}}
    assert float(task.test(KEY, state)) == pytest.approx(-math.log(10), abs=1e-5)


@pytest.mark.slow
@pytest.mark.parametrize(("batch", "num_updates"), [(6, 1), (3, 8)])
def test_mixed_task_makes_fewer_updates_with_larger_batches(batch, num_updates):
    """With updates for nothing, the largest batch would always be best, and the dimension easy."""
    task = Mixed()
    hp = {"learning_rate": 1e-3, "momentum": 0.0, "batch": jnp.int32(batch), "rule": jnp.int32(1)}
    state = {"point": jnp.full(60, 1e4), "velocity": jnp.zeros(60)}  # so far away that the sign is sure
    moved = state["point"] - task.step(KEY, state, hp)["point"]
    assert np.asarray(moved) == pytest.approx(num_updates * 1e-3, rel=0.05)


@pytest.mark.slow
def test_half_of_the_mixed_dimensions_are_no_numbers_on_a_scale():
    """It is there to show what becomes of categories and integers."""
    kinds = [type(dimension).__name__ for dimension in task_named("mixed").space.values()]
    assert sum(kind in ("Choice", "IntUniform") for kind in kinds) * 2 == len(kinds)


@pytest.mark.slow
def test_translation_learns_from_the_first_steps():
    """A Transformer with a wrong mask trains as well and translates nothing."""
    for package in ("torch", "sacrebleu", "num2words"):
        pytest.importorskip(package)
    task, key = task_named("translation").trainable, Key(0)
    hp = dict.fromkeys(("attention_dropout", "relu_dropout", "layer_dropout", "label_smoothing"), 0.001)
    state = task.init(key, hp)
    before = task.evaluate(key, state)
    for step in range(80):
        state = task.step(key.fold(step), state, {**hp, "learning_rate": 5e-3})
    assert before < 5.0
    assert task.evaluate(key, state) > 15.0


@pytest.mark.slow
def test_translation_parts_have_no_number_in_common():
    """Numbers that have been seen would be known by heart."""
    for package in ("torch", "num2words"):
        pytest.importorskip(package)
    from benchmarks.suite._translation import corpus

    parts = [set(part.references) for part in corpus().parts]
    assert [len(part) for part in parts] == [300, 100, 400]
    assert not parts[0] & parts[1]
    assert not (parts[0] | parts[1]) & parts[2]


@pytest.mark.slow
@pytest.mark.parametrize("name", [name for name in TASKS if name != "translation"])
def test_task_keeps_its_word(name):
    """Settings are fixed beforehand: a space, a hundred ticks, and a source for every task."""
    pytest.importorskip("sklearn")
    task = task_named(name)
    assert task.name == name
    assert isinstance(task.space, Space)
    assert task.num_steps == 100 * task.steps_per_tick
    assert task.source
