"""Laws of schedules: a function of the step that survives being written and read."""

from __future__ import annotations

import json
import re
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from populace._errors import UsageError
from populace.core import Failed, Piece, Schedule, Shrink
from populace.space import Choice, Space, Uniform
from populace.testing import population_of

values = st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text()
names = st.sampled_from(["lr", "member", "end_step", 'a,"b"', "with\nnewline", " "]) | st.text(min_size=1)
names = names.filter(lambda name: "\r" not in name)  # the one character that CSV leaves to chance
hyperparameters = st.dictionaries(names, values, min_size=1, max_size=4)


@st.composite
def schedules(draw: st.DrawFn) -> Schedule:
    """Schedules of up to five pieces; a name may be missing from some of them."""
    pieces, step = [], 0
    for length in draw(st.lists(st.integers(1, 1000), max_size=5)):
        pieces.append(
            Piece(
                start_step=step,
                end_step=step + length,
                hyperparameters=draw(hyperparameters),
                member=draw(st.integers(0, 99)),
                generation=draw(st.integers(0, 99)),
            )
        )
        step += length
    return Schedule(tuple(pieces), draw(st.none() | st.integers(0, 2**70)))


@given(schedules())
def test_json_gives_the_schedule_back_exactly(schedule: Schedule) -> None:
    """A replay from a file must train with the very same floats."""
    schedule = replace(schedule, metric="accuracy" if schedule.seed else None)
    again = Schedule.from_json(schedule.to_json())
    assert again == schedule
    assert repr(again) == repr(schedule)


@pytest.mark.slow
@given(schedules())
def test_csv_gives_everything_but_the_seed_back_exactly(schedule: Schedule) -> None:
    """A hyperparameter may be called "member", hold a comma, or be missing in one piece."""
    again = Schedule.from_csv(schedule.to_csv())
    assert again.pieces == schedule.pieces
    assert repr([sorted(p.hyperparameters.items()) for p in again]) == repr(
        [sorted(p.hyperparameters.items()) for p in schedule]
    )
    assert again.seed is None


@pytest.mark.slow
@given(schedules())
def test_schedule_is_a_function_of_the_step(schedule: Schedule) -> None:
    """Users call it in their own loop; each step has the values it was trained with, and the last ones hold on."""
    for piece in schedule:
        assert schedule(piece.start_step) == schedule(piece.end_step - 1) == piece.hyperparameters
    if len(schedule):
        assert schedule(schedule.num_steps + 5) == schedule.pieces[-1].hyperparameters
        assert schedule.num_steps == sum(piece.end_step - piece.start_step for piece in schedule)
        assert set(schedule.names) == {name for piece in schedule for name in piece.hyperparameters}


def test_step_outside_a_schedule_is_refused() -> None:
    """A negative step is a mistake in the caller's arithmetic."""
    schedule = Schedule((Piece(start_step=0, end_step=4, hyperparameters={"lr": 0.1}),))
    with pytest.raises(UsageError, match=r"a schedule of 4 steps has no step -1: steps count from 0"):
        schedule(-1)
    with pytest.raises(UsageError, match="a schedule of 0 steps has no step 0"):
        Schedule(())(0)


@pytest.mark.parametrize("ends", [[(0, 2), (3, 4)], [(1, 2)], [(0, 0)], [(0, 4), (2, 6)]])
def test_pieces_with_a_gap_or_overlap_are_refused(ends: list[tuple[int, int]]) -> None:
    """A schedule edited by hand must not train some steps with nothing or twice."""
    with pytest.raises(UsageError, match="must follow one another from step 0, but after step"):
        Schedule(tuple(Piece(start_step=a, end_step=b, hyperparameters={}) for a, b in ends))


def test_file_with_a_gap_says_where_the_gap_is() -> None:
    """It is a schedule, edited by hand: "this is not a schedule" would send the user looking for another file."""
    gap = [(0, 2), (3, 4)]
    text = json.dumps(
        {
            "pieces": [
                {"start_step": a, "end_step": b, "member": 0, "generation": 0, "hyperparameters": {}} for a, b in gap
            ]
        }
    )
    rows = "\n".join(f"{a},{b},0,0,0.1" for a, b in gap)
    for read in (lambda: Schedule.from_json(text), lambda: Schedule.from_csv(f"{HEADER},lr\n{rows}\n")):
        with pytest.raises(UsageError, match=r"^a schedule's pieces .* but after step 2 came a piece from 3 to 4$"):
            read()


HEADER = "start_step,end_step,member,generation"


@pytest.mark.parametrize(
    "text",
    [
        *("", "lr\n0.1\n", f"{HEADER},lr\n0,2,0\n", f"{HEADER},lr\n0,x,0,0,1\n", f"{HEADER},lr\n0,2,0,0,abc\n"),
        f"{HEADER},lr,lr\n0,2,0,0,1,2\n",
    ],
)
def test_foreign_csv_is_refused(text: str) -> None:
    """A wrong file is named as such, not as an error deep in a parser."""
    with pytest.raises(UsageError, match="this is not a schedule written by `populace schedule --csv`"):
        Schedule.from_csv(text)


@pytest.mark.parametrize(
    "data",
    ["{", "[]", "{}", '{"pieces": 3}', '{"pieces": [{"start_step": 0}]}', json.dumps({"pieces": [{"lr": 1}]})],
)
def test_foreign_json_is_refused(data: str) -> None:
    """A wrong file is named as such, not as an error deep in a parser."""
    with pytest.raises(UsageError, match="this is not a schedule written by `populace schedule --json`"):
        Schedule.from_json(data)


def test_schedule_of_an_ancestry_leaves_out_what_was_not_trained_or_not_in_force() -> None:
    """A failed segment trained nothing; a hyperparameter whose condition did not hold changed nothing."""
    space = Space.of({"kind": Choice(["sgd", "adam"]), "momentum": Uniform(0, 1, when={"kind": "sgd"})})
    hyperparameters = [{"kind": "sgd", "momentum": 0.5}, {"kind": "adam", "momentum": 0.5}]
    sgd, adam = population_of([1.0, 1.0], space=space, hyperparameters=hyperparameters).latest
    failed = population_of([Failed(reason="boom")], space=space, hyperparameters=hyperparameters).latest[0]
    assert Schedule.of([failed, sgd], space, 7).pieces[0].hyperparameters == {"kind": "sgd", "momentum": 0.5}
    schedule = Schedule.of([failed, replace(adam, generation=5)], space, 7, "accuracy")
    assert (schedule.metric, schedule.pieces[0].generation) == ("accuracy", 5)
    assert Schedule.of([adam], space, None).metric is None
    assert schedule(0) == {"kind": "adam"}
    assert (len(schedule), schedule.seed, schedule.pieces[0].member) == (1, 7, 1)


def test_schedule_of_an_ancestry_tells_where_weights_were_shrunk() -> None:
    """A replay that went on with whole weights would not be one."""
    how = Shrink(keep=0.5, renew=0.1)
    (segment,) = population_of([1.0]).latest
    shrunk = replace(segment, why=how.told({"rule": "restart"}))
    assert [piece.shrink for s in (segment, shrunk) for piece in Schedule.of([s], Space({"x": Uniform(0, 1)}), 0)] == [
        None,
        how,
    ]


@pytest.mark.parametrize("pieces", [[Piece(start_step=0, end_step=1, hyperparameters={})], ({"start_step": 0},), None])
def test_what_is_no_tuple_of_pieces_is_refused(pieces: object) -> None:
    """A schedule written by hand: the mistake is told where it was made, and not at its first step."""
    with pytest.raises(UsageError, match=r"`pieces` must be a tuple of Piece\(...\), but got .*: write \(piece, ...\)"):
        Schedule(pieces)


@pytest.mark.parametrize(
    ("hyperparameters", "text"),
    [
        ([("lr", 0.1)], "`hyperparameters` must map names to values, but got [('lr', 0.1)]"),
        ({"": 0.1}, "a hyperparameter's name must be a non-empty string, but got '': rename it"),
        ({3: 0.1}, "a hyperparameter's name must be a non-empty string, but got 3: rename it"),
    ],
)
def test_piece_without_named_values_is_refused(hyperparameters: object, text: str) -> None:
    """What could be written but not read back, or not by name, is told where it is made."""
    with pytest.raises(UsageError, match=re.escape(text)):
        Piece(start_step=0, end_step=1, hyperparameters=hyperparameters)


@pytest.mark.parametrize("name", ["start_step", "end_step", "member", "generation"])
def test_piece_whose_place_is_no_count_is_refused(name: str) -> None:
    """The message names the number, and what it counts."""
    place = {"start_step": 0, "end_step": 1, "member": 0, "generation": 0, name: -1}
    message = f"`{name} >= 0` must hold, but got {name}=-1: steps, members and generations count from 0"
    with pytest.raises(UsageError, match=re.escape(message)):
        Piece(hyperparameters={}, **place)


def test_shrunk_weights_need_a_form_that_can_tell_them() -> None:
    """A table without that column would be replayed as if the weights had gone on whole."""
    piece = Piece(start_step=0, end_step=2, hyperparameters={"lr": 0.1}, shrink=Shrink(keep=0.5, renew=0.1))
    with pytest.raises(UsageError, match="a table of hyperparameters cannot hold where weights were shrunk"):
        Schedule((piece,)).to_csv()
    text = json.loads(Schedule((piece,)).to_json())
    text["pieces"][0]["shrink"] = "half"
    with pytest.raises(UsageError, match="this is not a schedule written by `populace schedule --json`"):
        Schedule.from_json(json.dumps(text))
