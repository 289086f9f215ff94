"""The page of a report in a browser: readable on any screen, in dark and light, to a screen reader, and on paper."""

from __future__ import annotations

from itertools import pairwise
from typing import TYPE_CHECKING, Any

import pytest

from runengine.validation.catalogue.examples import CREATED, record
from runengine.validation.observations import Observation
from tests.browser.conftest import Opener
from tests.validation.reports.pages import EVIL, Made, life_of, many, page_of

if TYPE_CHECKING:
    from playwright.sync_api import Browser, Page

RUNS, ODD = 64, 1
"""Runs of the page below, and recordings with findings of their own."""

CONTRAST_MIN = 4.5
"""WCAG 2.2, 1.4.3, of text."""

POINTER_MIN_PX = 24
"""WCAG 2.2, 2.5.8, of what is pressed."""

FAINT = """least => {
  const parse = (text) => {
    const n = text.match(/[\\d.]+/g).map(Number);
    return n.length < 4 ? [...n.slice(0, 3), 1] : n;
  };
  const over = (top, below) => [0, 1, 2].map((i) => top[i] * top[3] + below[i] * (1 - top[3])).concat(1);
  const behind = (element) => {
    const layers = [];
    for (let at = element; at; at = at.parentElement) {
      const painted = at instanceof SVGElement && at.tagName !== "svg" ? "" : getComputedStyle(at).backgroundColor;
      if (painted) layers.push(parse(painted));
    }
    return layers.reverse().reduce((below, top) => over(top, below), [255, 255, 255, 1]);
  };
  const linear = (part) => (part <= 0.04045 ? part / 12.92 : ((part + 0.055) / 1.055) ** 2.4);
  const light = (c) => 0.2126 * linear(c[0] / 255) + 0.7152 * linear(c[1] / 255) + 0.0722 * linear(c[2] / 255);
  const unseen = /^(SCRIPT|STYLE|OPTION|NOSCRIPT|title|desc)$/;
  const found = [];
  const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
  let seen = 0;
  while (walker.nextNode()) {
    const element = walker.currentNode.parentElement;
    const text = walker.currentNode.textContent.trim();
    if (!text || unseen.test(element.tagName) || !element.checkVisibility()) continue;
    const style = getComputedStyle(element);
    const drawn = element instanceof SVGElement;
    const box = drawn && element.closest(".node") ? element.closest(".node").querySelector("rect") : null;
    const below = box ? parse(getComputedStyle(box).fill) : behind(element);
    let top = parse(drawn ? style.fill : style.color);
    for (let at = element; at; at = at.parentElement) top = [...top.slice(0, 3), top[3] * getComputedStyle(at).opacity];
    const ink = over(top, below);
    const [a, b] = [light(ink), light(below)].sort((x, y) => y - x);
    const ratio = (a + 0.05) / (b + 0.05);
    seen += 1;
    if (ratio < least) found.push(`${ratio.toFixed(2)} ${element.outerHTML.slice(0, 60)} ${text.slice(0, 40)}`);
  }
  return [seen, found];
}"""
"""How many texts are seen, and those that are too faint, by the formula of WCAG."""


@pytest.fixture(scope="module")
def made(browser: Browser) -> Made:
    """A page with all kinds of findings."""
    rounds = life_of("run_tools", ("queued", "in_progress", "requires_action", "queued", "in_progress", "failed"))
    polled = [(record("queued", id="run_gap"), CREATED + 0.5), (record("completed", id="run_gap"), CREATED + 9.0)]
    back = [(record("completed", id="run_back"), CREATED + 9.0), (record("queued", id="run_back"), CREATED + 10.0)]
    odd = [({**record("queued", id="run_odd"), "status": "flying"}, CREATED + 1.0)]
    rows = [*rounds, *polled, *back, *odd]
    items = [
        Observation({**snapshot, "thread_id": f"{snapshot['id']}_thread"}, n, observed_s=at_s)
        for n, (snapshot, at_s) in enumerate(rows, 1)
    ]
    return page_of({"a-recording-with-a-rather-long-name-as-they-come.jsonl": items, **many(60)})


def all_open(page: Page) -> None:
    """Open the rules and the first runs."""
    page.evaluate("() => { for (const d of document.querySelectorAll('details.rule')) d.open = true; }")
    for number in range(6):
        page.locator("#list .run > summary").nth(number).click()
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    page.wait_for_function("() => document.querySelectorAll('#list .life table').length > 5")


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_contrast(open_page: Opener, made: Made, scheme: Any) -> None:
    """Every text, of the picture too, stands out from what it is on."""
    page = open_page(made.html, color_scheme=scheme)
    all_open(page)
    seen, faint = page.evaluate(FAINT, CONTRAST_MIN)
    assert seen > 300
    assert faint == []


def test_schemes(open_page: Opener, made: Made) -> None:
    """It follows the system, and the switch overrules that."""
    page = open_page(made.html, color_scheme="dark")

    def brightness() -> int:
        colour: str = page.evaluate("() => getComputedStyle(document.body).backgroundColor")
        return sum(int(part) for part in colour[4:-1].split(","))

    dark = brightness()
    page.locator("#theme").click()
    light = brightness()
    assert dark < 150 < 600 < light
    page.locator("#theme").click()
    assert brightness() == dark
    assert page.inner_text("#theme") == "Theme: dark"


@pytest.mark.parametrize("width", [320, 700, 2200])
def test_widths(open_page: Opener, made: Made, width: int) -> None:
    """From narrow to wide nothing makes the page scroll sideways, and what is pressed is large enough."""
    page = open_page(made.html, width=width)
    all_open(page)
    assert page.evaluate("() => document.documentElement.scrollWidth") <= width
    small = page.evaluate(
        """least => [...document.querySelectorAll("button, select, input[type=search], summary")]
        .filter(e => e.checkVisibility() && !e.classList.contains("pin"))
        .filter(e => e.getBoundingClientRect().height < least).map(e => e.outerHTML.slice(0, 80))""",
        POINTER_MIN_PX,
    )
    assert small == []


def test_names(open_page: Opener, made: Made) -> None:
    """To a screen reader all that is used or looked at has a name, and the page has landmarks and headings."""
    page = open_page(made.html)
    all_open(page)
    session = page.context.new_cdp_session(page)
    nodes = session.send("Accessibility.getFullAXTree")["nodes"]
    found: dict[str, list[str]] = {}
    for node in nodes:
        if not node.get("ignored"):
            role, name = node.get("role", {}).get("value", ""), node.get("name", {}).get("value", "")
            found.setdefault(role, []).append(name)
    for role in (
        "button",
        "link",
        "searchbox",
        "combobox",
        "checkbox",
        "image",
        "img",
        "region",
        "search",
        "navigation",
    ):
        assert all(name.strip() for name in found.get(role, [])), role
    landmarks = ("banner", "navigation", "main", "contentinfo", "search", "region")
    for role in (*landmarks, "status", "heading", "list", "table", "columnheader"):
        assert found.get(role), role
    drawn = [name for role in ("image", "img", "graphics-document") for name in found.get(role, [])]
    assert any("Lifecycle of a run" in name for name in drawn)
    assert any(name.startswith("Timeline: queued") for name in drawn)
    assert any(name.startswith("Finding 1: RE") for name in found["button"])
    levels = page.evaluate("() => [...document.querySelectorAll('h1,h2,h3')].map(e => Number(e.tagName[1]))")
    assert levels[0] == 1
    assert all(b - a <= 1 for a, b in pairwise(levels))


def test_hidden_steps(open_page: Opener, made: Made) -> None:
    """Statuses that nobody saw are hatched and said to be not seen, tool rounds are numbered."""
    page = open_page(made.html, "#q=run_gap")
    page.locator("#list .run > summary").click()
    page.locator("#list .life").wait_for()
    assert page.locator("#list .life .bar.in_progress.hid").count() == 1
    assert "in_progress (not seen)" in (page.locator("#list .life [role=img]").get_attribute("aria-label") or "")
    page.fill("#q", "run_tools")
    page.wait_for_function(
        "() => [...document.querySelectorAll('#list .id')].every(e => e.textContent === 'run_tools')"
    )
    page.locator("#list .run > summary").click()
    page.locator("#list .life").wait_for()
    assert page.locator("#list .life .round b").all_inner_texts() == ["1"]
    page.locator("#list .life .below > summary").click()
    assert "now" in page.inner_text("#list .life tbody")


def test_status_of_its_own(open_page: Opener, made: Made) -> None:
    """A status that is none is shown as it is."""
    page = open_page(made.html, "#q=run_odd")
    assert page.inner_text("#list .outcome").strip() == "flying"


@pytest.mark.parametrize("width", [320, 700, 1280])
def test_long_status(open_page: Opener, width: int) -> None:
    """A status of any length stays in its place, beside the bars and the findings, and is there in full on demand."""
    status = "a_status_of_a_kind_that_nobody_has_heard_of_before"
    page = open_page(page_of({"a.jsonl": [{**record("queued", colour="red"), "status": status}]}).html, width=width)
    row = page.locator("#list .run > summary")
    outcome = row.locator(".outcome span")
    assert (outcome.get_attribute("title"), outcome.inner_text()) == (status, status)
    boxes = [row.locator(part).bounding_box() for part in (".strip", ".outcome", ".found", ".who")]
    for number, one in enumerate(boxes):
        assert one is not None
        assert one["width"] > 20
        assert one["x"] + one["width"] <= width
        for other in boxes[:number]:
            assert other is not None
            assert (
                one["x"] >= other["x"] + other["width"]
                or other["x"] >= one["x"] + one["width"]
                or (one["y"] >= other["y"] + other["height"] or other["y"] >= one["y"] + one["height"])
            )
    spills = row.evaluate(
        """row => [...row.querySelectorAll("*")].filter(e => e.scrollWidth > e.clientWidth + 1)
        .filter(e => getComputedStyle(e).display !== "inline" && getComputedStyle(e).overflowX === "visible").length"""
    )
    assert spills == 0


@pytest.mark.parametrize("width", [320, 1280])
def test_pins_stay_inside(open_page: Opener, width: int) -> None:
    """Pins of several findings hang over neither end of the axis, and none lies on another."""
    broken = {"failed_at": CREATED + 1, "colour": "red", "flavour": "sweet"}
    statuses = ("queued", "in_progress", "requires_action", "queued", "in_progress", "completed")
    items = [
        Observation({**record(status), **broken}, n, observed_s=CREATED + 3.0 * n)
        for n, status in enumerate(statuses, 1)
    ]
    page = open_page(page_of({"a.jsonl": items}).html, width=width)
    page.locator("#list .run > summary").click()
    page.locator("#list .pin").first.wait_for()
    track = page.locator(".track", has=page.locator(".pin")).bounding_box()
    pins = [pin.bounding_box() for pin in page.locator(".pin").all()]
    assert track is not None
    assert len(pins) > 2
    assert "," in page.locator(".pin").first.inner_text() or "–" in page.locator(".pin").first.inner_text()
    spans = [(pin["x"], pin["x"] + pin["width"]) for pin in pins if pin is not None]
    assert all(track["x"] <= left + 1 and right <= track["x"] + track["width"] + 1 for left, right in spans)
    assert all(a[1] <= b[0] + 1 for a, b in pairwise(sorted(spans)))


@pytest.mark.parametrize(("width", "cut"), [(320, True), (1280, False)])
def test_wide_picture(open_page: Opener, made: Made, width: int, cut: bool) -> None:
    """Where the lifecycle is wider than the screen, a line below it says so."""
    page = open_page(made.html, width=width)
    assert (
        page.evaluate("() => { const e = document.querySelector('.picture'); return e.scrollWidth > e.clientWidth; }")
        == cut
    )
    assert page.locator(".sideways").is_visible() == cut


def test_paper(open_page: Opener, made: Made) -> None:
    """On paper it is light, and what cannot be used there is left out."""
    page = open_page(made.html, color_scheme="dark")
    page.emulate_media(media="print")
    page.evaluate("() => dispatchEvent(new Event('beforeprint'))")
    assert page.evaluate("() => getComputedStyle(document.body).backgroundColor") == "rgb(255, 255, 255)"
    assert not page.locator("#filters").is_visible()
    assert page.locator("#list .run").count() == RUNS + ODD
    _, faint = page.evaluate(FAINT, CONTRAST_MIN)
    assert faint == []


def test_nothing_runs(open_page: Opener) -> None:
    """Scripts in ids, files, tools, events, statuses and metadata stay text, and what is unseen is written out."""
    recordings = {}
    for number, evil in enumerate(EVIL):
        call = {"id": evil, "type": "function", "function": {"name": evil, "arguments": evil}}
        action = {"type": "submit_tool_outputs", "submit_tool_outputs": {"tool_calls": [call]}}
        own = {"id": f"{evil}{number}", "thread_id": evil, "metadata": {evil: evil}, "model": evil, evil: evil}
        snapshots = [
            {**record("queued"), **own},
            {**record("requires_action", required_action=action), **own, "metadata": evil},
            {**record("queued"), **own, "status": f"{evil}{number}"},
        ]
        recordings[f"{evil}{number}.jsonl"] = [Observation(s, n, event=evil) for n, s in enumerate(snapshots, 1)]
    page = open_page(page_of(recordings).html)
    for number in range(len(EVIL)):
        page.locator("#list .run > summary").nth(number).click()
    page.evaluate("() => { for (const d of document.querySelectorAll('details')) d.open = true; }")
    page.fill("#q", EVIL[0])
    page.wait_for_function("() => document.querySelectorAll('#list .run').length < 5")
    assert page.evaluate("() => window.hacked") is None
    assert page.locator("script").count() == 2
    assert page.locator("#list img, #list script, #filters img").count() == 0
    assert EVIL[0] in page.inner_text("#list .id")
    page.fill("#q", "\u202eabc")
    page.wait_for_function("() => document.querySelector('#list .id').textContent.startsWith('\\\\u202e')")
    shown: str = page.inner_text("#list .run >> nth=0")
    assert not {c for c in shown if not c.isprintable()} - {"\n", "\t"}
