"""What this process counts by itself, in a registry of its own: several apps may live in one process."""

from prometheus_client import CollectorRegistry, Counter


class Meters:
    def __init__(self) -> None:
        self.registry = CollectorRegistry()
        self.callbacks = Counter(
            "alodial_callbacks",
            "Callbacks by what became of them: stored, spooled, refused (503) or forged (wrong secret).",
            ["outcome"],
            registry=self.registry,
        )
        for outcome in ("stored", "spooled", "refused", "forged"):
            self.callbacks.labels(outcome)
