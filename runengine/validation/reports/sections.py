"""The parts of a page that are written out, so that they are read without a script: summary, rules, lifecycle."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from html import escape
from typing import Final, cast

from runengine.core.statuses import STATUSES, Status
from runengine.core.table import TERMINAL, Policy
from runengine.core.trace import hidden_steps
from runengine.validation.catalogue import RULES, Rule
from runengine.validation.catalogue.examples import Example
from runengine.validation.findings import SEVERITIES, Severity
from runengine.validation.reports.plain import plain
from runengine.validation.summary import Options, Summary

__all__ = ["edge_kind", "edges_table", "legend", "rule_list", "shown_text", "summary_part"]

_ONE: Final[dict[Severity, str]] = {"error": "error", "warning": "warning", "info": "remark"}
_A: Final[dict[Severity, str]] = {"error": "an error", "warning": "a warning", "info": "a remark"}
_SEVERITY_ORDER: Final = {severity: number for number, severity in enumerate(SEVERITIES)}
_EXAMPLE_MAX: Final = 6000


def shown_text(text: str) -> str:
    r"""Foreign text as it may stand in the page: what cannot be seen made visible, and no markup.

    Example:
        >>> shown_text("<b>\u202e")
        '&lt;b&gt;\\u202e'
    """
    return escape(plain(text))


def summary_part(summary: Summary, options: Options, files: int, notes: Iterable[str]) -> str:
    """The verdict, the counts and what was asked for.

    Args:
        summary: The counts.
        options: What the recordings were held to.
        files: How many recordings there were.
        notes: What has to be said of the page itself.

    Example:
        >>> "Not conforming" in summary_part(Summary(), Options(), 1, ())
        False
    """
    errors = summary.violations["error"]
    kind, sign, words = (
        ("bad", "✕", "Not conforming")
        if errors
        else ("fine", "✓", "Clean")
        if summary.observations
        else ("none", "–", "Nothing checked")
    )
    said = (
        f"{errors:,} {'finding breaks' if errors == 1 else 'findings break'} the lifecycle."
        if errors
        else "No finding of severity error."
        if summary.observations
        else "No snapshot of a run was found."
    )
    counts = [(_ONE[s], summary.violations[s], f"{s} some" if summary.violations[s] else s) for s in SEVERITIES]
    counts += [("run", summary.runs, ""), ("thread", summary.threads, ""), ("snapshot", summary.observations, "")]
    counts += [("file", files, "")] + ([("object passed over", summary.passed, "")] if summary.passed else [])
    tiles = "\n".join(
        f'<div class="{kind}"><dt>{_plural(name, number)}</dt><dd>{number:,}</dd></div>'
        for name, number, kind in counts
    )
    asked = "\n".join(f"<div><dt>{name}</dt><dd>{shown_text(value)}</dd></div>" for name, value in _asked(options))
    below = "\n".join(f'<p class="note left">{shown_text(note)}</p>' for note in notes)
    return (
        f'<h1 id="verdict" class="verdict {kind}"><span class="sign" aria-hidden="true">{sign}</span>{words}</h1>\n'
        f'<p class="said">{said}</p>\n<dl class="tiles">\n{tiles}\n</dl>\n<dl class="options">\n{asked}\n</dl>\n{below}'
    )


def _plural(noun: str, number: int) -> str:
    first, _, rest = noun.partition(" ")
    return f"{first}{'' if number == 1 else 's'} {rest}".rstrip()


def _asked(options: Options) -> Iterator[tuple[str, str]]:
    yield "policy", options.policy.name
    yield "sampling", options.sampling
    yield "generation", "told from each record" if options.generation is None else f"G{options.generation}"
    yield "clocks may differ by", f"{options.skew_s:g} s"
    if options.dialect != "auto":
        yield "dialect", options.dialect
    if options.select:
        yield "only rules", ", ".join(options.select)
    if options.ignore:
        yield "without rules", ", ".join(options.ignore)


def rule_list(found: Mapping[tuple[str, Severity], int]) -> str:
    """Every rule with findings, and the catalogue's words on it: errors first, then the most frequent.

    A rule with findings of two severities stands there twice, so that the counts come to those of the summary.

    Args:
        found: How many findings, by code and severity.

    Example:
        >>> rule_list({("RE204", "error"): 2, ("RE204", "warning"): 1}).count("<details")
        2
    """
    if not found:
        return f'<p class="calm">None. {len(RULES)} rules were checked.</p>'
    order = sorted(found.items(), key=lambda item: (_SEVERITY_ORDER[item[0][1]], -item[1], item[0][0]))
    items = (_rule(RULES[code], severity, count) for (code, severity), count in order if code in RULES)
    return '<div class="rules">\n' + "\n".join(items) + "\n</div>"


def _rule(rule: Rule, severity: Severity, count: int) -> str:
    words = [("What it says", rule.says), ("Why", rule.why), ("Milder", rule.milder), ("Where to look", rule.hint)]
    words.append(("Source", rule.source))
    text = "".join(f"<dt>{name}</dt><dd>{shown_text(said)}</dd>" for name, said in words if said)
    text += _example("A recording that breaks it", rule.breaks) + _example("One that nearly does", rule.keeps)
    kind = f'<span class="severity {severity}">{_ONE[severity]}</span>'
    these = f'data-rule="{rule.code}" data-severity="{severity}"'
    return (
        f'<details class="rule"><summary><span class="code">{rule.code}</span>'
        f'<span class="name">{shown_text(rule.name)}</span>{kind}<span class="many">{count:,}</span></summary>\n'
        f'<div class="text"><dl>{text}</dl>\n'
        f'<button type="button" {these} hidden>Show the runs with it as {_A[severity]}</button></div></details>'
    )


def _example(name: str, example: Example) -> str:
    text = example.text if len(example.text) <= _EXAMPLE_MAX else example.text[:_EXAMPLE_MAX] + "…"
    lines = "\n".join(shown_text(line) for line in text.rstrip("\n").split("\n"))
    return f'<dt>{name} ({example.suffix})</dt><dd><pre tabindex="0">{lines}</pre></dd>'


def edge_kind(policy: Policy, source: str, target: str) -> str:
    """What the policy says of a change of status: `step`, `skip` (by steps that were not seen) or `undeclared`.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> edge_kind(PRACTICAL, "queued", "completed"), edge_kind(PRACTICAL, "failed", "queued")
        ('skip', 'undeclared')
    """
    if (source, target) in policy.edges:
        return "step"
    if source in TERMINAL:
        return "undeclared"
    ends = cast("Status", source), cast("Status", target)
    ways = (hidden_steps(policy, *ends, restarted, started) for restarted, started in _CASES)
    return "skip" if any(way is not None for way in ways) else "undeclared"


_CASES: Final = ((False, False), (False, True), (True, False), (True, True))
_KINDS: Final = {"step": "a step", "skip": "several steps, not all of them seen", "undeclared": "no way leads there"}


def edges_table(policy: Policy, edges: Mapping[tuple[str, str], int]) -> str:
    """Every change of status that was seen, with its count: the picture in words.

    Example:
        >>> from runengine.core.table import PRACTICAL
        >>> edges_table(PRACTICAL, {("queued", "in_progress"): 3}).count("<tr")
        2
    """
    if not edges:
        return '<p class="note">No run was seen changing its status.</p>'
    rows = []
    for source in STATUSES:
        for target in STATUSES:
            if edges.get((source, target)):
                kind = edge_kind(policy, source, target)
                rows.append(
                    f'<tr class="{kind}"><td>{source}</td><td>{target}</td>'
                    f'<td class="num">{edges[source, target]:,}</td><td>{_KINDS[kind]}</td></tr>'
                )
    heads = (("", "from"), ("", "to"), (' class="num"', "seen"), ("", "by"))
    head = "".join(f'<th scope="col"{kind}>{name}</th>' for kind, name in heads)
    return (
        f'<details class="below"><summary>Changes of status that were seen ({len(rows)})</summary>\n'
        f'<div class="scroll" tabindex="0" role="region" aria-label="Changes of status"><table><thead><tr>{head}</tr>'
        f"</thead><tbody>\n{chr(10).join(rows)}\n</tbody></table></div></details>"
    )


def legend() -> str:
    """What the bars of the list mean.

    Example:
        >>> legend().count("<li>")
        12
    """
    items = [f'<li><span class="swatch {status}"></span>{status}</li>' for status in STATUSES]
    items.append('<li><span class="swatch hid unknown"></span>hatched: not seen, but it must have been</li>')
    items.append('<li><span class="mark"></span>a stamp of the record</li>')
    items.append('<li><span class="severity error"></span>a finding, pinned where it stands</li>')
    return '<ul class="legend" aria-label="Legend">\n' + "\n".join(items) + "\n</ul>"
