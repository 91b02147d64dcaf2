// What is searched, and how: snapshot, space, folder, filters, and what is left out of the hits.
import { snapshotChooser } from "../chooser.js";
import { el, fill, number } from "../dom.js";
import { getJson, isAborted } from "../net.js";

const FILTERS = ["name", "under", "since", "until", "camera", "format", "side", "rating", "f", "new_since", "where"];
const MANY_FOLDERS = 300;
const SIDES = [640, 1024, 1920, 3840];
const SHARES = [["0.01", "likely (1 in 100)"], ["0.001", "surer (1 in 1,000)"], ["0.0001", "surest (1 in 10,000)"]];
const VERBS = { is: "is", not: "is not", ge: "≥", le: "≤", contains: "has", has: "has", set: "is set", unset: "is not set" };

const OF_HITS = ["min_score"]; // they leave out hits, and no pictures where nothing is looked for
export const isFilter = (name) => FILTERS.includes(name);

// Make them. change: changes the address. told: called with what is known of the snapshot. Returns { element, show(url, answer), toggle, withoutFilters }.
export function controls(ctx, { change, told }) {
  let url = null, known = null, choices = null, loading = null, isOpen = false;
  const row = el("div", { class: "row end search-controls" });
  const applied = el("ul", { class: "chips applied", "aria-label": "Filters" });
  const panel = el("div", { class: "panel search-filters", id: "filters", hidden: true });
  const element = el("div", { class: "search-bar" }, row, panel, applied);
  const opener = el("button", { type: "button", "aria-expanded": "false", "aria-controls": "filters", title: "Filters (f)", onclick: () => toggle() }, "Filters");
  let snapshots = null, lastAt = null;

  function toggle() {
    isOpen = !isOpen;
    panel.hidden = !isOpen;
    opener.setAttribute("aria-expanded", String(isOpen));
    if (isOpen) panel.querySelector("input, select")?.focus();
    else opener.focus();
  }

  const value = (name) => url.searchParams.get(name) ?? "";
  const values = (name) => url.searchParams.getAll(name);
  const set = (name, to) => change((all) => {
    all.delete("k");
    if (to) all.set(name, to);
    else all.delete(name);
  });
  const add = (name, to) => to && change((all) => {
    all.delete("k");
    if (!all.getAll(name).includes(to)) all.append(name, to);
  });
  const drop = (name, of) => change((all) => {
    const others = all.getAll(name).filter((one) => one !== of);
    all.delete(name);
    all.delete("k");
    for (const one of others) all.append(name, one);
  });
  function withoutFilters(all) {
    for (const name of [...FILTERS, ...OF_HITS]) all.delete(name);
    all.delete("k");
  }

  function show(next, answer) {
    url = next;
    if (answer) known = answer;
    const at = value("at") || "current";
    if (at !== lastAt || (answer && choices && answer.snapshot !== choices.snapshot)) {
      lastAt = at;
      load(at);
    }
    showRow();
    showApplied();
    if (!panel.contains(document.activeElement)) showPanel();
  }

  async function load(at) {
    loading?.abort();
    loading = new AbortController();
    const { signal } = loading;
    try {
      const finding = getJson(`/search/choices?${new URLSearchParams({ at })}`, { signal });
      finding.catch(() => {}); // it is waited for below
      const [all, chooser] = await Promise.all([
        getJson("/choices", { signal }),
        snapshotChooser({ ...ctx, signal }, at, { chosen: (name) => set("at", name === "current" ? "" : name) }),
      ]);
      if (signal.aborted || ctx.signal.aborted) return;
      snapshots = { ...all, spaces: Object.keys(all.spaces), chooser };
      showRow(); // of a snapshot that is gone there is nothing more to choose than another one
      choices = await finding;
      if (signal.aborted || ctx.signal.aborted) return;
      told(choices);
      showRow();
      showPanel();
      showApplied();
    } catch (err) {
      if (!isAborted(err) && err.name !== "Failed") console.error(err); // the search itself says what is wrong
    }
  }

  const rowParts = {};
  function showRow() {
    const hasTerms = url.searchParams.has("t");
    const part = (name, made) => {
      const id = JSON.stringify(made.now);
      if (rowParts[name]?.id !== id) rowParts[name] = { id, node: made.make() };
      return rowParts[name].node;
    };
    const filters = FILTERS.filter((name) => name !== "under" && url.searchParams.has(name)).length;
    fill(opener, filters ? `Filters (${filters})` : "Filters");
    // Each is made again only when it changes: who is at it keeps the focus.
    const wanted = [
      snapshots?.chooser ?? el("label", { class: "field" }, "Snapshot", el("select", { disabled: true }, el("option", {}, value("at") || "current"))),
      snapshots && snapshots.spaces.length > 1 && part("space", { now: [snapshots.current, known?.space_name, snapshots.spaces], make: spaceSelect }),
      choices && part("folder", { now: [choices.snapshot, value("under")], make: folderSelect }),
      hasTerms && part("share", { now: value("min_p"), make: shareSelect }),
      hasTerms && part("collapse", { now: value("collapse"), make: collapseCheck }),
      opener,
    ].filter(Boolean);
    const there = [...row.children];
    if (wanted.length !== there.length || wanted.some((node, index) => node !== there[index])) {
      const had = row.contains(document.activeElement) ? document.activeElement : null;
      fill(row, wanted);
      if (had?.isConnected) had.focus();
    }
  }

  function spaceSelect() {
    const select = el("select", {
      onchange: () => {
        const newest = snapshots.snapshots.find((one) => one.space_name === select.value);
        if (newest) set("at", newest.current ? "" : newest.snapshot);
      },
    }, snapshots.spaces.map((space) => {
      const newest = snapshots.snapshots.find((one) => one.space_name === space);
      return el("option", { value: space, disabled: !newest }, newest ? space : `${space} (no snapshot)`);
    }));
    if (known) select.value = known.space_name;
    return el("label", { class: "field" }, "Model space", select);
  }

  function folderSelect() {
    const { folders } = choices;
    if (folders.length <= MANY_FOLDERS) {
      const select = el("select", { onchange: () => set("under", select.value) },
        el("option", { value: "" }, "all folders"),
        folders.map((one) => el("option", { value: one.path }, `${one.path} (${number(one.images)})`)),
        value("under") && !folders.some((one) => one.path === value("under")) && el("option", { value: value("under") }, value("under")));
      select.value = value("under");
      return el("label", { class: "field folder" }, "Folder", select);
    }
    return el("label", { class: "field folder" }, "Folder",
      el("input", { list: "folders", value: value("under"), placeholder: "all folders", onchange: (event) => set("under", event.target.value.trim()) }),
      el("datalist", { id: "folders" }, folders.map((one) => el("option", { value: one.path }, number(one.images)))));
  }

  function shareSelect() {
    const given = value("min_p");
    const select = el("select", { onchange: () => set("min_p", select.value) },
      el("option", { value: "" }, "all that there is"),
      SHARES.map(([share, words]) => el("option", { value: share }, words)),
      given && !SHARES.some(([share]) => share === given) && el("option", { value: given }, given));
    select.value = given;
    return el("label", { class: "field", title: "Leave out pictures with a score that this share of unrelated ones reaches" }, "Relevance", select);
  }

  function collapseCheck() {
    return el("label", { class: "check", title: "Show near-duplicates once: the best of them" },
      el("input", { type: "checkbox", checked: value("collapse") === "1", onchange: (event) => set("collapse", event.target.checked ? "1" : "") }), "Near-duplicates once");
  }

  function showPanel() {
    if (!choices) {
      fill(panel, el("p", { class: "soft" }, "Loading …"));
      return;
    }
    const field = (label, input, more = {}) => el("label", { class: "field", ...more }, label, input);
    const text = (name, more = {}) => el("input", { type: "text", value: value(name), autocomplete: "off", onchange: (event) => set(name, event.target.value.trim()), ...more });
    const date = (name) => el("input", { type: "date", value: /^\d{4}-\d\d-\d\d$/.test(value(name)) ? value(name) : null, min: choices.taken?.[0], max: choices.taken?.[1], onchange: (event) => set(name, event.target.value) });
    const pick = (name, words, options) => {
      const select = el("select", { onchange: () => { add(name, select.value); select.value = ""; } },
        el("option", { value: "" }, words),
        options.map((one) => el("option", { value: one.value, disabled: values(name).includes(one.value) }, `${one.value} (${number(one.images)})`)));
      return select;
    };
    const { cameras, formats, fields, taken } = choices;
    const side = el("select", { onchange: () => set("side", side.value) },
      el("option", { value: "" }, "any"), SIDES.map((one) => el("option", { value: String(one) }, `${number(one)} pixels and more`)),
      value("side") && !SIDES.includes(Number(value("side"))) && el("option", { value: value("side") }, value("side")));
    side.value = value("side");
    const rating = el("select", { onchange: () => set("rating", rating.value) },
      el("option", { value: "" }, "any"), [1, 2, 3, 4, 5].map((one) => el("option", { value: String(one) }, `${one} and more`)));
    rating.value = value("rating");
    const since = el("select", { onchange: () => set("new_since", since.value) },
      el("option", { value: "" }, "–"),
      (snapshots?.snapshots ?? []).slice(0, 300).map((one) => el("option", { value: one.snapshot }, one.tags.length ? `${one.snapshot} (${one.tags.join(", ")})` : one.snapshot)));
    since.value = value("new_since");
    fill(panel,
      el("div", { class: "filter-fields" },
        known?.reads_text && field("Name or folder has", text("name")),
        taken && [field("Taken from", date("since")), field("Taken until", date("until"))],
        cameras.length > 0 && field("Camera", pick("camera", "any", cameras)),
        formats.length > 1 && field("Format", pick("format", "any", formats)),
        field("Longer side", side),
        choices.has_ratings && field("Rating", rating),
        url.searchParams.has("t") && field("Score at least", el("input", {
          type: "number", min: -1, max: 1, step: 0.05, value: value("min_score"), onchange: (event) => set("min_score", event.target.value),
        })),
        field("New since", since),
        fields.map(ownField)),
      el("div", { class: "row end where" },
        field("Where (an expression, as --where takes it)", el("input", {
          type: "text", class: "code", value: value("where"), spellcheck: "false", autocomplete: "off", placeholder: "width > height and name like '%cat%'",
          onchange: (event) => set("where", event.target.value.trim()),
        }), { class: "field grow" }),
        el("button", { type: "button" }, "Apply"), // leaving the field does it
        el("button", { type: "button", class: "quiet", onclick: () => change(withoutFilters) }, "Leave out all")));
  }

  // Make the filter of a field of the user, by the types of its values.
  function ownField(one) {
    const name = encodeURIComponent(one.name);
    const types = Object.keys(one.types);
    const label = (input, more = "") => el("label", { class: "field" }, `${one.name}${more}`, input);
    const given = (verb) => values("f").find((f) => f.startsWith(`${name}:${verb}:`));
    const put = (verb, to) => change((all) => {
      const others = all.getAll("f").filter((f) => !f.startsWith(`${name}:${verb}:`));
      all.delete("f");
      all.delete("k");
      for (const f of others) all.append("f", f);
      if (to) all.append("f", `${name}:${verb}:${to}`);
    });
    const input = (verb, type) => el("input", {
      type, step: type === "number" ? "any" : null, value: given(verb)?.slice(name.length + verb.length + 2) ?? "", onchange: (event) => put(verb, event.target.value.trim()),
    });
    if (one.values.length) {
      const select = el("select", { onchange: () => put("is", select.value) },
        el("option", { value: "" }, "any"),
        one.values.map((found) => el("option", { value: found.value }, `${words(found.value, types)} (${number(found.images)})`)));
      select.value = given("is")?.slice(name.length + 4) ?? "";
      return label(select);
    }
    if (types.every((type) => type === "int" || type === "float")) return [label(input("ge", "number"), " from"), label(input("le", "number"), " to")];
    if (types.every((type) => type === "date")) return [label(input("ge", "date"), " from"), label(input("le", "date"), " until")];
    return types.includes("list") ? label(input("has", "text"), " has") : label(input("contains", "text"), " contains");
  }

  function showApplied() {
    const had = [...applied.querySelectorAll("button")].indexOf(document.activeElement);
    const found = [...url.searchParams].filter(([name, to]) => (isFilter(name) || OF_HITS.includes(name)) && to && !(name === "name" && known && !known.reads_text));
    fill(applied, found.map(([name, to]) => {
      const text = wordsOf(name, to);
      return el("li", { class: "chip" }, el("span", { class: "chip-name", title: text }, text),
        el("button", { type: "button", class: "remove", title: "Leave it out", "aria-label": `Leave out: ${text}`, onclick: () => drop(name, to) }, "×"));
    }),
    value("at") && known && !known.current && el("li", { class: "chip past" }, el("span", { class: "chip-name" }, `as it was in ${known.snapshot}`),
      el("button", { type: "button", class: "remove", title: "Back to the current snapshot", "aria-label": "Back to the current snapshot", onclick: () => set("at", "") }, "×")));
    applied.hidden = !applied.children.length;
    if (had >= 0) ([...applied.querySelectorAll("button")].slice(0, had + 1).at(-1) ?? opener).focus();
  }

  return { element, show, toggle, withoutFilters };
}

function words(value, types) {
  return types.length === 1 && types[0] === "bool" ? (value === "1" ? "yes" : "no") : value;
}

function wordsOf(name, to) {
  if (name === "f") {
    const [field, verb, ...value] = to.split(":");
    let own = field;
    try {
      own = decodeURIComponent(field);
    } catch {
      // as it is written
    }
    return `${own} ${VERBS[verb] ?? verb} ${value.join(":")}`.trim();
  }
  return {
    name: `name has ${to}`, under: `in ${to}`, since: `from ${to}`, until: `until ${to}`, camera: to, format: to,
    side: `${number(Number(to))} pixels and more`, rating: `rating ${to} and more`, new_since: `new since ${to}`, where: to, min_score: `score ${to} and more`,
  }[name];
}
