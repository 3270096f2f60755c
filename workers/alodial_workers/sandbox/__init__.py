"""AloVoice's service, simulated over HTTP, to try alodial and to test it. See README.md here and docs/sandbox.md."""

from .behaviours import Trouble
from .config import Announcements, SandboxConfig
from .run import running_sandbox
from .scenario import Scenario, read_scenario

__all__ = ["Announcements", "SandboxConfig", "Scenario", "Trouble", "read_scenario", "running_sandbox"]
