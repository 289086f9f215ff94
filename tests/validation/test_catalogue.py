"""The catalogue: every rule of DESIGN §5 is there, under its name and severity, and its examples are right."""

from __future__ import annotations

import re

import pytest

from runengine.validation import RULES, Rule
from runengine.validation.catalogue import families
from tests.validation.checking import check_example

DESIGN = """
RE101 illegal-transition · RE102 undocumented-transition · RE103 changed-after-terminal · RE104 not-created-queued ·
RE105 unknown-status · RE106 impossible-skip · RE107 status-not-in-generation ·
RE201 missing-stamp · RE202 unexpected-stamp · RE203 stamps-out-of-order · RE204 stamp-changed ·
RE205 started-at-moved · RE206 deadline-mismatch · RE207 stamp-not-seconds ·
RE208 stamp-after-observation · RE209 zero-stamp ·
RE210 acted-after-deadline ·
RE301 required-action-mismatch · RE302 last-error-mismatch · RE303 incomplete-details-mismatch · RE304 usage-mismatch ·
RE305 out-of-range · RE306 metadata-limits · RE307 missing-field · RE308 wrong-type · RE309 unknown-field ·
RE310 duplicate-tool-call ·
RE401 identity-changed · RE402 immutable-changed · RE403 event-status-mismatch · RE404 stream-truncated ·
RE405 duplicate-created · RE406 observed-out-of-order · RE407 refusal-mismatch ·
RE408 recorded-twice · RE501 overlapping-runs · RE502 run-id-reused · RE503 step-open-at-end ·
RE504 step-without-run · RE505 step-illegal-transition · RE506 message-illegal-transition ·
RE901 unreadable
"""
WARNINGS = {"RE102", "RE107", "RE208", "RE306", "RE404", "RE406", "RE408"}
REMARKS = {"RE309"}

every_rule = pytest.mark.parametrize("rule", [pytest.param(rule, id=rule.code) for rule in RULES.values()])


def test_codes_and_names() -> None:
    """Exactly the codes of DESIGN §5 so far, in order, each with its name."""
    wanted = dict(re.findall(r"(RE\d{3}) ([a-z-]+)", DESIGN))
    assert len(wanted) == 42
    assert {code: rule.name for code, rule in RULES.items()} == wanted
    assert list(RULES) == sorted(RULES)
    assert all(code == rule.code for code, rule in RULES.items())


@every_rule
def test_severity(rule: Rule) -> None:
    """Error but for the list of DESIGN §5; what is milder in some cases says so."""
    assert rule.severity == ("warning" if rule.code in WARNINGS else "info" if rule.code in REMARKS else "error")
    assert (rule.milder is not None) == (rule.code in {"RE204", "RE206", "RE210", "RE305", "RE407"})


@every_rule
def test_breaks(rule: Rule) -> None:
    """The example that breaks the rule breaks it once or more, with the rule's severity, and breaks no other."""
    checked = check_example(rule.breaks)
    assert {(v.code, v.name, v.severity) for v in checked.violations} == {(rule.code, rule.name, rule.severity)}


@every_rule
def test_keeps(rule: Rule) -> None:
    """The example that keeps the rule is clean of everything, and is no empty one."""
    checked = check_example(rule.keeps)
    assert checked.violations == []
    assert checked.summary.observations


@every_rule
def test_text(rule: Rule) -> None:
    """Each rule says what, why and where from, in sentences that end."""
    for text in (rule.says, rule.why, rule.source):
        assert text.endswith(".")
    assert "FACTS" in rule.source or "DESIGN" in rule.source
    assert not re.search(r"FACTS|DESIGN|Part [A-Z]|§", rule.hint or ""), "a source tells nobody what to do"


def test_families() -> None:
    """The families name the first and the last code of each hundred."""
    assert families().startswith("RE101 to RE107, RE201 to RE210, ")
    assert families().endswith(", RE901")
