"""Answers for errors: RFC 9457 problem documents, which name each bad field and no internals."""

import json
from collections.abc import Mapping, Sequence
from contextvars import ContextVar
from datetime import UTC
from http import HTTPStatus
from typing import Any

import structlog
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import compile_path

from alodial_schemas import FieldProblem
from alodial_schemas.counts import count_text

from ..campaigns.errors import BadFile, CampaignDuplicate, CampaignNotAllowed, InvalidCampaign
from ..campaigns.importing.questions import OpenQuestions, Question
from ..errors import (
    AlodialError,
    ArchiveUnavailable,
    ArchiveUnfit,
    Conflict,
    InvalidCall,
    InvalidKey,
    KeyConflict,
    LimitReached,
    NotCancelable,
    NotFound,
    NotRedialable,
    StoreFull,
    StoreUnavailable,
)
from ..i18n import ENGLISH, Translator, preferred
from .rate_limit import RateLimiter

CONTENT_TYPE = "application/problem+json"
RETRY_AFTER = "5"
"""Seconds after which a caller should try again: about the time that Redis needs to restart."""

_ABSENT = {
    "no call ": "ids are kept for ALODIAL_CALL_RETENTION seconds after a call's end",
    "no campaign ": "GET /v1/campaigns lists campaigns",
    "no webhook endpoint ": "GET /v1/webhooks lists them",
    "no API key ": "GET /v1/keys lists them",
}
"""Hints by how the error begins."""

log = structlog.get_logger("alodial.web")

_strangers = RateLimiter(1, 20)
"""Lines a second of requests without a key: more would wash the lines of all processes out of `alodial logs`."""

_callers = RateLimiter(10, 200)
"""Lines a second, of one code, of requests with a key."""

_TITLES: Mapping[str, str] = {
    "invalid_call": "The call cannot be placed as it is written",
    "invalid_request": "The request is not understood",
    "malformed_json": "The body is not JSON",
    "unauthorized": "An API key is needed",
    "forbidden": "The API key does not permit it",
    "too_many_requests": "Too many requests",
    "limit_reached": "A limit of the API key is reached",
    "not_found": "Not found",
    "events_gone": "These events are kept no longer",
    "method_not_allowed": "This address does not take that method",
    "idempotency_conflict": "The Idempotency-Key belongs to another call",
    "extid_conflict": "The extid belongs to another call",
    "wrong_host": "The request was sent to another name",
    "key_exists": "The name of the key is taken",
    "invalid_key": "The key cannot be as it is described",
    "not_cancelable": "The call can no longer be canceled",
    "invalid_campaign": "The campaign cannot be submitted as it is written",
    "bad_file": "The file cannot be read",
    "open_questions": "The file leaves a doubt",
    "campaign_duplicate": "These rows were submitted before",
    "campaign_state": "The campaign's state does not permit it",
    "malformed_form": "The form cannot be read",
    "unsupported_media_type": "A body of another kind is needed",
    "too_large": "The body is too large",
    "too_many_rows": "Too many rows",
    "too_much_work": "Reading it takes too long",
    "too_slow": "The body came too slowly",
    "store_unavailable": "The call store is away",
    "archive_unavailable": "The archive is away",
    "archive_unfit": "The archive belongs to another namespace",
    "store_full": "The store is full",
    "store_unfit": "The call store would lose calls as it is set up",
    "overloaded": "Too much at once",
    "stopping": "The process stops",
    "internal_error": "Something went wrong here",
}

CODES = frozenset(_TITLES) - {"internal_error"}


def title_of(code: str) -> str:
    return _TITLES.get(code, code.replace("_", " ").capitalize())


class Refusal(Exception):
    """Refuses a request with a problem document; its arguments are those of :func:`problem`.

    ``limit`` names the limit that was reached, in the document's member of that name; ``title`` replaces that of the code.
    """

    def __init__(
        self,
        status: int,
        code: str,
        detail: str,
        problems: Sequence[FieldProblem] = (),
        headers: Mapping[str, str] | None = None,
        *,
        limit: str = "",
        title: str = "",
    ) -> None:
        self.limit = limit
        self.title = title
        self.status = status
        self.code = code
        self.detail = detail
        self.problems = problems
        self.headers = dict(headers or {})
        super().__init__(code)


def field_errors(problems: Sequence[FieldProblem]) -> list[dict[str, str]]:
    return [{"field": p.field, "code": p.code, "problem": p.problem, "remedy": p.remedy} for p in problems]


def problem(
    status: int,
    code: str,
    detail: str,
    problems: Sequence[FieldProblem] = (),
    headers: Mapping[str, str] | None = None,
    **more: Any,
) -> Response:
    """Returns a problem document: type, title, status, detail, code, ``errors`` for bad fields, and the members ``more``."""
    body: dict[str, Any] = {
        "type": f"urn:alodial:problem:{code}",
        "title": _TITLES.get(code, HTTPStatus(status).phrase),
        "status": status,
        "detail": detail,
        "code": code,
    }
    if problems:
        body["errors"] = field_errors(problems)
    return Response(json.dumps(body | more).encode(), status, dict(headers or {}), CONTENT_TYPE)


_docs_shown: ContextVar[bool] = ContextVar("docs_shown", default=True)


def show_docs(there: bool) -> None:
    """Says for the rest of this request whether ``/docs`` is there for its sender."""
    _docs_shown.set(there)


def not_found() -> Response:
    """Returns the answer of an unknown address, and of everything that must look like one."""
    listed = "; the addresses are listed at /docs" if _docs_shown.get() else ""
    return problem(404, "not_found", f"There is nothing at this address{listed}.")


def _see_errors(count: int, kind: str) -> str:
    return f"{count_text(count, f'invalid {kind}')}; see errors."


def invalid_fields(problems: Sequence[FieldProblem], kind: str = "field") -> Refusal:
    """Returns the refusal 422 of a request with bad fields or parameters (``kind``)."""
    return Refusal(422, "invalid_request", _see_errors(len(problems), kind), problems)


def too_large(limit: int) -> Refusal:
    """Returns the refusal 413 of a body above ``limit`` bytes."""
    # What is left of the body is not read, so the connection cannot be used again.
    detail = f"The body is above {limit} bytes; send less at once."
    return Refusal(413, "too_large", detail, headers={"Connection": "close"})


def _log_refused(code: str, lines: RateLimiter = _callers, **fields: Any) -> None:
    if not lines.take(code):
        log.info("request.refused", code=code, **fields)


def of_error(exc: AlodialError, t: Translator = ENGLISH) -> Response:
    """Returns the answer for an error of the library, and logs it. What it says about a file is in the reader's language."""
    if isinstance(exc, InvalidCall | InvalidCampaign | InvalidKey):
        _log_refused(exc.code, fields=[p.field for p in exc.problems])
        return problem(422, exc.code, _see_errors(len(exc.problems), "field"), exc.problems)
    if isinstance(exc, OpenQuestions):
        _log_refused("open_questions", questions=[question.code for question in exc.questions])
        problems = [FieldProblem("file", q.code, q.text(t), _remedy(q)) for q in exc.questions]
        detail = (
            f"{count_text(len(exc.questions), 'open question')} about the file; send the answers with the campaign."
        )
        asked = [question.to_dict(t) for question in exc.questions]
        return problem(422, "open_questions", detail, problems, questions=asked)
    if isinstance(exc, BadFile):
        _log_refused(exc.code)
        text = t.problem(exc.code, exc.problem, exc.remedy)
        problems = [FieldProblem("file", exc.code, text.problem, text.remedy)]
        return problem(422, "bad_file", "The file cannot be read; see errors.", problems)
    if isinstance(exc, CampaignDuplicate):
        _log_refused(exc.code, campaign=exc.id)
        more: dict[str, Any] = {"campaign_id": exc.id} if exc.id else {}
        return problem(409, exc.code, f"{exc}; {exc.remedy}.", **more)
    if isinstance(exc, CampaignNotAllowed | KeyConflict):
        return problem(409, exc.code, str(exc))
    if isinstance(exc, Conflict):
        _log_refused(exc.code, call_id=exc.call_id)
        return problem(409, exc.code, str(exc.problems[0]))
    if isinstance(exc, LimitReached):
        headers = {"Retry-After": str(max(1, round(exc.wait)))}
        return problem(429, exc.code, f"{exc}.", headers=headers, limit=exc.limit)
    if isinstance(exc, NotFound):
        return problem(404, exc.code, f"{exc}{_hint(str(exc))}.")
    if isinstance(exc, NotRedialable | NotCancelable):
        return problem(409, exc.code, str(exc), state=exc.state)
    if isinstance(exc, ArchiveUnavailable):
        log.warning("request.refused", code=exc.code, reason=str(exc))
        if isinstance(exc, ArchiveUnfit):
            return problem(503, exc.code, f"{exc}.")
        detail = "The database of archived calls does not answer; what is in Redis can be read, older calls cannot now."
        return problem(503, exc.code, detail, headers={"Retry-After": RETRY_AFTER})
    if isinstance(exc, StoreUnavailable):
        log.error("request.refused", code=exc.code, reason=str(exc))
        if isinstance(exc, StoreFull):
            return problem(
                503, exc.code, f"{str(exc)[:1].upper()}{str(exc)[1:]}.", headers={"Retry-After": RETRY_AFTER}
            )
        detail = (
            "The call store does not answer; take the request as not done and send it again with its Idempotency-Key."
        )
        return problem(503, exc.code, detail, headers={"Retry-After": RETRY_AFTER})
    log.error("request.failed", code=exc.code, error=type(exc).__name__)
    return internal_error()


def _hint(absent: str) -> str:
    """What helps whoever names a thing that is not there, by the words of the error: they are the same for a hidden one."""
    return next((f"; {hint}" for begin, hint in _ABSENT.items() if absent.startswith(begin)), "")


def _remedy(question: Question) -> str:
    answers = (json.dumps(choice.answer, ensure_ascii=False) for choice in question.choices[:4])
    return f"add to the campaign one of {', '.join(answers)}" if question.choices else "correct the file"


def internal_error() -> Response:
    """Returns the answer 500, which names nothing but the request's id."""
    return problem(500, "internal_error", "The fault is ours and is in our log under this answer's X-Request-ID.")


def of_refusal(exc: Refusal) -> Response:
    """Returns the answer for a refusal, and logs it; of those that a stranger can have at will, a few."""
    lines = _strangers if exc.status in (401, 429) else _callers
    _log_refused(exc.code, lines, status=exc.status, fields=[p.field for p in exc.problems])
    more = {name: value for name, value in (("limit", exc.limit), ("title", exc.title)) if value}
    return problem(exc.status, exc.code, exc.detail, exc.problems, exc.headers, **more)


async def answer_alodial_error(request: Request, exc: Exception) -> Response:
    assert isinstance(exc, AlodialError)  # noqa: S101  # Starlette registers it for this class alone
    return of_error(exc, Translator(preferred(request.headers.get("accept-language", "")), UTC))


async def answer_refusal(_request: Request, exc: Exception) -> Response:
    assert isinstance(exc, Refusal)  # noqa: S101  # as above
    return of_refusal(exc)


def _allowed(request: Request) -> dict[str, str]:
    """Returns ``Allow`` with the methods of all routes of this address: Starlette names only those of the first route."""
    document: dict[str, Any] = request.app.openapi()
    for path, methods in document["paths"].items():
        if compile_path(path)[0].match(request.scope["path"]):
            return {"Allow": ", ".join(sorted(method.upper() for method in methods))}
    return {}


async def answer_http_error(request: Request, exc: Exception) -> Response:
    """Answers Starlette's own errors: an unknown path or a wrong method."""
    assert isinstance(exc, HTTPException)  # noqa: S101  # as above
    if exc.status_code == 404:
        return not_found()
    if exc.status_code == 405:
        headers = dict(exc.headers or {}) | _allowed(request)
        return problem(405, "method_not_allowed", "Use a method that the header Allow names.", headers=headers)
    return problem(exc.status_code, "invalid_request", HTTPStatus(exc.status_code).phrase, headers=exc.headers)


def _parameter_texts(error: Mapping[str, Any]) -> tuple[str, str]:
    """Problem and remedy for pydantic's error about a parameter, in our words."""
    expected = str(error.get("ctx", {}).get("expected", ""))
    if error["type"] in {"enum", "literal_error"} and expected:
        return "is none of the values that it may have", f"give {expected.replace(chr(39), '')}"
    if error["type"] == "missing":
        return "is missing", "give it"
    text = str(error["msg"])
    return f"{text[:1].lower()}{text[1:]}".replace("input should", "must", 1), "correct it, or leave it out"


async def answer_validation_error(_request: Request, exc: Exception) -> Response:
    """Answers FastAPI's own errors: a bad parameter in the query or the path. Values are not repeated: they may be phones."""
    assert isinstance(exc, RequestValidationError)  # noqa: S101  # as above
    problems = [
        FieldProblem(".".join(str(part) for part in e["loc"][1:]), "invalid", *_parameter_texts(e))
        for e in exc.errors()
    ]
    refusal = invalid_fields(problems, "parameter")
    return problem(refusal.status, refusal.code, refusal.detail, problems)
