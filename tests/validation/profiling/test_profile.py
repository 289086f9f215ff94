"""Profiles against a naive recount of the lives that were recorded, and against the checker's own counts."""

from __future__ import annotations

import io
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from fractions import Fraction
from functools import cache
from math import ceil
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from runengine.core import SECOND_US, TERMINAL
from runengine.core.table import POLICIES, PRACTICAL
from runengine.simulation.lives import Life, lives_of
from runengine.simulation.producing import produce
from runengine.simulation.ready import READY, scenario_named
from runengine.simulation.recording import View
from runengine.simulation.vectors.histories import histories
from runengine.simulation.writing.jsonl import JsonLines
from runengine.simulation.writing.sse import EventStreams
from runengine.validation import Checker, Options
from runengine.validation.profiling.profile import Profile
from runengine.validation.readers import read_items
from tests.validation.checking import as_lines, clean
from tests.validation.lines import LINES, RECORDS

RUNS = {"history": 250, "polled": 60, "stream": 50}
VIEWS: tuple[View, ...] = ("history", "polled", "stream")


@cache
def written(name: str, view: View) -> bytes:
    """A ready-made scenario's runs as a file, one run after another."""
    file, scenario = io.BytesIO(), scenario_named(name)
    sink: Any = EventStreams(file, scenario) if view == "stream" else JsonLines(file, scenario, view, order="run")
    produce(scenario, 7, RUNS[view], sink, view=view)
    return file.getvalue()


@cache
def lived(name: str, runs: int) -> tuple[Life, ...]:
    """The same runs as they truly were."""
    return tuple(life for made in histories(scenario_named(name), 7, runs) for life in lives_of(made))


def profiled(
    *files: bytes, suffix: str = ".jsonl", policy: str = "practical", **options: Any
) -> tuple[Profile, Checker]:
    """The profile of files, each a recording."""
    profile = Profile(POLICIES[policy], **options)
    checker = Checker(Options(policy=POLICIES[policy], **options), watches=(profile,))
    for number, data in enumerate(files):
        path = f"{number}{suffix}"
        for _ in checker.check(path, read_items(path, io.BufferedReader(io.BytesIO(data)))):
            pass
    return profile, checker


@cache
def profile_of(name: str, view: View) -> dict[str, Any]:
    """The profile of a ready-made scenario's runs."""
    suffix, policy = (".sse" if view == "stream" else ".jsonl"), scenario_named(name).policy
    return profiled(written(name, view), suffix=suffix, policy=policy)[0].as_dict()


def moves(life: Life) -> Iterator[tuple[str, str, float]]:
    """Each change of status of a life, and the stay before it in seconds."""
    status, since_us = "", 0
    for event, run in zip(life.events, life.snapshots(), strict=True):
        if run.status != status:
            if status:
                yield status, run.status, (event.at_us - since_us) / SECOND_US
            status, since_us = run.status, event.at_us


@pytest.mark.parametrize("name", READY)
class TestHistories:
    """A history shows everything, so its profile is the truth."""

    def test_edges_are_those_of_the_lives(self, name: str) -> None:
        """Each edge was seen as often as runs took it, and none is hidden, undeclared or left out."""
        truth = Counter((a, b) for life in lived(name, RUNS["history"]) for a, b, _ in moves(life))
        data = profile_of(name, "history")
        seen = {tuple(edge.split("->")): counts for edge, counts in data["edges"].items()}
        assert {pair: counts["observed"] for pair, counts in seen.items() if counts["observed"]} == truth
        assert not any(counts["hidden"] for counts in seen.values())
        assert data["undeclared"] == {}
        assert {tuple(edge.split("->")) for edge in data["never_seen"]} == seen.keys() - truth.keys()

    def test_stays_are_those_of_the_lives(self, name: str) -> None:
        """The quantiles of every edge's stays are within 1 % of the true ones, and the longest is exact."""
        stays: dict[str, list[float]] = defaultdict(list)
        for life in lived(name, RUNS["history"]):
            for source, target, seconds in moves(life):
                stays[f"{source}->{target}"].append(seconds)
        for edge, counts in profile_of(name, "history")["edges"].items():
            if counts["dwell_s"] is None:
                assert edge not in stays
                continue
            exact, shown = sorted(stays[edge]), counts["dwell_s"]
            assert shown["n"] == len(exact)
            assert shown["max"] == pytest.approx(exact[-1], rel=1e-3)
            for key, share in (("p50", 0.5), ("p90", 0.9), ("p99", 0.99)):
                assert shown[key] == pytest.approx(
                    exact[ceil(Fraction(str(share)) * len(exact)) - 1], rel=0.0105, abs=1e-6
                )

    def test_variants_are_those_of_the_lives(self, name: str) -> None:
        """As many runs went each way as truly did, rounds apart, and the shares are their part of all."""
        truth: Counter[str] = Counter()
        for life in lived(name, RUNS["history"]):
            way = "".join(
                {"queued": "q", "in_progress": "p", "requires_action": "a"}.get(a, a) for a, _, _ in moves(life)
            )
            truth[f"{_once(way)}{life.snapshots()[-1].status}"] += 1
        data = profile_of(name, "history")
        assert sorted(each["runs"] for each in data["variants"]) == sorted(truth.values())
        assert all(each["share"] == pytest.approx(each["runs"] / data["runs"], abs=1e-6) for each in data["variants"])
        assert all(each["ended"] for each in data["variants"])

    def test_shares_are_those_of_the_scenario(self, name: str) -> None:
        """Of the steps out of queued, in which no deadline or limit plays a part, each has the share it was given."""
        steps = scenario_named(name).steps["queued"]
        given_ = {event: step.share for event, step in steps.items() if event != "modify"}
        edges = {e: c for e, c in profile_of(name, "history")["edges"].items() if e.startswith("queued->")}
        seen = {counts["event"]: counts["observed"] for counts in edges.values()}
        total, whole = sum(seen.values()), sum(given_.values())
        for event, share in given_.items():
            expected = share / whole
            assert abs(seen[event] / total - expected) < 5 * (expected * (1 - expected) / total) ** 0.5 + 0.01, event


def _once(way: str) -> str:
    while "aqpaqp" in way:
        way = way.replace("aqpaqp", "aqp")
    return way


@pytest.mark.parametrize("name", READY)
@pytest.mark.parametrize("view", VIEWS)
class TestViews:
    """What holds of any recording of runs that lived by the rules."""

    def test_clean_runs_fit(self, name: str, view: View) -> None:
        """Every step is explained, every run is without an error, and both replay fitnesses are 1."""
        fitness = profile_of(name, view)["fitness"]
        assert fitness["steps"] > 0
        assert {key: fitness[key] for key in fitness if key.startswith(("runs", "steps_e", "replay_"))} == {
            "runs_without_error": 1.0,
            "steps_explained": 1.0,
            "replay_by_step": 1.0,
            "replay_by_run": 1.0,
        }

    def test_as_many_come_as_go(self, name: str, view: View) -> None:
        """Edges into a status, hidden ones too, are as many as those out of it and the runs last seen in it."""
        data = profile_of(name, view)
        flow: Counter[str] = Counter({"queued": data["runs"]})
        for edge, counts in data["edges"].items():
            source, target = edge.split("->")
            flow[target] += counts["observed"] + counts["hidden"]
            flow[source] -= counts["observed"] + counts["hidden"]
        last: Counter[str] = Counter()
        for each in data["variants"]:
            last[each["way"].removesuffix(" → …").split(" → ")[-1].partition(")")[0]] += each["runs"]
        assert +flow == last
        assert not -flow

    def test_counts_are_the_checkers(self, name: str, view: View) -> None:
        """Runs, snapshots, statuses and changes of status are what the summary says."""
        suffix, policy = (".sse" if view == "stream" else ".jsonl"), scenario_named(name).policy
        profile, checker = profiled(written(name, view), suffix=suffix, policy=policy)
        data, summary = profile.as_dict(), checker.summary
        assert (data["runs"], data["observations"]) == (summary.runs, summary.observations)
        assert data["statuses"] == summary.as_dict()["statuses"]
        assert sum(counts["observed"] for counts in data["edges"].values()) <= summary.edges.total()
        assert sum(data["sources"].values()) == data["observations"]
        assert data["runs_ended"] == sum(each["runs"] for each in data["variants"] if each["ended"])


@pytest.mark.parametrize("name", READY)
def test_polls_bound_the_truth(name: str) -> None:
    """Known stays of polled runs come from stamps, so they are within a second of some true stay of that edge."""
    stays: dict[str, list[float]] = defaultdict(list)
    for life in lived(name, RUNS["polled"]):
        for source, target, seconds in moves(life):
            stays[f"{source}->{target}"].append(seconds)
    known = 0
    for edge, counts in profile_of(name, "polled")["edges"].items():
        if counts["dwell_s"] is not None:
            known += counts["dwell_s"]["n"]
            assert counts["dwell_s"]["max"] <= max(stays[edge]) + 1.01
        if counts["dwell_bounds_s"] is not None:
            assert all(
                counts["dwell_bounds_s"]["at_least"][key] <= counts["dwell_bounds_s"]["at_most"][key] * 1.011
                for key in ("p50", "p90", "p99", "max")
            )
    assert known > RUNS["polled"]


@given(st.data())
def test_merged_is_the_whole(data: st.DataObject) -> None:
    """Profiles of parts, merged in any grouping, are the profile of all parts in that order."""
    files = [written(name, "polled") for name in READY[:4]]
    cuts = sorted(data.draw(st.lists(st.integers(0, 4), min_size=2, max_size=2)))
    parts = [_profiles(0, cuts[0]), _profiles(cuts[0], cuts[1]), _profiles(cuts[1], 4)]
    left = parts[0].merge(parts[1]).merge(parts[2])
    right = parts[0].merge(parts[1].merge(parts[2]))
    assert left.as_dict() == right.as_dict() == _profiles(0, len(files)).as_dict()
    assert left._counts == right._counts


@cache
def _profiles(start: int, stop: int) -> Profile:
    profile = Profile(PRACTICAL)
    checker = Checker(watches=(profile,))
    for name in READY[start:stop]:
        for _ in checker.check(name, read_items(name, io.BufferedReader(io.BytesIO(written(name, "polled"))))):
            pass
    return profile


def test_profiles_of_two_policies_do_not_merge() -> None:
    """What one policy declares is undeclared in another, so their counts cannot be added."""
    with pytest.raises(ValueError, match="documented cannot be merged with one of practical"):
        Profile().merge(Profile(POLICIES["documented"]))


def profile_lines(*values: object, **options: Any) -> dict[str, Any]:
    """The profile of JSON Lines."""
    return profiled(as_lines(values), **options)[0].as_dict()


class TestMisfits:
    """Runs that lived against the rules."""

    def test_an_undeclared_edge_has_examples(self) -> None:
        """A step that no way explains is counted, and shown at its line for the first three runs."""
        lines = [
            clean(status, id=f"run_{n}", thread_id=f"thread_{n}")
            for n in range(5)
            for status in ("completed", "in_progress")
        ]
        data = profile_lines(*lines)
        assert data["undeclared"] == {
            "completed->in_progress": {
                "count": 5,
                "examples": [{"run_id": f"run_{n}", "path": "0.jsonl", "line": 2 * n + 2} for n in range(3)],
            }
        }
        assert data["edges"]["in_progress->completed"]["observed"] == 0

    def test_fitness_is_as_defined(self) -> None:
        """1 - misfits / replayed, with a hidden step replayed as the two rows that explain it."""
        good = [clean("queued", id="run_1", started_at=None), clean("completed", id="run_1")]
        bad = [clean(s, id="run_2", thread_id="thread_2") for s in ("completed", "in_progress", "completed")]
        fitness = profile_lines(*good, *bad)["fitness"]
        assert fitness["steps"] == 3
        assert fitness["steps_undeclared"] == 1
        assert fitness["steps_explained"] == pytest.approx(2 / 3, abs=1e-6)
        assert fitness["replayed"] == 4
        assert fitness["replay_by_step"] == 0.75
        assert fitness["replay_by_run"] == 0.75
        assert fitness["runs_without_error"] == 0.5

    def test_a_way_that_the_stamps_contradict(self) -> None:
        """A step that has a way, but not with these stamps, is contradicted and not undeclared."""
        moved = [clean("cancelling"), clean("cancelling", started_at=clean("cancelling")["started_at"] + 1)]
        data = profile_lines(*moved)
        assert (data["fitness"]["steps_contradicted"], data["fitness"]["steps_undeclared"]) == (1, 0)
        assert data["undeclared"] == {}

    def test_the_policy_decides(self) -> None:
        """A step of practical alone is undeclared under documented, and explained under practical."""
        lines = [
            {"kind": "history", "event": event, "data": clean(status, started_at=None)}
            for event, status in (("create", "queued"), ("fail", "failed"))
        ]
        assert profile_lines(*lines)["undeclared"] == {}
        assert list(profile_lines(*lines, policy="documented")["undeclared"]) == ["queued->failed"]

    def test_errors_of_ignored_rules_do_not_count(self) -> None:
        """A run is without an error if none was reported."""
        broken = clean("queued", failed_at=clean("queued")["created_at"] + 3)
        assert profile_lines(broken)["fitness"]["runs_without_error"] == 0
        profile = Profile()
        checker = Checker(Options(ignore=("RE202",)), watches=(profile,))
        list(checker.check("a", read_items("a", io.BufferedReader(io.BytesIO(as_lines([broken]))))))
        assert profile.as_dict()["fitness"]["runs_without_error"] == 1

    def test_misfits_merge_too(self) -> None:
        """Misfits, undeclared edges and their examples of two profiles are those of the whole, the first ones first."""
        files = [
            as_lines([clean(s, id=f"run_{n}", thread_id=f"thread_{n}") for s in ("queued", "completed", "in_progress")])
            for n in range(2)
        ]
        whole = profiled(*files)[0].as_dict()
        one, other = Profile(), Profile()
        for number, (profile, data) in enumerate(zip((one, other), files, strict=True)):
            path = f"{number}.jsonl"
            list(Checker(watches=(profile,)).check(path, read_items(path, io.BufferedReader(io.BytesIO(data)))))
        assert one.merge(other).as_dict() == whole
        assert whole["fitness"]["replay_by_step"] == pytest.approx(4 / 6, abs=1e-6)

    def test_a_complete_trace_hides_nothing(self) -> None:
        """A history that begins in the middle of a life has its beginning elsewhere: nothing is hidden before it."""
        line = {"kind": "history", "event": "complete", "data": clean("completed")}
        assert not any(edge["hidden"] for edge in profile_lines(line)["edges"].values())
        assert profile_lines(clean("completed"))["edges"]["in_progress->completed"]["hidden"] == 1


class TestOdd:
    """Recordings that are odd or broken."""

    @given(lines=st.lists(st.sampled_from(LINES), max_size=12))
    def test_any_lines(self, lines: list[bytes]) -> None:
        """Whatever stands in a file, the profile counts what the summary counts, and shares are shares."""
        profile, checker = profiled(b"\n".join(lines))
        data = profile.as_dict()
        assert (data["runs"], data["observations"]) == (checker.summary.runs, checker.summary.observations)
        fitness = data["fitness"]
        for key in ("runs_without_error", "steps_explained", "replay_by_step", "replay_by_run"):
            assert fitness[key] is None or 0 <= fitness[key] <= 1
        assert fitness["steps"] == sum(fitness["steps_judged"].values())
        for counts in data["edges"].values():
            stays = counts["dwell_s"]
            assert stays is None or 0 <= stays["p50"] <= stays["p90"] <= stays["p99"] <= stays["max"]

    @given(records=st.lists(st.sampled_from(RECORDS), max_size=10), forget_after=st.integers(0, 3))
    def test_forgotten_runs_are_counted_again(self, records: list[bytes], forget_after: int) -> None:
        """With little memory the profile still has as many runs as the summary."""
        renamed = [line.replace(b'"run_1"', b'"run_%d"' % (n % 4)) for n, line in enumerate(records)]
        profile, checker = profiled(b"\n".join(renamed), forget_after=forget_after)
        assert profile.as_dict()["runs"] == checker.summary.runs

    def test_a_recording_that_broke_off_is_counted(self) -> None:
        """Where the end of a recording is never told, its runs are counted when the next one begins."""
        profile = Profile()
        checker = Checker(watches=(profile,))
        items = list(read_items("a", io.BufferedReader(io.BytesIO(as_lines([clean("queued")])))))
        checker.begin()
        checker.observe("a", items[0])
        assert profile.as_dict()["runs"] == 0
        list(checker.check("b", items))
        assert profile.as_dict()["runs"] == 2

    def test_a_reused_id_is_another_run(self) -> None:
        """A run that takes the id of another one is counted apart from it, as the summary does."""
        other = clean("queued", created_at=clean("queued")["created_at"] - 9, thread_id="thread_other", started_at=None)
        profile, checker = profiled(as_lines([clean("queued"), clean("completed"), other]))
        assert profile.as_dict()["runs"] == checker.summary.runs == 2
        assert profile.as_dict()["undeclared"] == {}

    def test_nothing_at_all(self) -> None:
        """The profile of nothing has no shares, no span and every edge never seen."""
        data = Profile().as_dict()
        assert data["fitness"]["steps_explained"] is None
        assert data["span_s"] is None
        assert data["never_seen"] == list(data["edges"])

    def test_threads_and_span(self) -> None:
        """The most runs on one thread, and the first and last time, are told."""
        lines = [
            clean("queued", id=f"run_{n}", thread_id=f"thread_{n // 3}", created_at=1_700_000_000) for n in range(7)
        ]
        data = profile_lines(*lines, {"kind": "poll", "observed_at": 1_900_000_000.5, "data": clean("queued")})
        assert data["runs_per_thread_most"] == 3
        assert data["span_s"] == {"from": 1_700_000_000, "until": 1_900_000_000.5}


def test_every_key_is_documented() -> None:
    """The docstring of as_dict names each key, of each level, and no run of the corpus is needed to know them."""
    assert Profile.as_dict.__doc__ is not None
    data = profile_of("steady", "history")

    def keys(value: object) -> Iterable[str]:
        if isinstance(value, dict):
            yield from (str(key) for key in value)
            for part in value.values():
                yield from keys(part)
        elif isinstance(value, list) and value:
            yield from keys(value[0])

    foreign = {*data["edges"], *data["statuses"], *data["sources"], *data["generations"], *TERMINAL}
    for key in set(keys(data)) - foreign:
        assert f"`{key}`" in Profile.as_dict.__doc__, key
