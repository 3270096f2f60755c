"""The errors that alodial raises on purpose.

Each has a ``code`` for programs, ``retry`` (whether the same request may succeed later) and ``level`` (of its log line).

| error                | HTTP | retry | level    | code                                     |
| -------------------- | ---- | ----- | -------- | ---------------------------------------- |
| InvalidCall          | 422  | no    | info     | invalid_call                             |
| Conflict             | 409  | no    | info     | extid_conflict, idempotency_conflict     |
| LimitReached         | 429  | yes   | info     | limit_reached                            |
| NotFound             | 404  | no    | info     | not_found                                |
| NotCancelable        | 409  | no    | info     | not_cancelable                           |
| NotRedialable        | 409  | no    | info     | not_redialable                           |
| KeyConflict          | 409  | no    | info     | key_exists                               |
| InvalidKey           | 422  | no    | info     | invalid_key                              |
| InvalidEndpoint      | 422  | no    | info     | url_...                                  |
| StoreUnavailable     | 503  | yes   | error    | store_unavailable                        |
| StoreFull            | 503  | yes   | error    | store_full                               |
| StoreUnfit           | 503  | no    | critical | store_unfit                              |
| ArchiveUnavailable   | 503  | yes   | error    | archive_unavailable                      |
| ArchiveUnfit         | 503  | no    | critical | archive_unfit                            |
| ConfigurationError   | -    | no    | critical | configuration                            |
"""

from typing import Literal

from alodial_schemas.errors import AlodialError as AlodialError  # noqa: PLC0414  # exported from here too
from alodial_schemas.errors import FieldProblem
from alodial_schemas.errors import InvalidCall as InvalidCall  # noqa: PLC0414  # exported from here too


class Conflict(AlodialError):
    """The extid or idempotency key belongs to another call: ``code`` is extid_conflict or idempotency_conflict.

    ``extid`` and ``call_id`` name the other call (``call_id`` is "" for an extid that a redial used); ``problems`` holds
    the field with its problem and remedy.
    """

    level = "info"

    def __init__(
        self, code: Literal["extid_conflict", "idempotency_conflict"], extid: str, call_id: str, *, kind: str = "call"
    ) -> None:
        field = "extid" if code == "extid_conflict" else "Idempotency-Key"
        problem = f"belongs to {kind} {call_id or extid} with another body"
        self.code = code  # type: ignore[misc]  # one class for both codes
        self.extid = extid
        self.call_id = call_id
        self.problems = [FieldProblem(field, code, problem, f"use another {field} or send the same body")]
        super().__init__(f"{code}: {self.problems[0]}")


class LimitReached(AlodialError):
    """A limit of the API key is used up: ``limit`` is its name; there is room again in ``wait`` seconds. Retry then."""

    code = "limit_reached"
    retry = True
    level = "info"

    def __init__(self, limit: str, wait: float) -> None:
        self.limit = limit
        self.wait = wait
        super().__init__(f"the limit {limit} of this key is reached; ask again in {wait:.0f} s")


class NotFound(AlodialError):
    """No call, campaign or other thing has that name. Do not retry; logged as info; code ``not_found``."""

    code = "not_found"
    level = "info"


class NoEndpoint(NotFound):
    """No webhook endpoint has that id. As :class:`NotFound`."""


class InvalidEndpoint(AlodialError):
    """A webhook endpoint cannot have that URL: ``code``, ``problem`` and ``remedy`` say why. Do not retry; logged as info."""

    level = "info"

    def __init__(self, code: str, problem: str, remedy: str) -> None:
        self.code = code  # type: ignore[misc]  # a code for each problem
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"url: {problem}; {remedy}")


class NoKey(NotFound):
    """No API key that was made at run time has that name. As :class:`NotFound`."""


class NotCancelable(AlodialError):
    """The call is being submitted or has ended; ``state`` says which. Do not retry; logged as info."""

    code = "not_cancelable"
    level = "info"

    def __init__(self, call_id: str, state: str) -> None:
        self.call_id = call_id
        self.state = state
        super().__init__(f"call {call_id} is {state} and can no longer be canceled")


class NotRedialable(AlodialError):
    """The call cannot be redialed in its state; ``remedy`` says what to do instead. Do not retry; logged as info."""

    code = "not_redialable"
    level = "info"

    def __init__(self, call_id: str, state: str, problem: str, remedy: str) -> None:
        self.call_id = call_id
        self.state = state
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"call {call_id} {problem}; {remedy}")


class KeyConflict(AlodialError):
    """An API key of this name exists, or existed. Do not retry; logged as info; code ``key_exists``."""

    code = "key_exists"
    level = "info"


class InvalidKey(AlodialError):
    """An API key cannot be as it is described; ``problems`` names the field. Do not retry; logged as info."""

    code = "invalid_key"
    level = "info"

    def __init__(self, field: str, problem: str, remedy: str, code: str = "bad_value") -> None:
        self.problems = [FieldProblem(field, code, problem, remedy)]
        super().__init__(f"{field}: {problem}; {remedy}")


class StoreUnavailable(AlodialError):
    """Redis is away, loading or read-only; treat the change as not made. Retry later; logged as error."""

    code = "store_unavailable"
    retry = True
    level = "error"


class StoreFull(StoreUnavailable):
    """Redis has no room for more; nothing was stored. Retry once there is room; logged as error; ``remedy`` says how.

    Above nine tenths of its ``maxmemory`` no new call or campaign is taken. Stops, cancellations, do-not-call lists and
    results go on.
    """

    code = "store_full"
    remedy = "raise maxmemory in Redis, or shorten ALODIAL_CALL_RETENTION, and send it again"

    def __init__(self, used: str = "") -> None:
        """``used`` are the bytes that Redis uses and its limit, as scripts answer them; "" where they are not known."""
        figures = [f"{int(figure) / 2**20:.1f}" for figure in used.split()]
        problem = "the store is full, nothing was stored"
        if len(figures) == 2:  # both of them
            problem = f"the store is full ({figures[0]} of {figures[1]} MB used), nothing was stored"
        self.problems = [FieldProblem("", self.code, problem, self.remedy)]
        super().__init__(f"{problem}; {self.remedy}")


class StoreUnfit(StoreUnavailable):
    """Redis answers, but as configured it would lose calls; the message names the remedy. No retry; logged as critical."""

    code = "store_unfit"
    retry = False
    level = "critical"


class ArchiveUnavailable(AlodialError):
    """The archive's database is away or cannot work now; nothing was written, or cannot be read. Retry later; logged as error.

    ``trouble`` is ``full`` where its disk is, else ``unavailable``.
    """

    code = "archive_unavailable"
    retry = True
    level = "error"

    def __init__(self, message: str, trouble: str = "unavailable") -> None:
        super().__init__(message)
        self.trouble = trouble


class ArchiveUnfit(ArchiveUnavailable):
    """The archive answers, but its calls are those of another namespace; the message names the remedy. No retry; logged as
    critical."""

    code = "archive_unfit"
    retry = False
    level = "critical"

    def __init__(self, owner: str, namespace: str) -> None:
        self.owner = owner
        super().__init__(
            f"ALODIAL_ARCHIVE_URL: its calls are those of namespace {owner}; give {namespace} a database of its own"
        )


class ConfigurationError(AlodialError):
    """A setting is missing or wrong. The message names the setting, never its value. Do not retry; logged as critical."""

    code = "configuration"
    level = "critical"
