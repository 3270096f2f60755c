"""AloVoice's service as PROVIDER.md draws it, for people who try alodial and as the witness of its tests."""

from .app import create_sandbox
from .behaviours import Behaviour, Trouble
from .config import Announcements, SandboxConfig
from .run import running_sandbox, serve
from .scenario import Scenario, ScenarioPart, read_scenario

__all__ = [
    "Announcements",
    "Behaviour",
    "SandboxConfig",
    "Scenario",
    "ScenarioPart",
    "Trouble",
    "create_sandbox",
    "read_scenario",
    "running_sandbox",
    "serve",
]
