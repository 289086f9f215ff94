"""The page of a report in a browser: what it shows, how it is filtered, by mouse and by keyboard."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import pytest

from runengine.validation import RULES, Summary
from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.reports.html import HtmlReport
from tests.browser.conftest import Opener
from tests.validation.reports.making import found_by
from tests.validation.reports.pages import Made, many, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUNS = 120


@pytest.fixture(scope="module")
def made(browser: Browser) -> Made:
    """A page of some runs, some of them with findings."""
    return page_of({**many(RUNS), "second.jsonl": many(3)["many.jsonl"][:3]})


def count(page: Page) -> str:
    """What the page says of how much it shows."""
    return page.inner_text("#count")


def ids(page: Page) -> list[str]:
    """The runs that are in the list now."""
    return [text.strip() for text in page.locator("#list .who .id").all_inner_texts()]


def settled(page: Page, text: str) -> None:
    """Wait until the count begins with this."""
    page.wait_for_function("text => document.getElementById('count').textContent.startsWith(text)", arg=text)


def test_opens(open_page: Opener, made: Made) -> None:
    """It says how the check ended and shows every run, the worst first."""
    page = open_page(made.html)
    assert page.inner_text("h1").strip().endswith("Not conforming")
    assert count(page).startswith(f"{RUNS + 1} of {RUNS + 1} runs and 1 recording")
    first = page.locator("#list .run").first.inner_text()
    assert "error" in first
    everything = sum(made.summary.violations.values())
    tiles = page.locator("#summary .tiles dd").all_inner_texts()
    assert sum(map(int, tiles[:3])) == everything


@pytest.mark.parametrize("severity", ["error", "warning", "info"])
def test_severity(open_page: Opener, made: Made, severity: str) -> None:
    """Only runs with a finding of the severity are left, as many as there are."""
    page = open_page(made.html)
    page.locator(f"input[value={severity}]").check()
    wanted = {v.run_id for v in made.violations if v.severity == severity and v.run_id}
    settled(page, f"{len(wanted)} of {RUNS + 1} runs")
    assert {run for run in ids(page) if run.startswith("run_")} == wanted


def test_rule_and_status_and_file(open_page: Opener, made: Made) -> None:
    """Rule, status at the end, file and findings narrow the list, alone and together."""
    page = open_page(made.html)
    wanted = {v.run_id for v in made.violations if v.code == "RE202"}
    page.select_option("#rule", "RE202")
    settled(page, f"{len(wanted)} of")
    assert set(ids(page)) == wanted
    page.locator("#clear").click()
    ends = page.locator("#end option").all_inner_texts()
    label = next(text for text in ends if text.startswith("failed "))
    page.select_option("#end", label=label)
    page.wait_for_function("() => document.querySelectorAll('#list .outcome').length < 40")
    assert set(page.locator("#list .outcome").all_inner_texts()) == {"failed"}
    page.select_option("#file", label=page.locator("#file option").all_inner_texts()[-1])
    settled(page, "0 of")
    assert "No run fits" in page.inner_text("#list")
    page.locator("#clear").click()
    page.select_option("#found", "without")
    clean = RUNS + 1 - len({v.run_id for v in made.violations if v.run_id})
    settled(page, f"{clean} of")


def test_search(open_page: Opener, made: Made) -> None:
    """Words are looked for in the id, the thread, the file, the rule and the message, all of them at once."""
    page = open_page(made.html)
    for words, number in (
        ("run_00007", 1),
        ("thread_00011", 1),
        ("failed_at is set", 3),
        ("SECOND.jsonl", 1),
        ("xyzzy", 0),
    ):
        page.fill("#q", words)
        settled(page, f"{number} of")
    page.fill("#q", "many RE202 run_00051")
    settled(page, "1 of")
    assert ids(page) == ["run_00051"]


def test_order(open_page: Opener, made: Made) -> None:
    """As recorded is the order of the recording."""
    page = open_page(made.html)
    page.select_option("#sort", "recorded")
    shown = [run for run in ids(page) if run.startswith("run_")]
    assert shown == sorted(shown)
    assert shown[0] == "run_00000"


def test_fragment(open_page: Opener, made: Made) -> None:
    """The filters, the theme and what is open stand in the address, and the page opens so again."""
    page = open_page(made.html)
    page.select_option("#rule", "RE202")
    page.fill("#q", "run_00051")
    page.locator("#theme").click()
    settled(page, "1 of")
    page.locator("#list .run > summary").click()
    page.wait_for_function("() => location.hash.includes('run=') && location.hash.includes('q=')")
    page.get_by_role("link", name="Lifecycle").click()
    fragment = "#" + page.url.partition("#")[2]
    again = open_page(made.html, fragment)
    settled(again, "1 of")
    assert again.input_value("#q") == "run_00051"
    assert again.input_value("#rule") == "RE202"
    assert again.locator("html").get_attribute("data-theme") == "light"
    broken = [v for v in made.violations if v.run_id == "run_00051"]
    assert again.locator("#list .run[open] .pins > li").count() == len(broken) > 0


@pytest.mark.parametrize(
    "fragment", ["#runs", "#q=%E0%A4%A&rule=no&end=s99&file=f99&run=9999,x,-1&theme=pink&severity=x", "#=&=&"]
)
def test_any_fragment(open_page: Opener, made: Made, fragment: str) -> None:
    """An address from elsewhere that names what is not there leaves a page that works."""
    page = open_page(made.html, fragment)
    page.locator("#clear").click()
    settled(page, f"{RUNS + 1} of")


@pytest.mark.parametrize(
    ("fragment", "wanted"),
    [
        ("#rule=RE999", "RE999 is no rule."),
        ("#rule=RE205", "Nothing here breaks RE205 started-at-moved."),
        ("#end=s99", "(s99) in which no run here ends"),
        ("#file=f99", "(f99) that is none of this page's"),
    ],
)
def test_asks_for_what_is_not_there(open_page: Opener, made: Made, fragment: str, wanted: str) -> None:
    """A filter of the address that fits nothing on this page shows no run, and says why."""
    page = open_page(made.html, fragment)
    settled(page, f"0 of {RUNS + 1} runs")
    assert wanted in page.inner_text("#list")
    page.locator("#clear").click()
    settled(page, f"{RUNS + 1} of {RUNS + 1} runs")


def test_rule_and_severity(open_page: Opener) -> None:
    """A rule with findings of two severities stands in two rows, and each leads to its own runs."""
    report = HtmlReport(out := io.StringIO())
    found = [("run_a", "RE204", "error"), ("run_b", "RE204", "warning"), ("run_b", "RE101", "error")]
    for run_id, code, severity in found:
        report.add(found_by(run_id=run_id, code=code, name=RULES[code].name, severity=severity))
    report.close(Summary(runs=2))
    page = open_page(out.getvalue())
    rows = page.locator("details.rule > summary").all_inner_texts()
    assert [row.split() for row in rows] == [
        ["RE101", "illegal-transition", "error", "1"],
        ["RE204", "stamp-changed", "error", "1"],
        ["RE204", "stamp-changed", "warning", "1"],
    ]
    for number, wanted in ((1, ["run_a"]), (2, ["run_b"])):
        page.locator("details.rule > summary").nth(number).click()
        page.locator("details.rule").nth(number).get_by_role("button").click()
        settled(page, "1 of 2 runs")
        assert ids(page) == wanted


def test_an_id_of_two_runs(open_page: Opener) -> None:
    """Another run of the same id is a row of its own that says so, closed and open."""
    again = {"thread_id": "thread_2", "created_at": CREATED + 60, "expires_at": CREATED + 660}
    page = open_page(page_of({"a.jsonl": [record("completed"), record("queued", **again)]}).html, "#sort=recorded")
    assert count(page).startswith("2 of 2 runs")
    rows = page.locator("#list .run")
    assert ["another run of this id" in text for text in rows.locator(".at").all_inner_texts()] == [False, True]
    rows.nth(1).locator("summary").click()
    rows.nth(1).locator(".life").wait_for()
    assert "Another run had this id before." in rows.nth(1).inner_text()


def test_one_run(open_page: Opener, made: Made) -> None:
    """An open run shows its bars, its stamps, its findings with their place, and the same as a table."""
    page = open_page(made.html, "#q=run_00001")
    page.locator("#list .run > summary").click()
    life = page.locator("#list .life")
    life.wait_for()
    statuses, stamps = ("queued", "in_progress", "completed"), ("created_at", "started_at", "failed_at", "completed_at")
    names = life.locator(".lane .name").all_inner_texts()
    assert [name for name in names if name] == ["findings", *statuses, *stamps, "expires_at"]
    assert life.locator(".lane .bar").count() == 3
    violation = next(v for v in made.violations if v.run_id == "run_00001")
    finding = life.locator(".pins > li").first.inner_text()
    assert violation.code in finding
    assert violation.message in finding
    assert f"{violation.path}:{violation.line}" in finding
    life.locator(".below > summary").click()
    assert life.locator("tbody tr").count() == 3
    life.locator("button.pin").first.click()
    assert page.evaluate("document.activeElement.matches('.pins > li')")


def test_rule_text(open_page: Opener, made: Made) -> None:
    """A rule opens on demand, and its button shows the runs that break it."""
    page = open_page(made.html)
    rule = page.locator("details.rule", has_text="RE202")
    assert not rule.locator(".text").is_visible()
    rule.locator("summary").click()
    assert rule.locator(".text").is_visible()
    rule.get_by_role("button").click()
    assert page.input_value("#rule") == "RE202"
    settled(page, f"{len({v.run_id for v in made.violations if v.code == 'RE202'})} of")


def test_keyboard(open_page: Opener, made: Made) -> None:
    """Without a mouse: skip to the runs, search, go through them, open one, clear."""
    page = open_page(made.html)
    press = page.keyboard.press
    press("Tab")
    assert page.evaluate("document.activeElement.className") == "skip"
    assert page.locator(".skip").bounding_box()["y"] >= 0  # type: ignore[index]
    press("Enter")
    assert page.evaluate("document.activeElement.id") == "runs"
    press("/")
    assert page.evaluate("document.activeElement.id") == "q"
    page.keyboard.type("failed_at")
    settled(page, "3 of")
    for _ in range(40):
        press("Tab")
        if page.evaluate("document.activeElement.matches('.run > summary')"):
            break
    first = page.evaluate("document.activeElement.querySelector('.id').textContent")
    outline = page.evaluate("getComputedStyle(document.activeElement).outlineStyle")
    assert outline == "solid"
    press("ArrowDown")
    assert page.evaluate("document.activeElement.querySelector('.id').textContent") != first
    press("ArrowUp")
    press("Enter")
    page.locator("#list .run[open] .life").wait_for()
    press("Tab")
    assert page.evaluate("document.activeElement.className").startswith("pin")
    press("Enter")
    assert page.evaluate("document.activeElement.matches('.pins > li')")
    press("Escape")
    settled(page, f"{RUNS + 1} of")


def test_escape(open_page: Opener, made: Made) -> None:
    """Escape in the search clears the search first, then everything."""
    page = open_page(made.html, "#rule=RE202")
    page.keyboard.press("/")
    page.keyboard.type("run_00051")
    settled(page, "1 of")
    page.keyboard.press("Escape")
    settled(page, "3 of")
    page.keyboard.press("Escape")
    settled(page, f"{RUNS + 1} of")
