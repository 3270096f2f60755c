"""The base of all errors, and the two that name wrong fields. `alodial.errors` has the rest of the family."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence


class AlodialError(Exception):
    """Base of all errors that alodial raises on purpose.

    `code` names the error for programs, `retry` says whether the same request may succeed later, `level` is the log level.
    """

    code: ClassVar[str] = "error"
    retry: ClassVar[bool] = False
    level: ClassVar[str] = "warning"


@dataclass(frozen=True, slots=True)
class FieldProblem:
    """One wrong field: `field` is a dotted path such as "callto.0.phone", "" for the body as a whole.

    `code` is for programs, `problem` and `remedy` are for people. None of them shows a phone number in full.
    """

    field: str
    code: str
    problem: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.field or 'the body'}: {self.problem}; {self.remedy}"


class _InvalidFields(AlodialError):
    def __init__(self, problems: Sequence[FieldProblem]) -> None:
        super().__init__(problems)
        self.problems = list(problems)

    def __str__(self) -> str:
        return "; ".join(map(str, self.problems))


class InvalidCall(_InvalidFields, ValueError):
    """The call cannot be placed as it is written. `problems` names each bad field with its remedy."""

    code = "invalid_call"
    level = "info"

    def __str__(self) -> str:
        return "; ".join(f"{p.field or 'the call'}: {p.problem} ({p.remedy})" for p in self.problems)


class InvalidCampaign(_InvalidFields):
    """The campaign's own fields are wrong. `problems` names each bad field with its remedy."""

    code = "invalid_campaign"
