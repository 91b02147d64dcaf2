// The review of groups of duplicates, one after the other: two pictures side by side, and all by keyboard.
import { image, previewOf } from "../card.js";
import { announce, el, failure, fill, number, size, time } from "../dom.js";
import { keys } from "../keys.js";
import { getJson, isAborted, postJson } from "../net.js";
import { zoomable } from "../zoom.js";
import { heading, plan, said } from "./groups.js";

const DIGITS = ["1", "2", "3", "4", "5", "6", "7", "8", "9"];

export function review(place, first, address, ctx) {
  const images = new Map(); // of the group at hand: made once, so that none flickers when something is marked
  const ahead = new Map(); // groups that were asked for before they are needed
  const trouble = el("div", {});
  const body = el("div", { class: "review" });
  let found = first;
  let row; // the group at hand
  let staying; // the keys of its pictures that are to stay
  let left; // the pictures in the two panes
  let right;
  let zooms = []; // of the panes, the left one first
  let zoomed = null; // as the panes were, to be so again when they are drawn once more
  let isBusy = false;
  let canUndo = found.can_undo;
  let decided = found.decided; // groups
  const doneHere = new Set(); // the keys of groups that were decided since the next ones were asked for

  fill(place, body);
  begin();

  function begin() {
    row = found.row;
    const marked = row.pictures.filter((one) => (row.done?.verb === "keep" ? row.done.stay.includes(one.key) : one.suggested));
    staying = new Set((marked.length ? marked : row.pictures.slice(0, 1)).map((one) => one.key));
    left = row.pictures.length === 2 ? 0 : Math.max(0, row.pictures.findIndex((one) => staying.has(one.key)));
    right = row.pictures.findIndex((one, number_) => number_ !== left && bytesOf(one) !== null);
    if (right < 0) right = row.pictures.length < 2 ? null : left === 0 ? 1 : 0;
    zoomed = null;
    images.clear();
    fill(trouble);
    draw();
    scrollTo(0, 0);
    prefetch();
  }

  // The addresses

  function addressOf(key, { json = false } = {}) {
    const url = new URL(address);
    url.searchParams.delete("page");
    url.searchParams.delete("again");
    if (key) url.searchParams.set("group", key);
    else url.searchParams.delete("group");
    if (!key && !json && found.page > 1) url.searchParams.set("page", found.page);
    return `${url.pathname}${url.search}`;
  }

  function ask(key) {
    if (!ahead.has(key)) {
      const asked = getJson(addressOf(key, { json: true }), { signal: ctx.signal });
      asked.catch(() => ahead.delete(key));
      ahead.set(key, asked);
    }
    return ahead.get(key);
  }

  function prefetch() {
    const wanted = new Set([found.open, found.after].filter((key) => key && key !== row.key));
    for (const key of ahead.keys()) if (!wanted.has(key)) ahead.delete(key);
    for (const key of wanted) {
      ask(key).then((next) => {
        for (const one of next.row?.pictures.slice(0, 2) ?? []) new Image().src = previewOf(one.key, next.snapshot);
      }, () => {});
    }
  }

  async function to(key) {
    if (!key || isBusy) return;
    await busy(async () => {
      const next = await ask(key);
      if (!next.row) return ctx.go(addressOf(key)); // they are found again meanwhile
      found = next;
      ctx.replace(addressOf(key));
      begin();
      announce(`Group ${found.row.number} of ${found.groups}`);
      return undefined;
    });
  }

  async function busy(run) {
    isBusy = true;
    try {
      await run();
    } catch (err) {
      if (!isAborted(err)) fill(trouble, failure(err));
    } finally {
      isBusy = false;
    }
  }

  // The decisions

  function isOne() {
    return row.picture_count === 1;
  }

  async function decide(verb, stay, words) {
    if (!ctx.canWrite) return refuse();
    if (isBusy) return undefined;
    let done = false;
    await busy(async () => {
      const answer = await postJson("/duplicates/decide", { list: found.list, group: row.key, verb, stay });
      if (!row.done) decided += 1;
      row.done = answer.done;
      doneHere.add(row.key);
      canUndo = answer.can_undo;
      done = true;
    });
    if (!done || ctx.signal.aborted) return undefined; // it is decided, and the view may be left
    announce(words);
    return next();
  }

  // Go on to the next group that is open. The one that is known may have been decided since it was asked for.
  async function next() {
    if (found.open && doneHere.has(found.open)) {
      await busy(async () => {
        const now = await getJson(addressOf(row.key, { json: true }), { signal: ctx.signal });
        if (now.row) {
          found = now;
          decided = now.decided;
        }
      });
    }
    return found.open && !doneHere.has(found.open) ? to(found.open) : finish();
  }

  // Nobody has seen the pictures that are not shown: none of them may go, or stay, unseen.
  function isCut() {
    return row.picture_count > row.pictures.length;
  }

  function refuseCut() {
    fill(trouble, failure({
      name: "Failed", message: `${number(row.picture_count - row.pictures.length)} pictures of this group are not shown`,
      next: "to keep some of them: vstore decide keep",
    }));
  }

  function keep() {
    if (isOne()) return to(found.after);
    if (isCut()) return refuseCut();
    const stay = [...staying];
    return decide("keep", stay, `Kept ${stay.length} of ${row.picture_count}`);
  }

  function keepAll() {
    return isCut() ? refuseCut() : decide("keep", row.pictures.map((one) => one.key), "All stay");
  }

  function different() {
    return isOne() ? undefined : decide("different", [], "All are different");
  }

  async function undo() {
    if (!ctx.canWrite) return refuse();
    if (isBusy) return undefined;
    let back = null;
    await busy(async () => {
      const answer = await postJson("/duplicates/undo", { list: found.list });
      canUndo = answer.can_undo;
      back = answer.group;
      doneHere.delete(back);
      if (!answer.done) decided -= 1;
    });
    if (!back || ctx.signal.aborted) return undefined;
    ahead.clear();
    announce("The last decision was taken back");
    return to(back);
  }

  function refuse() {
    fill(trouble, failure({ name: "Failed", message: "this page changes nothing", next: "to decide here, start it with: vstore serve --write" }));
  }

  // What is at hand

  function pick(at, { alone }) {
    const one = row.pictures[at];
    if (!one || isOne()) return false;
    if (alone) staying = new Set([one.key]);
    else if (!staying.has(one.key)) staying.add(one.key);
    else if (staying.size > 1) staying.delete(one.key);
    if (at !== left && at !== right) right = at;
    announce(`${one.name} ${staying.has(one.key) ? "stays" : "goes"}`);
    draw();
    return true;
  }

  function compare(step) {
    if (row.pictures.length < 3) return false;
    do right = (right + step + row.pictures.length) % row.pictures.length; while (right === left);
    draw();
    announce(row.pictures[right].name);
    return true;
  }

  function draw() {
    closeZooms();
    // A button that was clicked takes no key from now on: Enter is to keep what is marked.
    const focused = document.activeElement?.matches(":focus-visible") ? document.activeElement.dataset.do : null;
    const shown = right === null ? [left] : [left, right];
    const better = right === null ? {} : compared(row.pictures[left], row.pictures[right]);
    fill(body,
      head(),
      trouble,
      row.done && el("p", { class: "decided good" }, `Decided: ${said(row)}.`, row.done.is_new && ctx.canWrite && " U takes it back."),
      el("div", { class: `panes ${right === null ? "is-one" : ""} ${row.pictures.length < 3 ? "is-alone" : ""}` }, shown.map((at) => pane(at, better[at === left ? "left" : "right"] ?? {}))),
      row.pictures.length > 2 && strip(),
      isCut() && el("p", { class: "soft small" },
        `${number(row.picture_count - row.pictures.length)} more pictures of this group are not shown.`),
      actions(),
      isOne() && plan(address, found));
    body.querySelector(`[data-do="${CSS.escape(focused ?? "")}"]`)?.focus({ preventScroll: true });
    joinZooms();
  }

  // Zoom and move both panes together.
  function joinZooms() {
    const stages = [...body.querySelectorAll(".stage")];
    zooms = stages.map((stage, at) => zoomable(stage, {
      move(scale, x, y) {
        for (const one of stage.querySelectorAll("img")) one.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
      },
      onchange(now) {
        zoomed = now;
        for (const [number_, other] of zooms.entries()) if (number_ !== at) other.set(now, { isQuiet: true });
      },
    }));
    if (zoomed) for (const one of zooms) one.set(zoomed, { isQuiet: true });
  }

  function closeZooms() {
    for (const one of zooms) one.close();
    zooms = [];
  }

  function head() {
    const go = (key, words, label) => el("button", { type: "button", class: "quiet", disabled: !key, "aria-label": label, dataset: { do: label }, onclick: () => to(key) }, words);
    return el("div", { class: "head" },
      el("a", { href: addressOf(null) }, "All groups"),
      el("div", { class: "grow" },
        el("h1", {}, `Group ${number(row.number)} of ${number(found.groups)}`),
        el("p", { class: "soft" }, `${heading(row, found)}, ${size(row.wasted)} wasted`)),
      el("div", { class: "decided" },
        el("progress", { "aria-label": "Decided", max: found.groups, value: decided }),
        el("span", { class: "soft small" }, `${number(decided)} of ${number(found.groups)} decided`)),
      el("div", { class: "row" }, go(found.before, "‹", "The group before"), go(found.after, "›", "The next group")));
  }

  function pane(at, better) {
    const one = row.pictures[at];
    const does = staying.has(one.key);
    const under = at === left && right !== null ? right : null;
    const stage = once(`stage ${at} ${under}`, () =>
      el("div", { class: "stage" }, large(one), under !== null && el("div", { class: "over" }, large(row.pictures[under]))));
    return el("figure", { class: does ? "pane stays" : "pane" },
      stage,
      el("figcaption", {},
        el("div", { class: "who" },
          row.pictures.length > 1 && el("kbd", {}, number(at + 1)),
          el("span", { class: "name" }, one.name),
          !isOne() && el("button", {
            type: "button", class: does ? "state good" : "state soft", "aria-pressed": String(does), dataset: { do: `state ${at}` },
            onclick: () => pick(at, { alone: false }),
          }, does ? "✓ stays" : "goes")),
        facts(one, better),
        el("ul", { class: "files small" }, one.files.map((file) => el("li", { class: file.best ? "best" : "" },
          el("span", { class: "path" }, `${file.folder}/`, one.path_count > 1 && file.name),
          el("span", { class: "soft" }, fileWords(file, one)),
          file.best && el("span", { class: "good" }, `best: ${file.best}`),
          file.trouble && el("span", { class: "warn" }, file.trouble)))),
        one.path_count > one.files.length && el("p", { class: "soft small" }, `and ${number(one.path_count - one.files.length)} more files`)));
  }

  function once(name, make) {
    if (!images.has(name)) images.set(name, make());
    return images.get(name);
  }

  function large(one) {
    return image(one, { at: found.snapshot, address: previewOf(one.key, found.snapshot) });
  }

  function fileWords(file, one) {
    if (file.size === null) return null;
    return [one.path_count > 1 && size(file.size), `written ${time(file.modified)}`, file.is_link && "a link"].filter(Boolean).join(", ");
  }

  function facts(one, better) {
    const { width, height, format, taken, camera } = one.facts ?? {};
    const entries = [
      ["pixels", width && `${number(width)} × ${number(height)}`],
      ["bytes", bytesOf(one) !== null && size(bytesOf(one))],
      ["format", format],
      ["taken", taken && String(taken).replace("T", " ")],
      ["camera", camera],
      ["like", at(one) !== 0 && (one.tier === "pixels" ? "same pixels" : `${one.score.toFixed(3)} like the first`)],
      ["burst", one.burst && "of a burst"],
    ];
    return el("ul", { class: "facts small" }, entries.filter(([, words]) => words)
      .map(([name, words]) => el("li", { class: better[name] ? "better" : "" }, words)));
  }

  function at(one) {
    return row.pictures.indexOf(one);
  }

  function strip() {
    return el("ol", { class: "strip" }, row.pictures.map((one, number_) => el("li", {
      class: `${staying.has(one.key) ? "stays" : ""} ${number_ && one.part !== row.pictures[number_ - 1].part ? "apart" : ""}`,
    },
      el("button", {
        type: "button", "aria-label": `Compare ${one.name}`, "aria-current": number_ === right ? "true" : null, dataset: { do: `strip ${number_}` },
        onclick: (event) => {
          if (event.shiftKey || number_ === left) {
            if (number_ === right) right = left;
            left = number_;
          } else right = number_;
          draw();
        },
      }, once(`small ${number_}`, () => el("span", { class: "picture" }, image(one, { at: found.snapshot })))),
      number_ < 9 && el("kbd", {}, number(number_ + 1)),
      (number_ === left || number_ === right) && el("span", { class: "mark" }, number_ === left ? "left" : "right"))));
  }

  function actions() {
    const act = (does, key, run, attributes = {}) =>
      el("button", { type: "button", dataset: { do: key }, onclick: run, ...attributes }, does, " ", el("kbd", {}, key));
    if (!ctx.canWrite) {
      return el("div", { class: "actions row" }, act("Next", "S", () => to(found.after), { disabled: !found.after }),
        el("span", { class: "soft small" }, "To decide here, start the page with: ", el("code", {}, "vstore serve --write")));
    }
    const stay = staying.size === row.picture_count ? "Keep all" : staying.size === 1 ? "Keep 1, others go" : `Keep ${number(staying.size)}, others go`;
    return el("div", { class: "actions row" },
      isOne()
        ? act("Keep all files", "A", keepAll, { class: "main" })
        : [act(stay, "Enter", keep, { class: "main", disabled: isCut() }), act("Keep all", "A", keepAll, { disabled: isCut() }), act("All different", "D", different)],
      act("Skip", "S", () => to(found.after), { disabled: !found.after }),
      act("Undo", "U", undo, { disabled: !canUndo }),
      isOne() && el("span", { class: "soft small" }, "Files with the same bytes are one picture: which of them stays, a plan says."));
  }

  function finish() {
    closeZooms();
    fill(body, trouble,
      el("div", { class: "empty" },
        el("h1", {}, "All groups are decided"),
        el("p", {}, `${number(decided)} of ${number(found.groups)}. No picture was moved.`),
        el("div", { class: "row" },
          el("a", { class: "button", href: addressOf(null) }, "All groups"),
          canUndo && el("button", { type: "button", dataset: { do: "U" }, onclick: undo }, "Undo ", el("kbd", {}, "U")))),
      plan(address, found));
    announce("All groups are decided");
  }

  const blink = (event) => {
    if (event.type === "blur" || event.key.toLowerCase() === "b") body.classList.remove("is-blinking");
  };
  document.addEventListener("keyup", blink);
  addEventListener("blur", blink); // who lets go of it in another window lets go of it
  const isOpen = () => !body.querySelector(".empty");
  const when = (run) => (event) => (isOpen() ? run(event) : false);
  const off = keys("Review of duplicates", [
    { key: "Enter", does: "keep what is marked, the others go", run: when((event) => (event.target.closest?.("a, button:not([data-do=Enter])") ? false : event.repeat || keep())) },
    { key: DIGITS, does: "1 to 9: only this one stays", run: when((event) => pick(Number(event.key) - 1, { alone: true })) },
    { key: " ", does: "the picture on the right stays, or goes", run: when((event) => (event.target.closest?.("a, button") ? false : pick(right ?? 0, { alone: false }))) },
    { key: "a", does: "keep all", run: when((event) => event.repeat || keepAll()) },
    { key: "d", does: "all are different", run: when((event) => event.repeat || different()) },
    { key: ["s", "j", "ArrowDown"], does: "skip: the next group", run: when(() => to(found.after)) },
    { key: ["k", "ArrowUp"], does: "the group before", run: when(() => to(found.before)) },
    { key: ["u"], does: "take the last decision back", run: (event) => event.repeat || undo() },
    { key: "ArrowRight", does: "compare with the next picture of the group", run: when(() => compare(1)) },
    { key: "ArrowLeft", does: "compare with the picture before", run: when(() => compare(-1)) },
    { key: "b", does: "hold: the right picture in the place of the left one", run: when(() => body.classList.add("is-blinking")) },
    { key: ["+", "="], does: "zoom in", run: when(() => zooms[0]?.zoom(1.5)) },
    { key: "-", does: "zoom out", run: when(() => zooms[0]?.zoom(1 / 1.5)) },
    { key: "z", does: "look closely, or at the whole", run: when(() => (zoomed?.scale > 1 ? zooms[0]?.reset() : zooms[0]?.zoom(3))) },
    { key: "0", does: "the whole picture", run: when(() => zooms[0]?.reset()) },
    { key: "Escape", does: "all groups", run: () => ctx.go(addressOf(null)) },
  ]);
  return () => {
    off();
    document.removeEventListener("keyup", blink);
    removeEventListener("blur", blink);
    closeZooms();
  };
}

function bytesOf(one) {
  return one.files.find((file) => file.size !== null)?.size ?? null;
}

// Tell which of two pictures has more of what can be counted.
function compared(one, other) {
  const area = ({ facts = {} }) => (facts.width && facts.height ? facts.width * facts.height : null);
  const more = (a, b) => a !== null && b !== null && a > b;
  const side = (a, b) => ({ pixels: more(area(a), area(b)), bytes: more(bytesOf(a), bytesOf(b)) });
  return { left: side(one, other), right: side(other, one) };
}
