"""What can go wrong at the front door.

AlodialError                 code, retry (may the same request succeed later?), level (how it is logged)
+-- InvalidCall              422  no   bad input; `problems` names each field, its problem and the remedy
+-- Conflict                 409  no   the same key or extid with another body
+-- NotFound                 404  no
+-- NotCancelable            409  no   it is being submitted, or was
+-- NotRedialable            409  no   it is under way, or its campaign redials it
+-- StoreUnavailable         503  yes  Redis is away, full, loading or read-only; nothing was queued
|   +-- StoreUnfit           503  no   Redis would lose calls as it is set up; says which command mends it
+-- ConfigurationError        -   no   a setting is missing or wrong; names the setting, never its value
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

    def __init__(self, code: Literal["extid_conflict", "idempotency_conflict"], extid: str, call_id: str) -> None:
        field = "extid" if code == "extid_conflict" else "Idempotency-Key"
        problem = f"belongs to call {call_id or extid} with another body"
        self.code = code  # type: ignore[misc]  # one class for both codes
        self.extid = extid
        self.call_id = call_id
        self.problems = [FieldProblem(field, code, problem, f"use another {field} or send the same body")]
        super().__init__(f"{code}: {self.problems[0]}")


class NotFound(AlodialError):
    code = "not_found"
    level = "info"


class NoEndpoint(NotFound):
    """No webhook endpoint has that id."""


class NotCancelable(AlodialError):
    """Too late: the call is being submitted, or it has ended."""

    code = "not_cancelable"
    level = "info"

    def __init__(self, call_id: str, state: str) -> None:
        self.call_id = call_id
        self.state = state
        super().__init__(f"call {call_id} is {state} and can no longer be canceled")


class NotRedialable(AlodialError):
    """It is not to be rung again in this way; ``remedy`` says what to do instead."""

    code = "not_redialable"
    level = "info"

    def __init__(self, call_id: str, state: str, problem: str, remedy: str) -> None:
        self.call_id = call_id
        self.state = state
        self.problem = problem
        self.remedy = remedy
        super().__init__(f"call {call_id} {problem}; {remedy}")


class StoreUnavailable(AlodialError):
    """Redis did not do what it was asked; the change it was asked for must be taken as not made."""

    code = "store_unavailable"
    retry = True
    level = "error"


class StoreUnfit(StoreUnavailable):
    """Redis answers, but would lose calls as it is set up."""

    code = "store_unfit"
    retry = False
    level = "critical"


class ConfigurationError(AlodialError):
    code = "configuration"
    level = "critical"
