"""Signs events as Standard Webhooks (standardwebhooks.com) describes, so that receivers can verify the sender."""

import base64
import hmac
from collections.abc import Sequence


def sign(keys: Sequence[bytes], event_id: str, timestamp: int, body: bytes) -> str:
    """Returns the value of ``webhook-signature``: one signature for each key, separated by spaces.

    ``event_id`` and ``timestamp``, in Unix seconds, are the values of ``webhook-id`` and ``webhook-timestamp``.
    """
    content = f"{event_id}.{timestamp}.".encode() + body
    return " ".join("v1," + base64.b64encode(hmac.digest(key, content, "sha256")).decode("ascii") for key in keys)
