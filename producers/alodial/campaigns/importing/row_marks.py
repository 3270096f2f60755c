"""What a row says beside its phone: that its person is not to be called, that it is a total, or of another country."""

from typing import Final, NamedTuple

from .columns import Columns
from .header_words import normalise_name

DO_NOT_CALL: Final = frozenset(
    {
        "не звонить", "не звонить больше", "больше не звонить", "не обзванивать", "не беспокоить", "отказ от звонков",
        "отказ от обзвона", "отказался от звонков", "просил не звонить", "просила не звонить", "просит не звонить", "стоп",
        "стоп лист", "чс", "черный список", "отписан", "отписался", "отписалась", "отписка",
        "do not call", "donotcall", "don't call", "dont call", "do not contact", "dnc", "opt out", "opted out",
        "optout", "unsubscribed", "unsubscribe", "blacklist", "blacklisted", "stop list", "stoplist",
        "qo'ng'iroq qilinmasin", "qo'ng'iroq qilmang", "qo'ng'iroq qilmaslik", "qora ro'yxat",
        "қўнғироқ қилинмасин", "қўнғироқ қилманг", "қўнғироқ қилмаслик", "қора рўйхат",
    }
)  # fmt: skip
"""A column of this name marks people with anything but "нет"; a comment or a status of this text marks its own."""

CONSENT: Final = frozenset(
    {
        "согласие на звонок", "согласие на звонки", "согласие на обзвон", "можно звонить", "разрешен звонок", "звонить",
        "разрешение на звонок", "consent", "call consent", "opt in", "optin", "may call", "can call", "call allowed",
        "qo'ng'iroq qilish mumkin", "qo'ng'iroqqa rozilik", "қўнғироқ қилиш мумкин", "қўнғироққа розилик",
    }
)  # fmt: skip
"""A column of this name marks with "нет"."""

_DEAD: Final = frozenset(
    {"умер", "умерла", "умер ла", "скончался", "скончалась", "deceased", "died", "vafot etgan", "вафот этган"}
)
_REMARKS: Final = DO_NOT_CALL | _DEAD
_REMARK_STARTS: Final = frozenset(remark[:2] for remark in _REMARKS)
_APOSTROPHES: Final = str.maketrans("ʻʼ‘’`", "'''''")
_COMMENTS: Final = frozenset(
    {
        "примечание", "примечания", "комментарий", "комментарии", "коммент", "статус", "состояние", "отметка", "пометка",
        "метка", "результат", "тег", "теги", "comment", "comments", "note", "notes", "remark", "remarks", "status", "tag",
        "tags", "result", "izoh", "holati", "holat", "natija", "изоҳ", "ҳолати", "ҳолат", "натижа",
    }
)  # fmt: skip
_NO: Final = frozenset({"нет", "no", "n", "н", "0", "false", "ложь", "yo'q", "йўқ", "-", "–", "—"})

_ANSWERS: Final = frozenset({"да", "нет", "yes", "no", "y", "n", "ha", "yo'q", "ҳа", "йўқ", "is"})

_COUNTRY: Final = frozenset(
    {
        "страна", "код страны", "телефонный код страны", "страна телефона", "country", "country code", "countrycode",
        "phone country", "phone country code", "dialing code", "calling code", "davlat", "davlat kodi", "mamlakat",
        "mamlakat kodi", "давлат", "давлат коди", "мамлакат", "мамлакат коди",
    }
)  # fmt: skip
_UZBEKISTAN: Final = frozenset(
    {
        "uz", "uzb", "узб", "уз", "руз", "рузб", "998", "00998", "860",
        "г ташкент", "ташкент", "toshkent", "tashkent",
    }
)  # fmt: skip

_UZBEK: Final = ("uzbek", "o'zbek", "ozbek", "узбек", "ўзбек")

_TOTAL: Final = frozenset({"ито", "все", "под", "tot", "sub", "gra", "jam", "жам", "исп", "сос", "pre", "tuz"})
_ALWAYS: Final = frozenset({"итого", "подытог", "subtotal", "jami", "жами"})
_ALONE: Final = frozenset({"итог", "итоги", "всего", "total", "totals", "grand total", "sub total"})
_SIGNED: Final = ("исполнитель:", "составил:", "составитель:", "подготовил:", "prepared by:", "tuzuvchi:")


class RowMark(NamedTuple):
    """Why a row is not called: the column's position, and what a problem says."""

    at: int
    code: str
    problem: str
    remedy: str


class RowMarks:
    """Reads the marks of the rows of one file. A column that is used for a field of the call marks nothing."""

    def __init__(self, columns: Columns) -> None:
        used = set(columns.positions().values())
        names = [(at, _plain(name)) for at, name in enumerate(columns.names) if at not in used]
        self._phone = columns.phones[0]
        beside = min(1, len(columns.names) - 1) if columns.name is None else columns.name
        self._label = beside if self._phone == 0 else 0
        self._refusals = [at for at, name in names if name in _REMARKS]
        self._consents = [at for at, name in names if name in CONSENT]
        self._comments = [at for at, name in names if not _COMMENTS.isdisjoint(name.split())]
        self._marks = bool(self._refusals or self._consents or self._comments)
        self.country = next((at for at, name in names if name in _COUNTRY), None)

    def mark(self, cells: tuple[str, ...]) -> RowMark | None:
        """What keeps the row from being called, although it has a phone."""
        label = cells[self._label] or next(filter(None, cells))
        if label[:3].lower() in _TOTAL and _is_total(label) and (at := cells.index(label)) != self._phone:
            remedy = "remove the row; a list ends with its last person"
            return RowMark(at, "total_row", "is a total or a signature below a list, and no person", remedy)
        return self._refusal(cells) if self._marks else None

    def _refusal(self, cells: tuple[str, ...]) -> RowMark | None:
        for at in self._comments:
            # Nearly all comments differ in their first letters.
            if cells[at].lstrip(' !*.-(«"')[:2].lower() in _REMARK_STARTS and normalise_name(cells[at]) in _REMARKS:
                return _marked(at)
        for at in self._refusals:
            if (text := cells[at].strip().casefold()) and text.translate(_APOSTROPHES) not in _NO:
                return _marked(at)
        for at in self._consents:
            if cells[at].strip().casefold().translate(_APOSTROPHES) in _NO:
                return _marked(at)
        return None

    def is_abroad(self, cells: tuple[str, ...]) -> bool:
        """Whether the row names another country than Uzbekistan."""
        text = "" if self.country is None else cells[self.country]
        if not text.strip():
            return False
        name = normalise_name(text)
        return name not in _UZBEKISTAN and not any(word.startswith(_UZBEK) for word in name.split())


def _plain(name: str) -> str:
    """A column's name without the answers that it asks for: "Не звонить (да/нет)"."""
    return " ".join(word for word in normalise_name(name).split() if word not in _ANSWERS)


def _marked(at: int) -> RowMark:
    remedy = "remove the row, or empty the cell if the person may be called"
    return RowMark(at, "marked_do_not_call", "says that this person is not to be called", remedy)


def _is_total(label: str) -> bool:
    text = label.strip().casefold()
    if text.startswith(_SIGNED):
        return True
    words = normalise_name(text).split()
    return bool(words) and (words[0] in _ALWAYS or " ".join(words) in _ALONE or (":" in text and words[0] in _ALONE))
