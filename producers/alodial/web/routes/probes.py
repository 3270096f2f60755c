"""``/healthz``, ``/readyz`` and ``/metrics``, for monitoring systems."""

from fastapi import APIRouter
from prometheus_client.exposition import CONTENT_TYPE_LATEST
from starlette.requests import Request
from starlette.responses import Response

from ...store.redis_checks import RedisCheck
from ..context import app_context
from ..openapi import models
from ..openapi.models import answers, refusals
from ..problems import RETRY_AFTER, problem
from ..responses import json_response

router = APIRouter(tags=["watching"])


@router.get("/healthz", summary="Alive", responses=answers({200: ("This process answers", models.Status)}))
async def healthz() -> Response:
    """Asks nobody: an outage of Redis must not restart a process that keeps callbacks on disk meanwhile."""
    return json_response({"status": "ok"})


@router.get(
    "/readyz",
    summary="Ready",
    responses=refusals(503) | answers({200: ("Redis is reachable and fit", models.Ready)}),
)
async def readyz(request: Request) -> Response:
    context = app_context(request)
    if context.readiness.ending:
        detail = "This process stops soon; others go on."
        return problem(503, "stopping", detail, headers={"Retry-After": RETRY_AFTER}, findings=[])
    findings = await context.readiness.findings()
    if problem_of_spool := context.intake.spool_problem:
        # Calls and, while Redis is there, results go on: no reason to take this process out of service.
        text = f"results that come while Redis is away cannot be kept: {problem_of_spool}"
        findings = [*findings, RedisCheck("spool_not_writable", "warning", text, "correct ALODIAL_SPOOL_DIR")]
    rows = [
        {"code": f.finding, "name": f.name, "level": f.level, "message": f.message, "hint": f.hint} for f in findings
    ]
    away = any(f.level == "error" and f.name == "redis.reachable" for f in findings)
    if away or (any(f.prevents_start for f in findings) and not context.settings.accept_risk):
        code = "store_unavailable" if away else "store_unfit"
        detail = "Redis cannot be used; see findings."
        return problem(503, code, detail, headers={"Retry-After": RETRY_AFTER}, findings=rows)
    return json_response({"status": "ok", "findings": rows})


@router.get(
    "/metrics",
    summary="Prometheus",
    response_class=Response,
    responses={
        200: {"description": "Prometheus' text format", "content": {"text/plain": {"schema": {"type": "string"}}}}
    },
)
async def metrics(request: Request) -> Response:
    """Prometheus' text format. While Redis is away only `alodial_store_up 0` and this process' own figures."""
    text = await app_context(request).metrics_text.read()
    return Response(text, headers={"Content-Type": CONTENT_TYPE_LATEST})
