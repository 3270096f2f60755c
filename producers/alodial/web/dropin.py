"""``POST /requestcall/{api key}``: AloVoice's own request; an integration changes its host name and gains the queue."""

from fastapi import APIRouter
from starlette.requests import Request
from starlette.responses import Response

from alodial_schemas import FieldProblem

from ..errors import Conflict, InvalidCall, StoreUnavailable
from ..prepare import prepare, read_call
from . import shapes
from .access import Door, address_of, demand
from .answers import answer
from .bodies import MalformedBody, read_alovoice
from .parts import parts_of
from .problems import RETRY_AFTER, Refusal

router = APIRouter(tags=["drop-in"])


def _refused(status: int, text: str, headers: dict[str, str] | None = None) -> Response:
    return answer({"error": text}, status, headers)


def _sentence(problems: list[FieldProblem]) -> str:
    return "; ".join(str(problem) for problem in problems)


@router.post(
    "/requestcall/{key}",
    summary="AloVoice's own request",
    responses=shapes.answers(
        {
            200: ("Stored for good", shapes.DropInAnswer),
            400: ("The body is no call", shapes.DropInError),
            401: ("The key is none of ALODIAL_API_KEYS", shapes.DropInError),
            403: ("The key lacks the role submit", shapes.DropInError),
            408: ("The body came too slowly", shapes.DropInError),
            409: ("The extid belongs to another call", shapes.DropInError),
            413: ("The body is above 64 KiB", shapes.DropInError),
            429: ("The key asks too often", shapes.DropInError),
            503: ("The call store is away; nothing was queued", shapes.DropInError),
        }
    ),
    openapi_extra=shapes.DROP_IN_BODY,
)
async def request_call(request: Request, key: str) -> Response:
    """Multipart with bracket names or JSON-text parts, urlencoded or JSON. The same extid and body: the same call."""
    parts = parts_of(request)
    door: Door = request.app.state.door
    try:
        by = door.enter(key, address_of(request))
        if by is None:
            return _refused(401, "the key in the address is none of ALODIAL_API_KEYS")
        demand(by, "submit")
        call = read_call(await read_alovoice(request), parts.settings)
        placed = await parts.taker.take(prepare(call, parts.settings, scope=by.scope, owner=by.name))
    except MalformedBody as exc:
        return _refused(400, f"the body does not parse: {exc}")
    except InvalidCall as exc:
        return _refused(400, _sentence(exc.problems))
    except Conflict as exc:
        return _refused(409, f"extid: belongs to call {exc.call_id or exc.extid} with another body; use another extid")
    except Refusal as exc:
        return _refused(exc.status, exc.detail, exc.headers)
    except StoreUnavailable:
        return _refused(503, "the call store is away, nothing was queued; send it again", {"Retry-After": RETRY_AFTER})
    return answer({"answer": {"id": placed.id, "extid": placed.extid}})
