// The snapshots: their history, what can be undone, and the operations that made them current.
import { announce, confirmed, count, el, failure, fill, number, sentence, style, time } from "../dom.js";
import { keys } from "../keys.js";
import { getJson, isAborted, postJson } from "../net.js";

export const title = "Snapshots";
const PART = 100; // snapshots that are listed at once
const OPERATIONS = 20; // operations at first, and how many more each time
let said = null; // what the last move left to say, shown once with what is there now

export async function show(main, address, ctx) {
  await style("snapshots");
  const [a, b] = ["a", "b"].map((name) => address.searchParams.get(name));
  const found = await getJson(`/snapshots?count=${PART}&operations=${OPERATIONS}`, { signal: ctx.signal });
  const chosen = { a, b };
  const list = el("ol", { class: "history", "aria-label": "Snapshots, newest first" });
  const compare = el("a", { class: "button", href: "/diff" }, "Compare");
  const more = el("button", { type: "button", hidden: true, onclick: older }, "Older ones");
  const trouble = el("div");
  let rows = found.snapshots;

  const moved = el("div", { class: "moved", tabindex: -1 }, said);

  fill(main,
    el("h1", {}, title),
    el("p", { class: "soft" }, found.total
      ? `${count(found.total, "snapshot")}; ${found.current ? `${found.current} is current` : "none is current"}.`
      : "No snapshot yet. Make one with: vstore sync FOLDER"),
    moved,
    found.hold && hold(),
    ctx.canWrite && moves(),
    found.total > 1 && el("div", { class: "row compare" },
      el("span", { class: "soft small" }, "Choose two snapshots to see what is different."), compare),
    list,
    el("div", { class: "row" }, trouble, more),
    found.log.length > 0 && el("section", { class: "operations" }, el("h2", {}, "Operations"), operations()));
  if (said) moved.focus(); // what was pressed is there no more
  said = null;
  choose("b", b ?? rows[0]?.snapshot);
  choose("a", a ?? rows[1]?.snapshot ?? rows[0]?.snapshot);
  add(rows);

  async function older() {
    more.disabled = true;
    fill(trouble);
    try {
      const next = await getJson(`/snapshots?from=${rows.length}&count=${PART}&operations=0`, { signal: ctx.signal });
      rows = [...rows, ...next.snapshots];
      add(next.snapshots);
    } catch (err) {
      if (!isAborted(err)) fill(trouble, failure(err));
    }
    more.disabled = false;
  }

  function add(some) {
    list.append(...some.map(row));
    more.hidden = rows.length >= found.total;
  }

  function row(one) {
    const facts = [time(one.time), `${count(one.paths, "path")}, ${count(one.images, "picture")}`, one.space_name];
    return el("li", { class: `panel snapshot${one.current ? " current" : ""}`, id: one.snapshot },
      found.total > 1 && el("div", { class: "choice" }, pick("a", "from", one), pick("b", "to", one)),
      el("div", { class: "grow" },
        el("div", { class: "row" },
          el("h2", { class: "name" }, one.snapshot),
          one.current && el("span", { class: "chip now" }, "current"),
          found.hold === one.snapshot && el("span", { class: "chip" }, "syncing is held"),
          ["partial", "degraded"].filter((flag) => one[flag]).map((flag) => el("span", { class: "chip warn" }, flag)),
          one.tags.map((tag) => el("span", { class: "chip" }, tag,
            ctx.canWrite && el("button", {
              type: "button", class: "quiet untag", "aria-label": `Remove the tag ${tag}`, title: `Remove the tag ${tag}`, onclick: () => untag(tag, one),
            }, "×")))),
        one.message && el("div", {}, one.message),
        el("div", { class: "soft small number" }, facts.join(" · "))),
      el("div", { class: "row doing" },
        one.compared_with && el("a", {
          href: `/diff?a=${one.compared_with}&b=${one.snapshot}`, title: `From ${one.compared_with}`, "aria-label": `What changed in ${one.snapshot}`,
        }, "What changed"),
        el("a", { href: one.current ? "/search" : `/search?at=${one.snapshot}`, "aria-label": `Pictures of ${one.snapshot}` }, "Pictures"),
        ctx.canWrite && el("button", { type: "button", "aria-label": `Tag ${one.snapshot}`, onclick: () => tag(one) }, "Tag"),
        ctx.canWrite && !one.current && el("button", { type: "button", "aria-label": `Make ${one.snapshot} current`, onclick: () => rollback(one) }, "Make current")));
  }

  // Which two are compared

  function pick(side, words, one) {
    return el("label", {}, el("span", {}, words),
      el("input", {
        type: "radio", name: side, value: one.snapshot, checked: chosen[side] === one.snapshot,
        "aria-label": `Compare ${words} ${one.snapshot}`, onchange: () => {
          choose(side, one.snapshot);
          ctx.replace(`/snapshots?${new URLSearchParams({ a: chosen.a, b: chosen.b })}`); // for who comes back
        },
      }));
  }

  function choose(side, name) {
    chosen[side] = name ?? null;
    const isReady = chosen.a && chosen.b && chosen.a !== chosen.b;
    compare.hidden = !isReady;
    if (!isReady) return;
    compare.href = `/diff?${new URLSearchParams({ a: chosen.a, b: chosen.b })}`;
    fill(compare, `Compare ${chosen.a} → ${chosen.b}`);
  }

  // Moves

  function hold() {
    return el("div", { class: "panel held", role: "status" },
      el("p", {}, `Syncing is held at ${found.hold}: no sync changes what is current.`),
      ctx.canWrite
        ? el("button", { type: "button", onclick: release }, "Allow syncing")
        : el("p", { class: "soft" }, "Go on with: vstore rollback --release"));
  }

  function moves() {
    const button = (word, about, run) => el("button", { type: "button", disabled: !about, title: about ? sentence(local(about)) : null, onclick: run },
      about ? `${word}: ${about.replace(/ of \S+/, "")}` : word);
    return el("div", { class: "row moves" }, button("Undo", found.undo, undo), button("Redo", found.redo, redo));
  }

  // again: asks once more where what was sent cannot be, and tells whether it does.
  async function move(name, sent, told, again = () => false) {
    try {
      const report = await postJson(`/snapshots/${name}`, { newest: found.newest, ...sent });
      said = el("div", { class: "panel told" }, el("p", {}, told(report)), (report.notes ?? []).map((note) => el("p", { class: "soft" }, sentence(local(note)))));
      announce(told(report));
    } catch (err) {
      if (!ctx.signal.aborted && again(err)) return;
      said = failure(err); // with what is there now
    }
    if (!ctx.signal.aborted) await ctx.refresh();
  }

  async function rollback(one) {
    const holds = el("input", { type: "checkbox" });
    const isSure = await confirmed(`Make ${one.snapshot} current?`, [
      `Searches and this page then show its ${count(one.images, "picture")}. No picture is touched, and nothing is lost: Undo goes back.`,
      "The next sync returns to what is on disk, unless syncing is held.",
      el("label", { class: "check" }, holds, "Hold syncing until it is allowed again"),
    ], { yes: `Make ${one.snapshot} current` });
    if (!isSure) return;
    await move("rollback", { snapshot: one.snapshot, hold: holds.checked },
      (report) => `${report.current} is now current${report.before ? `; before it was ${report.before}` : ""}.${report.hold ? " Syncing is held." : ""}`);
  }

  async function undo() {
    if (await confirmed("Undo?", [`This takes back: ${local(found.undo)}.`, "No picture is touched. Redo brings it back."], { yes: "Undo" })) {
      await move("undo", {}, (report) => `Undone: ${local(report.about)}. ${now(report)}`);
    }
  }

  async function redo() {
    if (await confirmed("Redo?", [`This brings back: ${local(found.redo)}.`, "No picture is touched."], { yes: "Redo" })) {
      await move("redo", {}, (report) => `Redone: ${local(report.about)}. ${now(report)}`);
    }
  }

  async function release() {
    if (await confirmed("Allow syncing?", ["The next sync makes a snapshot of what is on disk, and it becomes current."], { yes: "Allow syncing" })) {
      await move("release", {}, () => "Syncing is allowed again.");
    }
  }

  // given: the name that was refused, and trouble: why.
  async function tag(one, given = "", trouble = null) {
    const name = el("input", { type: "text", value: given, maxlength: 100, autocomplete: "off", spellcheck: "false" });
    name.addEventListener("keydown", (event) => {
      if (event.key !== "Enter" || event.isComposing) return;
      event.preventDefault(); // else it presses the button that gets the focus back
      name.closest("dialog").close("yes");
    });
    const asked = confirmed(`Tag ${one.snapshot}`, [trouble && failure(trouble), "A tag is a name of its own. A tagged snapshot is never forgotten.", el("label", { class: "field" }, "Name", name)], { yes: "Tag it" });
    name.focus();
    const wanted = (await asked) && name.value.trim();
    if (!wanted) return;
    await move("tag", { snapshot: one.snapshot, tag: wanted }, (report) => `${report.snapshot} is tagged ${report.tag}.`,
      (err) => err.status === 400 && (tag(one, wanted, err), true));
  }

  async function untag(name, one) {
    if (await confirmed(`Remove the tag ${name}?`, [`${one.snapshot} stays; without a tag, vstore snapshot forget may forget it.`], { yes: "Remove the tag" })) {
      await move("untag", { tag: name }, (report) => `Removed the tag ${report.tag}.`);
    }
  }

  // The operations

  function operations() {
    const body = el("tbody");
    let log = found.log;
    const button = el("button", { type: "button", onclick: next }, "Earlier ones");
    const cut = el("p", { class: "warn" });
    const broken = el("div");
    put();

    async function next() {
      button.disabled = true;
      fill(broken);
      try {
        const asked = log.length + 5 * OPERATIONS;
        const answer = await getJson(`/snapshots?count=0&operations=${asked}`, { signal: ctx.signal });
        const isAll = answer.log.length < asked;
        log = answer.log;
        put(isAll);
        fill(cut, answer.log_is_cut && `${sentence(answer.log_is_cut)}; not all operations are listed. Run: vstore repair`);
      } catch (err) {
        if (!isAborted(err)) fill(broken, failure(err));
      }
      button.disabled = false;
    }

    function put(isAll = log.length < OPERATIONS) {
      button.hidden = isAll;
      fill(body, log.map((one) => el("tr", { class: one.undone ? "undone" : null },
        el("td", { class: "number soft" }, number(one.number)), el("td", { class: "number nowrap" }, time(one.time)),
        el("td", { class: "what" }, el("strong", {}, one.op), ` ${local(one.about)}`, one.undone && el("span", { class: "soft" }, " (undone)")),
        el("td", {}, one.current ?? ""))));
    }

    fill(cut, found.log_is_cut && `${sentence(found.log_is_cut)}; not all operations are listed. Run: vstore repair`);
    return [
      el("div", { class: "wide" }, el("table", { class: "table" },
        el("thead", {}, el("tr", {}, ["Number", "Time", "Operation", "Current"].map((word) => el("th", { scope: "col" }, word)))), body)),
      cut, broken, button,
    ];
  }

  const shortcuts = [{ key: "c", does: "compare the two that are chosen", run: () => (compare.hidden ? false : ctx.go(compare.href)) }];
  if (ctx.canWrite && found.undo) shortcuts.push({ key: "u", does: "undo", run: () => void undo() });
  if (ctx.canWrite && found.redo) shortcuts.push({ key: "r", does: "redo", run: () => void redo() });
  return keys(title, shortcuts);
}

function now(report) {
  return report.current ? `${report.current} is current.` : "No snapshot is current.";
}

// Show the times in a text in the zone of the reader.
function local(text) {
  return text.replace(/\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z/g, time);
}
