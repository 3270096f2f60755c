"""The page of metrics, the alert rules and the dashboard name what the collector gives, all of it and nothing else."""

import json
import re
from typing import Any

import pytest
import yaml  # type: ignore[import-untyped]  # its stubs are another package, for one call

from alodial.settings import Settings
from alodial.store import overview
from alodial.store.client import Store
from alodial.store.counters import read_sums
from alodial.store.keys import Keys
from alodial.web.metrics import ProcessMetrics, StoreMetrics, StoreSnapshot

from .text import ROOT

keys = Keys()

RULES = ROOT / "deploy" / "prometheus"
PARTS = {"counter": ("_total",), "gauge": ("",), "histogram": ("_bucket", "_count", "_sum")}


@pytest.fixture
def families(store: Store, settings: Settings) -> dict[str, Any]:
    seen = StoreSnapshot(overview.read(store.redis, keys, settings), read_sums({}))
    found = [*StoreMetrics(seen, settings, 0).collect(), *ProcessMetrics().registry.collect()]
    assert len({family.name for family in found}) == len(found)
    return {family.name: family for family in found}


def _used() -> dict[str, set[str]]:
    rules = yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]
    panels = json.loads((RULES / "dashboard.json").read_text())["panels"]
    queries = {rule["alert"]: rule["expr"] for group in rules for rule in group["rules"]}
    queries |= {panel["title"]: " ".join(target["expr"] for target in panel["targets"]) for panel in panels}
    return {name: set(re.findall(r"alodial_[a-z_]+", query)) for name, query in queries.items()}


def test_the_page_has_every_metric_with_its_labels(families: dict[str, Any]) -> None:
    rows = re.findall(r"^\| `(alodial_[a-z_]+)` \| (.*?) \|", (ROOT / "docs" / "metrics.md").read_text(), re.M)
    told = {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows}
    labels = {
        name + ("_total" if family.type == "counter" else ""): set(
            getattr(family, "_labelnames", ()) or (family.samples[0].labels if family.samples else ())
        )
        for name, family in families.items()
    }
    assert told == labels


def test_alerts_and_dashboard_use_names_that_exist(families: dict[str, Any]) -> None:
    names = {name + part for name, family in families.items() for part in PARTS[family.type]}
    for where, used in _used().items():
        assert used, where
        assert used <= names, where


def test_an_alarm_says_what_is_wrong_and_what_to_do() -> None:
    for group in yaml.safe_load((RULES / "alerts.yml").read_text())["groups"]:
        for rule in group["rules"]:
            assert rule["labels"]["severity"] in ("page", "ticket")
            assert set(rule["annotations"]) == {"summary", "hint"}


def test_the_scrape_configuration_reads_the_rules() -> None:
    config = yaml.safe_load((RULES / "prometheus.yml").read_text())
    assert [(RULES / name).is_file() for name in config["rule_files"]] == [True]
    assert config["scrape_configs"][0]["job_name"] == "alodial"
