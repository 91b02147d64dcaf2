// The health of the store: what runs, what could not be read, how the spaces stand, where the bytes are.
import { count, el, failure, fill, number, sentence, shareFound, size, style, time, waiting } from "../dom.js";
import { getJson, isAborted } from "../net.js";

export const title = "Health";
const PART = 50; // pictures that are listed at once
const PARTS = {
  refs: "Log of the store", segments: "Vectors", packs: "Paths, facts, fields", journal: "Vectors not sealed yet",
  catalogue: "Notes about files", cache: "Caches, thumbnails", indexes: "Search indexes", quarantine: "Taken out by a repair",
  locks: "Locks", "FORMAT, reserve": "Reserve for a full disk",
};

const KINDS = { // of failures, as FORMAT.md has them
  permission: "No right to read it", io: "The disk did not give it", truncated: "Cut short", not_an_image: "No picture that can be read",
  too_large: "A file of too many bytes", bomb: "A picture of too many pixels", needs_extra: "An optional package is missing",
  model: "The model gave no vector",
};

export async function show(main, address, ctx) {
  await style("health");
  const found = await getJson(`/health?count=${PART}`, { signal: ctx.signal });
  const { stats } = found;
  const runs = el("section", { class: "runs", "aria-label": "Running now" });
  const list = el("tbody");
  const more = el("button", { type: "button", hidden: true, onclick: further }, "More");
  const trouble = el("div");
  const checked = el("div", { "aria-live": "polite" });
  const check = el("button", { type: "button", onclick: checkNow }, "Check now");
  const quarantine = stats.parts.find((part) => part.name === "quarantine");
  const unlisted = stats.parts.reduce((sum, part) => sum + part.unlisted, 0);
  let rows = found.failed.entries;

  fill(main,
    el("h1", {}, title),
    el("p", { class: "soft" }, [stats.store, count(stats.snapshots, "snapshot"), count(stats.images, "vector"), size(stats.total)].join(" · ")),
    found.complaint && note("bad", `${sentence(found.complaint)}. Answers come from an older state. Run: `, code("vstore repair")),
    !stats.newest && note("warn", "The store has an older format. Bring it up to date with: ", code("vstore migrate")),
    runs,
    section("Pictures that could not be read", failed()),
    section("Spaces", spaces()),
    section("Folders", folders()),
    section("Disk use", disk()),
    section("Check",
      el("p", { class: "soft" }, "Every record, page, manifest and segment is looked at, not every byte; for that: ", code("vstore check --read-data"),
        ". For this machine and the models: ", code("vstore doctor")),
      el("div", { class: "row" }, check), checked));
  add(rows);
  showRunning(found.running);
  if (found.check) showCheck(found.check);
  ctx.onstate((state) => showRunning(state.running));

  // What runs

  function showRunning(running) {
    if (!running) {
      fill(runs);
      return;
    }
    const part = running.done === null || running.stage === null ? "" : [
      number(running.done), running.total !== null && `of ${number(running.total)}`, running.unit].filter(Boolean).join(" ");
    fill(runs, el("div", { class: "panel" },
      el("div", {}, el("strong", {}, `Running now: ${running.command}`), running.stage && `, ${running.stage}`),
      running.total > 0 && el("progress", { max: running.total, value: Math.min(running.done, running.total), "aria-label": running.stage }),
      el("div", { class: "soft small number" }, [part, `since ${time(running.since)}`, `process ${running.pid} on ${running.host}`].filter(Boolean).join(" · "))));
  }

  // What could not be read

  function failed() {
    const { total } = found.failed;
    if (!total) return el("p", { class: "good" }, "None: the newest sync read all that it met.");
    return [
      el("p", { class: "soft" }, `${count(total, "file")} of the newest sync. Try all of them again with: `, code("vstore sync --retry-failed")),
      el("div", { class: "wide" }, el("table", { class: "table failed" },
        el("thead", {}, el("tr", {}, el("th", {}, "File"), el("th", {}, "Why"))), list)),
      el("div", { class: "row" }, trouble, more),
    ];
  }

  function add(some) {
    list.append(...some.map((one) => {
      const [folder, name] = split(one.file ?? one.path);
      return el("tr", {},
        el("td", {}, el("div", {}, name), el("div", { class: "soft small" }, folder)),
        el("td", {}, el("div", {}, sentence(one.reason ?? "")), el("div", { class: "soft small" }, KINDS[one.kind] ?? one.kind)));
    }));
    more.hidden = rows.length >= found.failed.total;
  }

  async function further() {
    more.disabled = true;
    fill(trouble);
    try {
      const next = await getJson(`/health?from=${rows.length}&count=${PART}`, { signal: ctx.signal });
      rows = [...rows, ...next.failed.entries];
      add(next.failed.entries);
      if (!next.failed.entries.length) more.hidden = true;
    } catch (err) {
      if (!isAborted(err)) fill(trouble, failure(err));
    }
    more.disabled = false;
  }

  // Spaces, folders, bytes

  function spaces() {
    const bytes = new Map(stats.spaces.map((one) => [one.id, one]));
    const claimed = found.spaces.filter((one) => one.status !== "verified");
    return [
      el("div", { class: "wide" }, el("table", { class: "table spaces" },
        el("thead", {}, el("tr", {}, ["Space", "State", "Vectors", "In snapshots", "Size", "Index"].map((head, at) =>
          el("th", { class: at > 1 ? "number" : null }, head)))),
        el("tbody", {}, found.spaces.map((one) => el("tr", {},
          el("td", {}, el("div", {}, one.space_name, one.current && el("span", { class: "chip now" }, "current")),
            el("div", { class: "soft small" }, [one.model ?? one.family, one.adapter, `${number(one.dim)} dimensions`].filter(Boolean).join(" · "))),
          el("td", {}, el("span", { class: `chip ${one.status === "verified" ? "good" : "warn"}` }, one.status)),
          el("td", { class: "number" }, number(one.rows)),
          el("td", { class: "number" }, number(bytes.get(one.space)?.named ?? 0)),
          el("td", { class: "number" }, size(bytes.get(one.space)?.bytes ?? 0)),
          el("td", { class: "number index" }, indexOf(bytes.get(one.space)?.approximate))))))),
      claimed.length > 0 && el("p", { class: "soft" },
        "Claimed: nobody has embedded pictures again to see that the vectors are those of the model. Do it with: ", code("vstore check --reembed 32")),
    ];
  }

  // Say how the approximate index of a space stands, as `vstore index status` does.
  function indexOf(one) {
    if (!one) return "";
    const isNeeded = one.bytes > one.exact_below;
    const line = (...texts) => el("div", { class: "soft small" }, ...texts);
    if (one.lists === null) return isNeeded ? [el("div", {}, "none"), line(code("vstore index build"), " makes searches faster")] : "not needed";
    const left = one.rows - one.covered;
    return [
      el("div", {}, size(one.size)),
      one.recall_at_10 !== null && line(`finds ${shareFound(one.recall_at_10)} of the ten nearest`),
      left > 0 && line(`${number(left)} in no list: compared one by one`),
      !isNeeded && line("not asked: all are compared"),
      isNeeded && one.grown && line("made for far fewer: ", code("vstore index build")),
    ];
  }

  function folders() {
    if (!stats.roots.length) return el("p", { class: "soft" }, "None yet. Take one in with: ", code("vstore sync FOLDER"));
    return el("ul", { class: "plain" }, stats.roots.map((root) => el("li", {},
      el("bdi", {}, root.label), " ", el("bdi", { class: "soft" }, root.place), " ",
      !root.named ? el("span", { class: "chip warn" }, "not named at this machine")
        : !root.there && el("span", { class: "chip bad" }, "not there"))));
  }

  function disk() {
    const parts = stats.parts.filter((part) => part.bytes).sort((a, b) => b.bytes - a.bytes);
    const most = Math.max(1, ...parts.map((part) => part.bytes));
    return [
      el("table", { class: "table disk" }, el("tbody", {}, parts.map((part) => el("tr", {},
        el("td", {}, el("div", {}, PARTS[part.name] ?? part.name), el("div", { class: "soft small" }, count(part.files, "file"))),
        el("td", { class: "share", "aria-hidden": "true" }, el("meter", { min: 0, max: most, value: part.bytes })),
        el("td", { class: "number" }, size(part.bytes)))))),
      unlisted > 0 && el("p", {}, `${size(unlisted)} belong to no snapshot. Delete what is old enough with: `, code("vstore gc")),
      quarantine?.files > 0 && el("p", { class: "warn" },
        `A repair took ${count(quarantine.files, "damaged file")} out of use; they lie in ${stats.store}/quarantine, and nothing reads them.`),
    ];
  }

  // What takes a while

  async function checkNow() {
    check.disabled = true;
    fill(checked, waiting("Checking …"));
    try {
      showCheck(await getJson("/health/check", { signal: ctx.signal }));
    } catch (err) {
      if (!isAborted(err)) fill(checked, failure(err));
    }
    check.disabled = false;
  }

  function showCheck(report) {
    const text = report.ok ? "No damage found." : `${count(report.problem_count, "problem")} found.`;
    fill(checked,
      note(report.ok ? "good" : "bad", `${text} ${time(report.at)}: ${[
        count(report.snapshots, "snapshot"), count(report.segments, "segment"), count(report.packs, "pack"), count(report.records, "record")].join(", ")}.`),
      report.problems.length > 0 && el("ul", {}, report.problems.map((one) => el("li", {},
        el("div", {}, `${one.file}: ${one.what}`), el("div", { class: "soft" }, sentence(one.next))))),
      report.notes.map((text_) => el("p", { class: "soft" }, sentence(text_))));
  }
}

function section(name, ...children) {
  return el("section", {}, el("h2", {}, name), ...children);
}

function note(kind, ...texts) {
  return el("p", { class: `note ${kind}` }, ...texts);
}

function code(command) {
  return el("code", {}, command);
}

function split(path) {
  const at = path.lastIndexOf("/");
  return at < 0 ? ["", path] : [path.slice(0, at), path.slice(at + 1)];
}
