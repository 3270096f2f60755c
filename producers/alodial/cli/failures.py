"""Error messages, hints and exit codes for the errors that alodial raises. Imported only after one of them."""

import errno
import os
import shlex
from collections.abc import Sequence
from datetime import UTC
from typing import Any

from alodial_schemas import FieldProblem, extid_of

from ..campaigns.errors import (
    CampaignDuplicate,
    CampaignKeyConflict,
    CampaignNotFound,
    CampaignRetried,
    InvalidCampaign,
)
from ..campaigns.importing.questions import OpenQuestions
from ..errors import (
    AlodialError,
    ArchiveUnavailable,
    ArchiveUnfit,
    ConfigurationError,
    Conflict,
    InvalidCall,
    InvalidKey,
    KeyConflict,
    NoEndpoint,
    NoKey,
    NotCancelable,
    NotFound,
    NotRedialable,
    StoreFull,
    StoreUnavailable,
    StoreUnfit,
)
from ..i18n import DEFAULT, LANGUAGES, Translator
from .campaign_output import print_questions
from .language import message_language
from .output import discard_output, docs_page, document, say


class NoDeadResult(NotFound):
    """No dead result has this id."""


HINTS: dict[type[AlodialError], str] = {  # the first that fits, so the narrower ones come first
    StoreUnfit: "alodial doctor",
    StoreFull: "alodial doctor shows how full it is; stops and cancellations go on",
    StoreUnavailable: "start Redis, or correct ALODIAL_REDIS_URL; alodial doctor checks it",
    ArchiveUnfit: "correct it in the environment or in .env",
    ArchiveUnavailable: "alodial archive status; calls that are still in Redis are listed without it",
    NoDeadResult: "alodial dead list",
    NoEndpoint: "alodial webhooks list",
    CampaignNotFound: "alodial campaign list",
    KeyConflict: "alodial keys list",
    NoKey: "alodial keys list",
    NotFound: "alodial calls list",
    NotCancelable: "alodial calls show ID shows its state",
    CampaignRetried: "retry that campaign once it has ended",
    CampaignKeyConflict: "use another --key, or the same command as before",
    CampaignDuplicate: "add --again to submit them once more",
    Conflict: "alodial calls show ID shows the other call",
}

WRITE_ERRORS = {errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO}
"""Errors that only a write to a file raises."""


def report(exc: Exception, *, as_json: bool = False) -> int:
    """Prints an error with its hint, with ``as_json`` as a document too, and returns the exit code.

    Raises ``exc`` again if it is not alodial's own.
    """
    if isinstance(exc, OSError) and exc.errno in WRITE_ERRORS:
        discard_output()
        say(f"error: cannot write the output: {exc.strerror}")
        return 1
    if not isinstance(exc, AlodialError) or os.environ.get("ALODIAL_DEBUG"):
        raise exc
    if as_json:
        document(_error_document(exc))
    if isinstance(exc, InvalidCall | InvalidCampaign | InvalidKey):
        _report_problems(exc.problems)
        return 1 if isinstance(exc, InvalidCampaign) else 2
    if isinstance(exc, NotRedialable):
        say(f"error: call {exc.call_id} {exc.problem}")
        say(f"hint: {exc.remedy}")
        return 1
    if isinstance(exc, OpenQuestions):
        say(f"error: {exc.reader('check.open_questions')}")
        print_questions(exc.questions, exc.reader)
        return 1
    detail, remedy = _detail(exc)
    say(f"error: {detail}")
    if hint := remedy or _hint(exc):
        say(f"hint: {hint}")
    return 1


def _error_document(exc: AlodialError) -> dict[str, Any]:
    detail, remedy = _detail(exc)
    error: dict[str, Any] = {"code": exc.code, "detail": detail, "hint": remedy or _hint(exc), "retry": exc.retry}
    if isinstance(exc, NotRedialable):
        error["hint"] = exc.remedy
    if isinstance(exc, OpenQuestions):
        error["questions"] = [question.to_dict(exc.reader) for question in exc.questions]
    if problems := getattr(exc, "problems", None):
        error["errors"] = [
            {"field": p.field, "code": p.code, "problem": p.problem, "remedy": p.remedy} for p in problems
        ]
    return {"error": error}


def _report_problems(problems: Sequence[FieldProblem]) -> None:
    language = message_language()
    t = Translator(language if language in LANGUAGES else DEFAULT, UTC)
    for problem in problems:
        text = t.problem(problem.code, problem.problem, problem.remedy)
        say(f"error: {problem.field}: {text.problem}" if problem.field else f"error: {text.problem}")
        say(f"hint: {text.remedy}")


def _detail(exc: AlodialError) -> tuple[str, str]:
    """What is wrong, and the remedy that the text itself has, "" for none; of several faults the text stays whole."""
    parts = str(exc).split("; hint: ") if isinstance(exc, StoreUnfit) else []
    return (parts[0], parts[1]) if len(parts) == 2 else (str(exc), "")  # what is wrong, and its remedy


def _hint(exc: AlodialError) -> str:
    if isinstance(exc, ConfigurationError):
        # An error that names no setting is about an option, and its text says what to do.
        where = f"correct it in the environment or in .env; {docs_page('settings.md')} has every setting"
        return where if "ALODIAL_" in str(exc) else ""
    name = str(exc).removeprefix("no call ")
    if type(exc) is NotFound and name != str(exc) and extid_of(name) is None and not name.isdigit():
        # A call has an id and an extid; what is neither may be its reference.
        return f"alodial calls list --reference {shlex.quote(name)}"
    return next((hint for kind, hint in HINTS.items() if isinstance(exc, kind)), "")
