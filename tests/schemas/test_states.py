from __future__ import annotations

from pathlib import Path

from alodial_schemas.states import ENDS, INITIAL, TRANSITIONS, State, mermaid

DRAWING = Path(__file__).parents[2] / "docs" / "states.md"


def can_move(a: State, b: State) -> bool:
    """True when the table has the arrow from `a` to `b`; staying in a state is not a move."""
    return b in TRANSITIONS[a]


def test_the_drawing_in_the_docs_is_the_table() -> None:
    fenced = DRAWING.read_text().split("```mermaid\n")[1].split("```")[0]
    assert fenced == mermaid()


def test_there_are_the_eleven_states_and_six_ends_of_the_contract() -> None:
    assert {str(state) for state in State} == {
        *("scheduled", "queued", "submitting", "submitted", "unconfirmed", "completed"),
        *("rejected", "failed", "expired", "canceled", "timed_out"),
    }
    assert len(ENDS) == 6


def test_every_state_has_its_row() -> None:
    assert set(TRANSITIONS) == set(State)


def test_every_state_that_is_no_end_leads_to_an_end() -> None:
    for state in set(State) - ENDS:
        seen, todo = {state}, [state]
        while todo:
            new = TRANSITIONS[todo.pop()] - seen
            seen |= new
            todo += new
        assert seen & ENDS, state


def test_every_state_can_be_reached() -> None:
    seen, todo = set(INITIAL), list(INITIAL)
    while todo:
        new = TRANSITIONS[todo.pop()] - seen
        seen |= new
        todo += new
    assert seen == set(State)


def test_an_end_moves_only_to_completed_by_a_late_result() -> None:
    for end in ENDS:
        assert TRANSITIONS[end] <= {State.COMPLETED}


def test_what_may_have_rung_is_not_submitted_again_and_what_was_taken_never_goes_back_to_the_queue() -> None:
    # An unconfirmed call is queued again only when its worker learns for certain that nothing left.
    assert not can_move(State.SUBMITTED, State.QUEUED)
    for state in (State.UNCONFIRMED, State.SUBMITTED):
        assert not can_move(state, State.SUBMITTING)


def test_only_a_queued_call_is_submitted() -> None:
    assert [state for state in State if can_move(state, State.SUBMITTING)] == [State.QUEUED]


def test_a_call_under_way_is_neither_canceled_nor_expired() -> None:
    for state in (State.SUBMITTING, State.SUBMITTED, State.UNCONFIRMED):
        assert not can_move(state, State.CANCELED)
        assert not can_move(state, State.EXPIRED)


def test_staying_is_not_a_move() -> None:
    assert not any(can_move(state, state) for state in State)
