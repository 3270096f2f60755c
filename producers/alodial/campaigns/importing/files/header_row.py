"""Finds the row with the names of the columns: titles may stand above it, or it may be missing."""

from collections.abc import Sequence
from typing import Final

from ...errors import BadFile
from ...row_codec import RowProblem
from ..cell_shapes import is_plausible, letters, phone_shapes
from ..header_words import CERTAIN, PERSON_ALONE, is_group_of_others, meaning
from .source import MAX_COLUMNS, Header, SourceRow

HEAD_ROWS: Final = 120
"""Rows that are read before anything is decided; those below the header are samples of the columns."""

MAX_TITLE_ROWS: Final = 30
MAX_HEADER: Final = 200
MAX_DIGITS: Final = 6
"""Digits of a row of headings: "Телефон 1", never a phone."""

SHOWN_ROWS: Final = 10

HeadRow = SourceRow | RowProblem


def find_header(head: Sequence[HeadRow], wanted: int | None = None, *, counted: bool = False) -> Header:
    """The header of a file that begins with these rows; ``wanted`` is its row number where the caller says it, 0 for none.

    Rows may be wider than the header. In a kind of file whose cells are ``counted`` that is no mistake, and the further
    columns are named by their letters. A column without a name gets its letter too, and so does a repeated name:
    "Phone [C]". Where a heading spans several columns, as merged cells do, the row below it names them, "Телефон Личный",
    and ``number`` is that row's. Raises BadFile without a row, when the first one cannot be read, for too many columns, and
    for a ``wanted`` row that is empty or too far down.
    """
    if not head:
        raise BadFile("empty_file", "the file has no rows", "give a header and a row for each call")
    at = _place_of(head, wanted) if wanted is not None else _find(head)
    if at is not None and _divided(head, at + 1):
        at += 1
    samples = _samples(head, 0 if at is None else at + 1)
    widths = sorted(_width(cells) for cells in samples) or [0]
    if at is None:
        return Header(_letters(0, min(widths[-1], MAX_COLUMNS)), 0, 0, (), samples, _first_rows(head, 0))
    row = head[at]
    if isinstance(row, RowProblem):
        raise BadFile(row.code, f"row {row.number} {row.problem}", row.remedy)
    if len(row.cells) > MAX_COLUMNS:
        problem = f"the file has more than {MAX_COLUMNS} columns"
        raise BadFile("too_many_columns", problem, "remove the columns that are not needed")
    titles = head[: at - 1] if _divided(head, at) else head[:at]
    skipped = tuple((above.number, " ".join(" ".join(above.cells).split())[:MAX_HEADER]) for above in titles)
    names = _names(_full_names(head, at))
    if counted:
        names += _letters(len(names), min(widths[-1], MAX_COLUMNS))
    return Header(names, row.number, at + 1, skipped, samples, _first_rows(head, at + 1))


def _header_below(head: Sequence[HeadRow], start: int) -> int | None:
    """The place of the header of a list below the sender's own "Телефон: 712037006"; None for rows of data."""
    for at, row in enumerate(head[start + 1 : MAX_TITLE_ROWS], start + 1):
        cells = [] if isinstance(row, RowProblem) else [cell.strip() for cell in row.cells if cell.strip()]
        meanings = [meaning(cell) for cell in cells if len(cell) <= MAX_HEADER]
        phones = [found for found in meanings if found.field == "phone" and found.certainty == CERTAIN]
        if phones and sum(found.known for found in meanings) > 1 and not any(map(phone_shapes, cells)):
            return at
    return None


def _first_rows(head: Sequence[HeadRow], start: int) -> tuple[tuple[int, tuple[str, ...]], ...]:
    """The rows down to :data:`SHOWN_ROWS` behind the header, for people who look whether it is the right one."""
    return tuple((row.number, row.cells) for row in head[: start + SHOWN_ROWS] if isinstance(row, SourceRow))


def _place_of(head: Sequence[HeadRow], wanted: int) -> int | None:
    if wanted == 0:
        return None
    for at, row in enumerate(head):
        if row.number == wanted:
            return at
    first = ", ".join(str(row.number) for row in head[:5])
    raise BadFile(
        "no_header_row", f"row {wanted} is empty or too far down to be the header", f"rows with cells are {first}"
    )


def _find(head: Sequence[HeadRow]) -> int | None:
    """The place of the header in these rows; None for a file that begins with its data."""
    if isinstance(head[0], RowProblem):
        return 0
    first_data: int | None = None
    scores: list[tuple[int, int, int]] = []
    for at, row in enumerate(head[:MAX_TITLE_ROWS]):
        if isinstance(row, RowProblem):
            continue
        filled = [cell for cell in row.cells if cell.strip()]
        meanings = [meaning(cell.strip()) for cell in filled if len(cell) <= MAX_HEADER]
        certain = max((found.certainty for found in meanings if found.field == "phone"), default=0)
        known = sum(found.known for found in meanings)
        has_phone = any(map(is_plausible, filled)) or (any(map(phone_shapes, filled)) and known < 2)
        # "Телефон" beside a number may be the kind of a contact, in a row of data.
        if has_phone and (certain < 2 or known < 2):
            if certain == CERTAIN and (below := _header_below(head, at)) is not None:
                return below
            first_data = at
            break
        scores.append((at, 2 if certain == 2 else 1 if certain or known else 0, known * 2 + (len(filled) > 1)))
        if certain == 2 and known > 1:
            break
    if not scores:
        return None
    best = max(scores, key=lambda score: (score[1], score[2], -score[0]))
    if best[1]:
        return best[0]
    if first_data is None:
        # Numbers only are no names of columns.
        return 0 if any(map(str.isalpha, "".join(head[0].cells))) else None
    # No word is known: the row above the first phones names the columns if it has as many cells as they.
    above = scores[-1][0]
    width = sum(bool(cell.strip()) for cell in head[first_data].cells)
    filled_above = sum(bool(cell.strip()) for cell in head[above].cells)
    return above if filled_above * 2 > width else scores[0][0]


def _divided(head: Sequence[HeadRow], at: int) -> dict[int, str]:
    """The names of columns that this row gives below a phone's heading that spans them: position -> "Телефон Личный"."""
    row, above = _with_row_above(head, at)
    stands_alone = sum(bool(cell.strip()) for cell in above) < 2
    if (
        stands_alone
        or sum(map(str.isdecimal, "".join(row))) > MAX_DIGITS
        or any((found := meaning(cell)).field == "name" and found.rank < PERSON_ALONE for cell in row)
    ):
        return {}
    names: dict[int, str] = {}
    heading = ""
    for place, cell in enumerate(row):
        own = _cell(above, place)
        if own:
            found = meaning(own)
            spans = found.field == "phone" and found.certainty > 0 and not _cell(above, place + 1)
            heading = own if spans else ""
        if cell.strip() and not heading:
            return {}
        if cell.strip():
            names[place] = f"{heading} {cell.strip()}"
    # A comment behind a row without a phone is no name: a heading that is divided has two parts at least.
    return names if len(names) > 1 else {}


def _full_names(head: Sequence[HeadRow], at: int) -> tuple[str, ...]:
    """The names in a row, with what the row above it says of several columns: a phone below "Менеджер" is a manager's."""
    row, above = _with_row_above(head, at)
    if divided := _divided(head, at):
        return tuple(divided.get(place) or _cell(above, place) for place in range(max(len(row), len(above))))
    if sum(map(bool, map(str.strip, above))) < 2:  # a title stands alone
        return tuple(head[at].cells)
    group = ""
    names = []
    for place, cell in enumerate(head[at].cells):
        group = _cell(above, place) or group
        is_others = bool(cell.strip()) and is_group_of_others(group)
        names.append(f"{group} {cell.strip()}" if is_others else cell)
    return tuple(names)


def _with_row_above(head: Sequence[HeadRow], at: int) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The cells of a row, and those of the one directly above it; nothing where either is missing or cannot be read."""
    row, above = (head[at], head[at - 1]) if 0 < at < len(head) else (None, None)
    if isinstance(row, SourceRow) and isinstance(above, SourceRow) and above.number == row.number - 1:
        return row.cells, above.cells
    return (), ()


def _cell(cells: tuple[str, ...], place: int) -> str:
    return cells[place].strip()[:MAX_HEADER] if place < len(cells) else ""


def _names(cells: tuple[str, ...]) -> tuple[str, ...]:
    names: dict[str, str] = {}
    for at, cell in enumerate(cells):
        name = " ".join(cell.split())[:MAX_HEADER] or f"column {letters(at)}"
        if name.casefold() in names:
            name = f"{name} [{letters(at)}]"
        names[name.casefold()] = name
    return tuple(names.values())


def _letters(start: int, end: int) -> tuple[str, ...]:
    return tuple(f"column {letters(at)}" for at in range(start, end))


def _width(cells: tuple[str, ...]) -> int:
    """The cells up to the last one that is not empty."""
    return next((at for at in range(len(cells), 0, -1) if cells[at - 1].strip()), 0)


def _samples(head: Sequence[HeadRow], start: int) -> tuple[tuple[str, ...], ...]:
    return tuple(row.cells for row in head[start:] if isinstance(row, SourceRow))
