"use strict";
(() => {
  // Whatever a recording holds is set as text, never as markup; what cannot be seen is written out (\u202e).
  const data = JSON.parse(document.getElementById("data").textContent);
  const CHUNK = 25, PRINTED = 500;
  const SEVERITIES = ["error", "warning", "info"];
  const NOUNS = { error: ["error", "errors"], warning: ["warning", "warnings"], info: ["remark", "remarks"] };
  const TERMINAL = new Set(data.terminal);
  const STAMPS = ["created_at", "started_at", "cancelled_at", "failed_at", "completed_at", "expires_at"];
  const AXES = [
    "Placed by the times of observation.",
    "Placed by the run's own stamps; what has none stands between its neighbours.",
    "Neither times of observation nor stamps tell a span of time: every stay is as wide as any other.",
  ];
  const $ = (id) => document.getElementById(id);
  const visible = (text) =>
    String(text).replace(/[\p{C}\p{Zl}\p{Zp}]|(?! )\p{Zs}/gu, (c) => {
      const code = c.codePointAt(0);
      return code > 0xffff ? `\\u{${code.toString(16)}}` : `\\u${code.toString(16).padStart(4, "0")}`;
    });
  const count = (n, one, many) => `${n.toLocaleString("en")} ${n === 1 ? one : many || one + "s"}`;
  const el = (tag, attributes, ...children) => {
    const made = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes || {})) {
      if (value === null || value === undefined || value === false) continue;
      if (name === "class") made.className = value;
      else if (name === "on") for (const [kind, act] of Object.entries(value)) made.addEventListener(kind, act);
      else if (name === "at") Object.assign(made.style, value);
      else made.setAttribute(name, value === true ? "" : visible(value));
    }
    for (const child of children) {
      if (child === null || child === undefined) continue;
      made.append(child instanceof Node ? child : visible(child));
    }
    return made;
  };

  // ── what is known of each run ──────────────────────────────────────────────────────────────────────────────────
  const text = (n) => (n < 0 ? null : data.texts[n]);
  const known = new Set(data.statuses.slice(0, 9));
  const statusClass = (status) => (known.has(status) ? status : "unknown");
  const runs = data.runs.map((row, index) => {
    const [id, thread, file, line, lastLine, snapshots, left, whole, axis, base, end, stays, bars, stamps, counts, pins, number] = row;
    const of = [0, 0, 0];
    for (const [, severity, n] of counts) of[severity] += n;
    const last = stays.length ? data.statuses[stays[stays.length - 1][3]] : null;
    return {
      index, file, line, lastLine, snapshots, left, axis, base, end, stays, bars, stamps, counts, pins, of, last,
      whole: whole === 1, aboutRun: id !== -2, number,
      id: id >= 0 ? data.texts[id] : id === -1 ? "(a record without an id)" : "(the recording itself)",
      thread: text(thread), path: data.files[file], hay: null, total: of[0] + of[1] + of[2],
      worst: of[0] ? 0 : of[1] ? 1 : of[2] ? 2 : 3,
    };
  });
  data.runs = null;
  const hay = (run) => {
    if (run.hay === null) {
      const words = [run.id, run.thread || "", run.path, run.last || ""];
      for (const [rule] of run.counts) words.push(data.rules[rule], nameOf(data.rules[rule]));
      for (const pin of run.pins) words.push(text(pin[8]));
      run.hay = words.join("\n").toLowerCase();
    }
    return run.hay;
  };
  const nameOf = (code) => (data.names[code] ? data.names[code] : "");
  const nameOfFile = (path) => (path.includes("://") ? path : path.slice(Math.max(path.lastIndexOf("/"), path.lastIndexOf("\\")) + 1)) || path;
  const place = (run, line) => `${run.path}${line ? ":" + line : ""}`;

  // ── filters ────────────────────────────────────────────────────────────────────────────────────────────────────
  const FIELDS = ["q", "rule", "end", "file", "found", "sort"];
  const boxes = [...document.querySelectorAll("input[name=severity]")];
  let shown = runs;
  let opened = new Set();
  const option = (value, label) => el("option", { value }, label);
  function fillSelects() {
    const tally = (of) => {
      const counts = new Map();
      for (const run of runs) for (const key of of(run)) counts.set(key, (counts.get(key) || 0) + 1);
      return counts;
    };
    const rules = tally((run) => new Set(run.counts.map(([rule]) => rule)));
    $("rule").append(option("", "every rule"));
    for (const [rule, n] of [...rules].sort((a, b) => (data.rules[a[0]] < data.rules[b[0]] ? -1 : 1)))
      $("rule").append(option(data.rules[rule], `${data.rules[rule]} ${nameOf(data.rules[rule])} (${count(n, "run")})`));
    const ends = tally((run) => (run.last === null ? [] : [data.statuses.indexOf(run.last)]));
    $("end").append(option("", "every status"));
    data.statuses.forEach((status, n) => { if (ends.has(n)) $("end").append(option(`s${n}`, `${status} (${count(ends.get(n), "run")})`)); });
    const files = tally((run) => [run.file]);
    $("file").append(option("", data.files.length === 1 ? "the one file" : `all ${count(data.files.length, "file")}`));
    data.files.forEach((path, n) => $("file").append(option(`f${n}`, `${path} (${(files.get(n) || 0).toLocaleString("en")})`)));
  }
  function wanted() {
    const state = { severity: boxes.filter((box) => box.checked).map((box) => box.value) };
    for (const name of FIELDS) state[name] = $(name).value;
    return state;
  }
  function apply(keepScroll) {
    const state = wanted();
    const words = state.q.toLowerCase().split(/\s+/).filter(Boolean);
    const rule = data.rules.indexOf(state.rule), file = state.file ? data.files[Number(state.file.slice(1))] : null;
    const end = state.end ? data.statuses[Number(state.end.slice(1))] : null;
    const severities = state.severity.map((severity) => SEVERITIES.indexOf(severity));
    const sums = [0, 0, 0];
    // Of a chosen rule only its own findings count: another rule's errors do not make its warnings errors.
    const of = (run) => {
      if (!state.rule) return run.of;
      const own = [0, 0, 0];
      for (const [code, severity, n] of run.counts) if (code === rule) own[severity] += n;
      return own;
    };
    const fit = (run) =>
      (!state.rule || of(run).some((n) => n)) &&
      (file === null || run.path === file) &&
      (end === null || run.last === end) &&
      (!state.found || (state.found === "with") === run.total > 0) &&
      (!words.length || words.every((word) => hay(run).includes(word)));
    shown = [];
    for (const run of inOrder(state.sort)) {
      if (!fit(run)) continue;
      const own = of(run);
      for (let s = 0; s < 3; s += 1) if (own[s]) sums[s] += 1;
      if (!severities.length || severities.some((s) => own[s])) shown.push(run);
    }
    SEVERITIES.forEach((severity, s) => { $(`n-${severity}`).textContent = `(${count(sums[s], "run")})`; });
    say();
    chunks();
    if (!keepScroll) write(state);
  }
  const span = (run) => (run.axis === 2 ? 0 : run.end);
  const ORDERS = {
    "": (a, b) => a.worst - b.worst || b.of[a.worst] - a.of[a.worst] || a.index - b.index,
    recorded: (a, b) => a.index - b.index,
    long: (a, b) => span(b) - span(a) || a.index - b.index,
  };
  const ordered = {};
  const inOrder = (sort) => (ordered[sort] ||= [...runs].sort(ORDERS[sort])); // sorted once, not at each key pressed
  function say() {
    const all = runs.filter((run) => run.aboutRun).length;
    const about = shown.filter((run) => run.aboutRun);
    const found = [0, 0, 0];
    for (const run of shown) for (let s = 0; s < 3; s += 1) found[s] += run.of[s];
    const parts = SEVERITIES.map((severity, s) => count(found[s], ...NOUNS[severity]));
    const beside = shown.length - about.length;
    $("count").textContent =
      `${about.length.toLocaleString("en")} of ${count(all, "run")}` +
      (beside ? ` and ${count(beside, "recording")} with findings of its own` : "") + `; in them ${parts.join(", ")}`;
  }

  // ── the fragment of the address keeps the state ────────────────────────────────────────────────────────────────
  let writing = 0;
  function write(state) {
    const parts = new URLSearchParams();
    for (const name of FIELDS) if (state[name]) parts.set(name, state[name]);
    if (state.severity.length) parts.set("severity", state.severity.join(","));
    const theme = document.documentElement.dataset.theme;
    if (theme) parts.set("theme", theme);
    if (opened.size) parts.set("run", [...opened].slice(-8).join(","));
    clearTimeout(writing);
    const fragment = parts.toString();
    // An empty one would be no state, and a bare # goes to the top.
    writing = setTimeout(() => history.replaceState(null, "", fragment ? `#${fragment}` : location.pathname + location.search), 120);
  }
  // What the address asks for and this page has not stays chosen, fits no run, and is said to be missing.
  function choose(name, asked) {
    $(name).querySelector("[data-missing]")?.remove();
    if (name in MISSING) {
      const label = visible(asked.slice(0, 40));
      $(name).append(el("option", { value: label, "data-missing": true }, `${label} (0 runs)`));
      $(name).value = label;
    } else $(name).value = "";
  }
  const MISSING = {
    rule: (asked) => (nameOf(asked) ? `Nothing here breaks ${asked} ${nameOf(asked)}.` : `${asked} is no rule.`),
    end: (asked) => `The address asks for a status (${asked}) in which no run here ends.`,
    file: (asked) => `The address asks for a file (${asked}) that is none of this page's.`,
  };
  function missing() {
    const said = Object.keys(MISSING).filter((name) => $(name).selectedOptions[0].dataset.missing !== undefined);
    return said.map((name) => ` ${MISSING[name]($(name).value)}`).join("");
  }
  function read() {
    const fragment = location.hash.slice(1);
    if (fragment && !fragment.includes("=")) return;
    const parts = new URLSearchParams(fragment);
    for (const name of FIELDS) {
      const asked = parts.get(name) || "";
      $(name).value = asked;
      if ($(name).selectedIndex === -1) choose(name, asked);
    }
    const severities = (parts.get("severity") || "").split(",");
    for (const box of boxes) box.checked = severities.includes(box.value);
    dress(parts.get("theme") || "");
    opened = new Set((parts.get("run") || "").split(",").filter((n) => /^\d+$/.test(n) && Number(n) < runs.length).map(Number));
    apply(true);
    if (opened.size) reveal([...opened][opened.size - 1]);
  }

  // ── the list: chunks that are filled while they are near ───────────────────────────────────────────────────────
  const list = $("list");
  let height = 0;
  let near = null;
  function chunks() {
    if (near) near.disconnect();
    near = new IntersectionObserver((entries) => {
      for (const entry of entries) (entry.isIntersecting ? fill : empty)(entry.target);
    }, { rootMargin: "1200px 0px" });
    list.replaceChildren();
    for (let from = 0; from < shown.length; from += CHUNK) {
      const to = Math.min(shown.length, from + CHUNK);
      const chunk = el("ul", { class: "chunk", "aria-label": `Runs ${from + 1} to ${to} of ${shown.length}` });
      chunk.from = from;
      chunk.to = to;
      list.append(chunk);
    }
    if (list.firstChild) fill(list.firstChild);
    for (const chunk of list.children) {
      if (!chunk.firstChild) chunk.style.height = `${(chunk.to - chunk.from) * height}px`;
      near.observe(chunk);
    }
    if (!shown.length) list.append(el("p", { class: "note" }, runs.length ? `No run fits these filters.${missing()}` : "No run was found."));
  }
  function fill(chunk) {
    if (chunk.firstChild) return;
    chunk.style.height = "";
    const items = document.createDocumentFragment();
    for (let n = chunk.from; n < chunk.to; n += 1) items.append(item(shown[n]));
    chunk.append(items);
    if (!height && chunk.firstChild) height = chunk.firstChild.offsetHeight || 60;
  }
  function empty(chunk) {
    if (!chunk.firstChild || chunk === list.firstChild || chunk.contains(document.activeElement) || printing) return;
    chunk.style.height = `${chunk.offsetHeight}px`;
    chunk.replaceChildren();
  }
  function reveal(index) {
    const at = shown.findIndex((run) => run.index === index);
    if (at < 0) return;
    const chunk = list.children[Math.floor(at / CHUNK)];
    fill(chunk);
    const summary = chunk.children[at - chunk.from].querySelector("summary");
    summary.scrollIntoView({ block: "center" });
    return summary;
  }

  // ── one row ────────────────────────────────────────────────────────────────────────────────────────────────────
  function item(run) {
    const path = [];
    for (const bar of run.bars) {
      const word = data.statuses[bar[0]] + (bar[3] ? " (not seen)" : "");
      if (path[path.length - 1] !== word) path.push(word);
    }
    const strip = el("span", { class: "strip", role: "img", "aria-label": path.length ? `Went: ${visible(path.slice(0, 40).join(", "))}` : "No snapshot" });
    for (const [status, from, to, hidden] of run.bars) {
      const name = data.statuses[status];
      strip.append(el("span", { class: statusClass(name) + (hidden ? " hid" : ""), at: { flexGrow: String(Math.max(to - from, 0)) }, title: name + (hidden ? ", not seen" : "") }));
    }
    const found = el("span", { class: "found" });
    SEVERITIES.forEach((severity, s) => {
      if (run.of[s]) found.append(el("span", { class: `severity ${severity}` }, count(run.of[s], ...NOUNS[severity])));
    });
    if (!run.total) found.append(el("span", { class: "soft" }, "no findings"));
    const lines = run.lastLine > run.line ? `${run.line}–${run.lastLine}` : run.line;
    const summary = el("summary", null,
      el("span", { class: "who" }, el("span", { class: "id", title: run.id }, run.id),
        el("span", { class: "at", title: run.path }, (run.number ? "another run of this id · " : "") + `${nameOfFile(run.path)}${lines ? ":" + lines : ""}` + (run.thread ? ` · ${run.thread}` : ""))),
      strip,
      el("span", { class: "outcome" }, run.last === null ? null : el("i", { class: statusClass(run.last), "aria-hidden": "true" }),
        run.last === null ? null : el("span", { title: run.last }, run.last)),
      found);
    const details = el("details", { class: "run" }, summary);
    details.addEventListener("toggle", () => {
      if (details.open === opened.has(run.index) && details.children.length > 1 === details.open) return;
      if (details.open) opened.add(run.index);
      else opened.delete(run.index);
      if (details.open && details.children.length === 1) details.append(life(run));
      write(wanted());
    });
    if (opened.has(run.index)) {
      details.open = true;
      details.append(life(run));
    }
    return el("li", null, details);
  }

  // ── one life ───────────────────────────────────────────────────────────────────────────────────────────────────
  const UNITS = [[86400000, "d", 3600000, "h"], [3600000, "h", 60000, "min"], [60000, "min", 1000, "s"]];
  function spanText(ms) {
    if (ms < 0) return `−${spanText(-ms)}`;
    for (const [unit, name, part, partName] of UNITS) {
      if (ms < unit) continue;
      const rest = Math.floor((ms % unit) / part);
      return `${Math.floor(ms / unit)} ${name}${rest ? ` ${rest} ${partName}` : ""}`;
    }
    return ms < 1000 && ms > 0 ? `${ms} ms` : `${Math.round(ms / 100) / 10} s`;
  }
  function timeText(seconds) {
    const date = new Date(seconds * 1000);
    return Number.isNaN(date.getTime()) ? String(seconds) : date.toISOString().replace("T", " ").replace(/(\.000)?Z$/, " UTC");
  }
  const percent = (run, ms) => `${Math.min(100, Math.max(0, (100 * ms) / (run.end || 1)))}%`;
  const fact = (name, ...value) => el("div", null, el("dt", null, name), el("dd", null, ...value));

  function life(run) {
    const box = el("div", { class: "life" });
    const facts = el("dl", { class: "facts" });
    if (run.thread) facts.append(fact("thread", el("code", null, run.thread)));
    facts.append(fact("recording", el("code", null, place(run, run.line))));
    if (run.snapshots) facts.append(fact("snapshots", run.snapshots.toLocaleString("en")));
    if (run.axis !== 2 && run.stays.length) facts.append(fact("from", timeText(run.base)), fact("seen over", spanText(run.stays[run.stays.length - 1][5])));
    box.append(facts);
    if (run.stays.length) box.append(picture(run, box), el("p", { class: "note" }, told(run)));
    box.append(findings(run));
    if (run.stays.length) box.append(snapshots(run));
    return box;
  }
  function told(run) {
    const parts = [AXES[run.axis]];
    if (run.number) parts.push("Another run had this id before.");
    if (run.bars.some((bar) => bar[3])) parts.push("Hatched: not seen, but the table leaves no other way.");
    if (run.left) parts.push(`${count(run.left, "stay")} in the middle left out.`);
    if (!run.whole) parts.push("Its beginning was left out of this page for want of room.");
    return parts.join(" ");
  }
  function lane(kind, name, ...children) {
    return el("div", { class: `lane ${kind}` }, el("div", { class: "name" }, name), el("div", { class: "track" }, ...children));
  }
  function ticks(run) {
    if (run.axis === 2) return [];
    const steps = [1, 2, 5, 10, 20, 50, 100, 200, 500, 1000, 2000, 5000, 10000, 15000, 30000, 60000, 120000, 300000, 600000, 1200000, 1800000, 3600000, 7200000, 21600000, 43200000, 86400000];
    let step = steps.find((s) => run.end / s <= 6);
    if (!step) step = Math.ceil(run.end / 6 / 86400000) * 86400000;
    const made = [];
    for (let at = 0; at <= run.end; at += step) made.push(at);
    return made;
  }
  function groups(run) {
    const made = [];
    const apart = run.end * Math.max(0.06, 36 / Math.max(200, list.clientWidth - 180)); // else they lie on each other
    run.pins.forEach((pin, n) => {
      const last = made[made.length - 1];
      const found = made.find((group) => Math.abs(group.at - pin[4]) <= apart) || null;
      if (found) found.pins.push(n);
      else if (pin[3] >= 0 || !last) made.push({ at: pin[4], pins: [n] });
    });
    return made;
  }
  const worstOf = (run, group) => SEVERITIES[Math.min(...group.pins.map((n) => run.pins[n][1]))];
  function picture(run, box) {
    const marks = ticks(run);
    const pinned = groups(run);
    const lines = () => [
      ...marks.map((at) => el("span", { class: "tick", at: { left: percent(run, at) } })),
      ...pinned.map((group) => el("span", { class: `thread ${worstOf(run, group)}`, at: { left: percent(run, group.at) } })),
    ];
    const words = run.bars.map(([status, from, to, hidden]) =>
      `${data.statuses[status]}${hidden ? " (not seen)" : ""}` + (run.axis === 2 ? "" : ` ${spanText(from)} to ${spanText(to)}`));
    const lanes = el("div", { role: "img", "aria-label": `Timeline: ${words.slice(0, 60).join("; ")}` });
    const used = [...new Set(run.bars.map((bar) => bar[0]))].sort((a, b) => a - b);
    for (const status of used) {
      const name = data.statuses[status];
      const bars = run.bars.filter((bar) => bar[0] === status).map(([, from, to, hidden]) =>
        el("span", {
          class: `bar ${statusClass(name)}${hidden ? " hid" : ""}`,
          title: name + (run.axis === 2 ? "" : ` ${spanText(from)} to ${spanText(to)}`) + (hidden ? ", not seen" : ""),
          at: { left: percent(run, from), width: `${(100 * Math.max(0, to - from)) / (run.end || 1)}%` },
        }));
      lanes.append(lane("stay", name, ...lines(), ...bars));
    }
    const rounds = toolRounds(run);
    if (rounds.length) {
      lanes.append(lane("", "tool rounds", ...lines(), ...rounds.map((round, n) =>
        el("span", {
          class: "round", title: `tool round ${n + 1}: ${round.hidden ? "not seen" : round.calls.join(", ") || "no call named"}`,
          at: { left: percent(run, round.from), width: `${(100 * Math.max(0, round.to - round.from)) / (run.end || 1)}%` },
        }, el("b", null, n + 1)))));
    }
    for (const row of stampLanes(run, lines)) lanes.append(row);
    if (marks.length) {
      lanes.append(lane("axis", "", ...marks.map((at, n) =>
        el("span", { class: n ? "word" : "word first", at: { left: percent(run, at) } }, spanText(at)))));
    }
    const time = el("div", { class: "time" });
    if (run.pins.length) time.append(pinLane(run, pinned, lines, box));
    time.append(lanes);
    return time;
  }
  function toolRounds(run) {
    const made = [];
    run.bars.forEach(([status, from, to, hidden, stay], n) => {
      if (data.statuses[status] !== "requires_action") return;
      const before = run.bars[n - 1];
      if (before && before[0] === status) made[made.length - 1].to = to;
      else made.push({ from, to, hidden: true, calls: [] });
      if (hidden) return;
      made[made.length - 1].hidden = false;
      made[made.length - 1].calls = run.stays[stay][7].map((call) => data.texts[call]);
    });
    return made;
  }
  function stampLanes(run, lines) {
    const byName = new Map();
    for (const [name, at] of run.stamps) byName.set(name, [...(byName.get(name) || []), at]);
    return [...byName].sort((a, b) => STAMPS.indexOf(data.stamps[a[0]]) - STAMPS.indexOf(data.stamps[b[0]])).map(([name, places]) => {
      const marks = [], words = [];
      const inside = (at) => Math.min(run.end, Math.max(0, at));
      let free = -run.end; // where the last word ended, so that none stands on another
      for (const at of [...places].sort((a, b) => a - b)) {
        const off = at < -1000 || at > run.end + 1000;
        const left = at > run.end * 0.6;
        const said = off ? (at < 0 ? `← ${spanText(at)}` : `${spanText(at)} →`) : spanText(Math.max(0, at));
        marks.push(el("span", { class: off ? "stamp off" : "stamp", title: `${data.stamps[name]} ${said}`, at: { left: percent(run, at) } }));
        if (inside(at) - free < run.end * (left ? 0.3 : 0.15)) continue;
        free = inside(at);
        words.push(el("span", {
          class: left ? "word left" : "word", at: { left: `calc(${percent(run, at)} ${left ? "- .6rem" : "+ .6rem"})` },
        }, said));
      }
      return lane("thin", data.stamps[name], ...lines(), ...words, ...marks);
    });
  }
  function pinLane(run, pinned, lines, box) {
    const buttons = pinned.map((group) => {
      const severity = worstOf(run, group);
      const numbers = group.pins.map((n) => n + 1);
      const label = numbers.length > 2 ? `${numbers[0]}–${numbers[numbers.length - 1]}` : numbers.join(", ");
      const half = `${label.length / 2}ch + .6rem`; // so that it hangs over neither edge
      const codes = [...new Set(group.pins.map((n) => data.rules[run.pins[n][0]]))].join(", ");
      return el("button", {
        type: "button", class: `pin ${severity}`, at: { left: `clamp(${half}, ${percent(run, group.at)}, 100% - (${half}))` },
        "aria-label": `${numbers.length > 1 ? "Findings" : "Finding"} ${numbers.join(", ")}: ${codes}`,
        on: { click: () => {
          const target = box.querySelectorAll(".pins > li")[group.pins[0]];
          target.focus();
          target.scrollIntoView({ block: "nearest" });
        } },
      }, label);
    });
    return lane("", "findings", ...lines(), ...buttons);
  }
  function findings(run) {
    const made = el("div", null, el("h3", null, run.total ? `Findings (${run.total.toLocaleString("en")})` : "Findings"));
    if (!run.total) {
      made.append(el("p", { class: "calm" }, "None."));
      return made;
    }
    const items = el("ol", { class: "pins", role: "list" });
    run.pins.forEach((pin, n) => {
      const [rule, severity, line, , , field, found, expected, message, hint] = pin;
      const kind = SEVERITIES[severity];
      const more = el("dl", null);
      const add = (name, number, code) => { if (number >= 0) more.append(el("dt", null, name), el("dd", null, code ? el("code", null, text(number)) : text(number))); };
      add("field", field, true);
      add("found", found, true);
      add("expected", expected);
      add("hint", hint);
      items.append(el("li", { class: kind, tabindex: "-1" },
        el("p", { class: "headline" }, el("b", null, `${n + 1}.`), el("span", { class: `severity ${kind}` }, NOUNS[kind][0]),
          el("b", null, data.rules[rule]), el("span", null, nameOf(data.rules[rule])), el("code", { class: "place" }, place(run, line))),
        el("p", null, text(message)), more.firstChild ? more : null));
    });
    made.append(items);
    const left = run.total - run.pins.length;
    if (left > 0) made.append(el("p", { class: "note" }, `${count(left, "more finding")} not written out here; --format json has every one.`));
    return made;
  }
  function snapshots(run) {
    const heads = ["Line", run.axis === 2 ? null : "At", "Status", "Event", "Snapshots", "started_at", "Tool calls", "Findings"].filter(Boolean);
    const body = el("tbody", null);
    run.stays.forEach((stay, n) => {
      const [line, last, times, status, from, , event, calls, started] = stay;
      const numbers = run.pins.map((pin, at) => [pin, at + 1]).filter(([pin]) => pin[3] === n).map(([, at]) => at);
      const cell = (value, kind) => el("td", kind ? { class: kind } : null, value);
      body.append(el("tr", null, cell(last > line ? `${line}–${last}` : line, "num"), run.axis === 2 ? null : cell(spanText(from), "num"),
        cell(data.statuses[status]), cell(text(event) || ""), cell(times.toLocaleString("en"), "num"), cell(started === null ? "" : String(started), "num"),
        cell(calls.map((call) => data.texts[call]).join(", ")), cell(numbers.join(", "))));
    });
    const table = el("table", null, el("thead", null, el("tr", null, ...heads.map((head) =>
      el("th", { scope: "col", class: ["Line", "At", "Snapshots", "started_at"].includes(head) ? "num" : null }, head)))), body);
    return el("details", { class: "below" }, el("summary", null, `As a table (${count(run.stays.length, "stay")})`),
      el("div", { class: "scroll", tabindex: "0", role: "region", "aria-label": "Stays of the run" }, table));
  }

  // ── keys, theme, print ─────────────────────────────────────────────────────────────────────────────────────────
  function clear() {
    for (const name of FIELDS) $(name).value = "";
    for (const box of boxes) box.checked = false;
    apply();
  }
  function step(from, by) {
    const item = from.closest("li");
    const beside = (element) => (by > 0 ? element.nextElementSibling : element.previousElementSibling);
    let next = beside(item);
    const chunk = beside(item.parentElement);
    if (!next && chunk) {
      fill(chunk);
      next = by > 0 ? chunk.firstChild : chunk.lastChild;
    }
    if (next) next.querySelector("summary").focus();
  }
  document.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName) && event.target.type !== "checkbox";
    if (event.key === "/" && !typing) {
      event.preventDefault();
      $("q").focus();
      $("q").select();
    } else if (event.key === "Escape" && (event.target.tagName !== "SELECT")) {
      if (event.target === $("q") && $("q").value) {
        event.preventDefault();
        $("q").value = "";
        apply();
      } else clear();
    } else if ((event.key === "ArrowDown" || event.key === "ArrowUp") && event.target.matches(".run > summary")) {
      event.preventDefault();
      step(event.target, event.key === "ArrowDown" ? 1 : -1);
    }
  });
  const THEMES = ["", "light", "dark"];
  function dress(theme) {
    if (THEMES.indexOf(theme) > 0) document.documentElement.dataset.theme = theme;
    else delete document.documentElement.dataset.theme;
    $("theme").textContent = `Theme: ${document.documentElement.dataset.theme || "auto"}`;
  }
  $("theme").addEventListener("click", () => {
    dress(THEMES[(THEMES.indexOf(document.documentElement.dataset.theme || "") + 1) % THEMES.length]);
    write(wanted());
  });
  let printing = false;
  addEventListener("beforeprint", () => {
    printing = true;
    for (const chunk of list.querySelectorAll(".chunk")) {
      if (chunk.from < PRINTED) fill(chunk);
      else if (!chunk.firstChild) chunk.style.height = "0";
    }
    $("printed").hidden = shown.length <= PRINTED;
    $("printed").textContent = `The first ${PRINTED} of ${shown.length.toLocaleString("en")} runs are printed; filter them to print others.`;
  });
  addEventListener("afterprint", () => {
    printing = false;
    $("printed").hidden = true;
    chunks();
  });

  fillSelects();
  $("filters").hidden = false;
  $("theme").hidden = false;
  let typed = 0, took = 0;
  $("q").addEventListener("input", () => {
    clearTimeout(typed);
    typed = setTimeout(() => {
      const began = performance.now();
      apply();
      took = performance.now() - began;
    }, Math.min(60, took)); // as long as the last one took, so that typing is not held up
  });
  $("filters").addEventListener("change", (event) => { if (event.target !== $("q")) apply(); });
  $("filters").addEventListener("submit", (event) => event.preventDefault());
  $("clear").addEventListener("click", () => { clear(); $("q").focus(); });
  // The fragment of the address is the state's: a link within the page leads there without it.
  for (const link of document.querySelectorAll("a[href^='#']")) {
    link.addEventListener("click", (event) => {
      event.preventDefault();
      const target = $(link.getAttribute("href").slice(1));
      target.scrollIntoView();
      target.focus({ preventScroll: true });
    });
  }
  for (const button of document.querySelectorAll("button[data-rule]")) {
    button.hidden = false;
    button.addEventListener("click", () => {
      clear();
      $("rule").value = button.dataset.rule;
      for (const box of boxes) box.checked = box.value === button.dataset.severity;
      apply();
      $("runs").scrollIntoView();
      $("rule").focus({ preventScroll: true });
    });
  }
  // What is searched is made ready while nothing else is to do, so that the first search is as quick as any.
  let ready = 0;
  const prepare = () => {
    for (const until = performance.now() + 8; ready < runs.length && performance.now() < until; ready += 1) hay(runs[ready]);
    if (ready < runs.length) setTimeout(prepare, 16);
  };
  setTimeout(prepare, 300);
  addEventListener("hashchange", read);
  read();
  if (!list.firstChild) apply(true);
})();
