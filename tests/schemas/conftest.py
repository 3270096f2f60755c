from __future__ import annotations

from hypothesis import settings

# No deadline for an example: two cores shared with other tests make any of them slow now and then.
settings.register_profile("unhurried", deadline=None)
settings.load_profile("unhurried")
