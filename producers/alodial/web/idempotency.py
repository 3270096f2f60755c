"""Reads the header ``Idempotency-Key``: the same key with the same body gives the same call."""

from starlette.requests import Request

from alodial_schemas import FieldProblem

from .problems import Refusal

MAX_LENGTH = 255


def idempotency_key(request: Request) -> str:
    """Returns the key, "" without the header. Raises Refusal 422 unless it is one text of visible ASCII."""
    values = request.headers.getlist("idempotency-key")
    if not values:
        return ""
    key = values[0]
    if len(values) > 1 or not 1 <= len(key) <= MAX_LENGTH or not all("!" <= ch <= "~" for ch in key):
        problem = FieldProblem(
            "Idempotency-Key",
            "bad_key",
            "is not one text of 1 to 255 visible ASCII characters",
            "send for example a UUID, the same one when you send the request again",
        )
        raise Refusal(422, "invalid_request", "The header Idempotency-Key cannot be used.", [problem])
    return key
