"""What the ports of ``alodial web`` serve: callbacks and operators may have one of their own. No I/O."""

from typing import Final, NamedTuple

PROBES: Final = ("/healthz", "/readyz")
CALLBACKS: Final = "/callbacks/alovoice/"
"""The monitor has pages beside it."""
OPERATORS: Final = frozenset({"/metrics", "/docs", "/openapi.json"})
"""With ALODIAL_OPERATOR_PORT these are served there and nowhere else."""
_BESIDE: Final = frozenset({*PROBES, "/style.css"})


class Ports(NamedTuple):
    """ALODIAL_CALLBACK_PORT and ALODIAL_OPERATOR_PORT; 0 for none."""

    callback: int = 0
    operator: int = 0

    def serves(self, port: int | None, path: str) -> bool:
        """Whether a request that came in at ``port`` may have this (decoded) path; None for a socket without a port."""
        if port and port == self.callback:
            return path.startswith((CALLBACKS, *PROBES))
        if not self.operator:
            return True
        return path in OPERATORS or path in _BESIDE if port == self.operator else path not in OPERATORS

    def is_essential(self, port: int | None, target: bytes) -> bool:
        """Whether a request, by the target of its first line, gets a place although all others are taken."""
        return bool(port and port == self.operator) or target.decode("latin-1").startswith((CALLBACKS, *PROBES))
