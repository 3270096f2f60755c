"""``POST /requestcall/{api key}``: takes AloVoice's own request, so that an integration only changes its host name."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from ...calls.prepare import prepare, read_call
from ...errors import Conflict, InvalidCall, LimitReached, StoreFull, StoreUnavailable
from ..auth import Authenticator, address_of, beginning, require_role
from ..context import app_context
from ..key_rules import caller_of, check_call
from ..openapi import bodies, models
from ..openapi.models import answers
from ..problems import RETRY_AFTER, Refusal
from ..request_bodies import MalformedBody, read_alovoice
from ..responses import json_response

router = APIRouter(tags=["drop-in"])


def _error(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return json_response({"error": text}, status, headers)


# AloVoice's servers are Express (docs/provider.md), which takes a slash at the end as well.
@router.post("/requestcall/{key}/", include_in_schema=False)
@router.post(
    "/requestcall/{key}",
    summary="AloVoice's own request",
    responses=answers(
        {
            200: ("Stored for good", models.DropInAnswer),
            400: ("The body is no call", models.DropInError),
            401: ("The key is not one of this installation", models.DropInError),
            403: ("The key lacks the role submit", models.DropInError),
            408: ("The body came too slowly", models.DropInError),
            409: ("The extid belongs to another call", models.DropInError),
            413: ("The body is above 64 KiB", models.DropInError),
            429: ("The key asks too often", models.DropInError),
            503: ("The call store is away; nothing was queued", models.DropInError),
        }
    ),
    openapi_extra=bodies.DROP_IN,
)
async def request_call(request: Request, key: str) -> Response:
    """Multipart with bracket names or JSON-text parts, urlencoded or JSON. The same extid and body: the same call."""
    context = app_context(request)
    authenticator: Authenticator = request.app.state.authenticator
    try:
        api_key = await authenticator.authenticate(key, address_of(request))
        if api_key is None:
            begins = f"; it begins with {begins}…" if (begins := beginning(key)) else ""
            return _error(401, f"the key in the address is not one of this installation{begins}")
        require_role(api_key, "submit")
        call = read_call(await read_alovoice(request), context.settings)
        check_call(api_key, call, context.settings)
        new_call = prepare(call, context.settings, scope=api_key.scope, caller=caller_of(api_key))
        placed = await context.acceptor.accept(new_call)
    except MalformedBody as exc:
        return _error(400, f"the body does not parse: {exc}")
    except InvalidCall as exc:
        return _error(400, "; ".join(map(str, exc.problems)))
    except LimitReached as exc:
        return _error(429, str(exc), {"Retry-After": str(max(1, round(exc.wait)))})
    except Conflict as exc:
        return _error(409, str(exc))
    except Refusal as exc:
        return _error(exc.status, exc.detail, exc.headers)
    except StoreFull as exc:
        return _error(503, str(exc), {"Retry-After": RETRY_AFTER})
    except StoreUnavailable:
        return _error(503, "the call store is away, nothing was queued; send it again", {"Retry-After": RETRY_AFTER})
    return json_response({"answer": {"id": placed.id, "extid": placed.extid}})
