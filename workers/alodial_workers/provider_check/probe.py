"""Looks at AloVoice's address without a POST: the name, the certificate, an answer to a GET of the root. Nothing rings."""

import asyncio
import ssl
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime

import httpx

from alodial.store.redis_address import failure_cause

from ..alovoice.resolver import look_up
from ..alovoice.transport import trusted_context

SOON = 14
"""Days before a certificate's end from which on the step warns."""


@dataclass(frozen=True, slots=True)
class Step:
    """A step's outcome: ``label`` is how it is classed, ``remedy`` what to do when it is not ``ok``.

    ``values`` has the parts of ``observed``, for a page that puts them into the reader's language.
    """

    name: str
    ok: bool
    observed: str
    label: str
    remedy: str = ""
    values: Mapping[str, str] = field(default_factory=dict)


async def resolve(host: str, port: int, seconds: float) -> tuple[Step, Sequence[str]]:
    """Looks the name up, and returns the step with the addresses."""
    try:
        async with asyncio.timeout(seconds):
            addresses = await asyncio.to_thread(look_up, host, port)
    except (OSError, UnicodeError, TimeoutError, httpx.HTTPError) as exc:
        remedy = "check ALODIAL_PROVIDER_URL and the name server of this machine"
        return Step("dns", False, f"{host}: {failure_cause(exc)}", "dns_failed", remedy), ()
    return Step("dns", bool(addresses), f"{host}: {', '.join(addresses[:8])}", "resolved"), addresses


async def certificate(
    host: str, port: int, addresses: Sequence[str], seconds: float, context: ssl.SSLContext | None = None
) -> Step:
    """Shakes hands with the trust that calls use, and returns the issuer and the end of the certificate."""
    remedy = "calls trust certifi's authorities alone: a proxy that opens TLS, or a wrong ALODIAL_PROVIDER_URL"
    try:
        async with asyncio.timeout(seconds):
            _, writer = await asyncio.open_connection(
                addresses[0], port, ssl=context or trusted_context(), server_hostname=host
            )
    except ssl.SSLCertVerificationError as exc:
        return Step("tls", False, f"{host}: {exc.verify_message}", "tls_untrusted", remedy)
    except ssl.SSLError as exc:
        return Step("tls", False, f"{host}: {exc.reason or 'TLS failed'}", "tls_failed", remedy)
    except (OSError, TimeoutError) as exc:
        return Step("tls", False, f"{host}:{port}: {failure_cause(exc)}", "connect_failed", "check the network")
    peer = writer.get_extra_info("peercert") or {}
    version = writer.get_extra_info("ssl_object").version()
    writer.close()
    ends = datetime.fromtimestamp(ssl.cert_time_to_seconds(str(peer["notAfter"])), UTC)
    issuer = ", ".join(value for part in peer.get("issuer", ()) for name, value in part if name == "organizationName")
    days = (ends - datetime.now(UTC)).days
    text = f"{version}, issued by {issuer or 'an authority without a name'}, valid until {ends:%Y-%m-%d} ({days} days)"
    return Step("tls", True, text, "trusted" if days > SOON else "expires_soon")


async def reach(url: str, seconds: float) -> Step:
    """GETs the root of the address: any answer says that a server is there. Calls are POSTed elsewhere: nothing rings."""
    try:
        async with (
            httpx.AsyncClient(trust_env=False, timeout=seconds, verify=trusted_context()) as client,
            client.stream("GET", httpx.URL(url).copy_with(path="/", query=None)) as answer,
        ):
            server = ", ".join(answer.headers[n][:80] for n in ("server", "x-powered-by") if n in answer.headers)
    except (httpx.HTTPError, OSError) as exc:
        return Step("reach", False, failure_cause(exc), "unreachable", "check the network and ALODIAL_PROVIDER_URL")
    return Step("reach", True, f"GET /: {answer.status_code}{f', {server}' if server else ''}", "reachable")
