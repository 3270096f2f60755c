"""Rows come out of a chunk as they went in, and take little room there."""

import random

from hypothesis import given
from hypothesis import strategies as st

from alodial.campaigns.row_codec import (
    CHUNK_ROWS,
    PackedRow,
    RowProblem,
    RowSpec,
    pack,
    pack_problems,
    unpack,
    unpack_problems,
)

# Lone surrogates cannot be written in UTF-8, and the readers of files never give any.
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
PHONE = st.integers(10**9, 10**15 - 1).map("+{}".format)
GIVEN = TEXT.filter(bool)

SPEC = st.builds(
    RowSpec,
    to=st.lists(PHONE, min_size=1, max_size=4).map(tuple),
    lang=st.none() | st.sampled_from(["ru", "uz", "en-GB"]),
    initiator=st.none() | PHONE,
    queue=st.none() | st.sampled_from(["6000", "sales"]),
    reference=st.none() | GIVEN,
    expires_at=st.none() | st.integers(1, 2**43),
    metadata=st.dictionaries(GIVEN, GIVEN, max_size=3),
    zone=st.sampled_from(["", "Asia/Tashkent", "Asia/Samarkand|Asia/Tashkent"]),
)
ROW = st.tuples(st.integers(1, 10**7), SPEC, st.lists(TEXT, max_size=5).map(tuple))


def realistic(rows: int) -> list[tuple[int, RowSpec, tuple[str, ...]]]:
    """Rows with three columns beside the phone: a name, a contract and a debt."""
    chance = random.Random(1)
    first = ["Азиз", "Дилноза", "Рустам", "Нигора", "Жасур", "Малика", "Шерзод", "Гульнара"]
    last = ["Каримов", "Юсупова", "Рахимов", "Алиева", "Турсунов", "Хасанова", "Исмаилов", "Назарова"]
    made: list[tuple[int, RowSpec, tuple[str, ...]]] = []
    for number in range(2, rows + 2):
        phone = f"{chance.choice((90, 91, 93, 94, 97, 99))}{chance.randrange(10**7):07d}"
        contract = f"AB-{chance.randrange(10**6):06d}"
        name = f"{chance.choice(last)} {chance.choice(first)}"
        cells = (name, phone, contract, str(chance.randrange(10**6)))
        made.append((number, RowSpec(("+998" + phone,), reference=contract), cells))
    return made


@given(st.lists(ROW, max_size=20))
def test_rows_come_out_as_they_went_in(rows: list[tuple[int, RowSpec, tuple[str, ...]]]) -> None:
    assert unpack(pack(rows)) == [PackedRow(*row) for row in rows]


@given(
    st.lists(
        st.builds(
            RowProblem,
            st.integers(1, 10**7),
            TEXT,
            TEXT,
            TEXT,
            TEXT,
            TEXT,
            st.lists(TEXT, max_size=4).map(tuple),
        ),
        max_size=20,
    )
)
def test_problems_come_out_as_they_went_in(problems: list[RowProblem]) -> None:
    assert unpack_problems(pack_problems(problems)) == problems


@given(st.lists(ROW, max_size=5))
def test_the_same_rows_give_the_same_bytes(rows: list[tuple[int, RowSpec, tuple[str, ...]]]) -> None:
    assert pack(rows) == pack(unpack(pack(rows)))


def test_a_row_with_three_further_columns_takes_less_than_a_hundred_bytes() -> None:
    assert len(pack(realistic(CHUNK_ROWS))) < 100 * CHUNK_ROWS


def test_a_lone_surrogate_does_not_stop_a_chunk() -> None:
    (row,) = unpack(pack([(2, RowSpec(("+998901234567",)), ("\ud800", "a"))]))
    assert row.cells == ("?", "a")


def test_a_problem_is_returned_without_the_rows_cells() -> None:
    shown_fields = RowProblem(7, "Телефон", "phone_short", "is short", "write 9 digits", "90", ("Али", "90")).to_dict()
    assert shown_fields == {
        "number": 7,
        "column": "Телефон",
        "code": "phone_short",
        "problem": "is short",
        "remedy": "write 9 digits",
        "value": "90",
    }
