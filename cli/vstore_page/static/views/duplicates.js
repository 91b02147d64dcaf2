// Duplicates: pages of groups, and each group to look at closely, by keyboard, side by side.
import { announce, count, el, empty, failure, fill, number, sentence, size, style, waiting } from "../dom.js";
import { image } from "../card.js";
import { snapshotChooser } from "../chooser.js";
import { keys } from "../keys.js";
import { getJson, isAborted } from "../net.js";
import { heading, plan, said, stays } from "./groups.js";
import { review } from "./review.js";

export const title = "Duplicates";

const POLL = 500; // milliseconds between two looks at how far groups are found
const TIERS = { bytes: "the same bytes", pixels: "the same pixels", near: "alike" };

export async function show(main, address, ctx) {
  await style("duplicates");
  const place = el("div", { class: "duplicates" });
  main.append(place);
  const found = await groups(place, address, ctx);
  if (!found) return undefined;
  return found.row ? review(place, found, address, ctx) : list(place, found, address, ctx);
}

// Ask for the groups until they are found; an error stands below the choices, by which it can be put right.
async function groups(place, address, ctx) {
  const url = new URL(address);
  try {
    for (;;) {
      const found = await getJson(url, { signal: ctx.signal });
      url.searchParams.delete("again"); // else they are found again and again
      if (!found.working) {
        if (address.searchParams.has("again")) ctx.replace(url); // a reload is to find what was found
        return found;
      }
      working(place, found);
      await new Promise((resolve) => setTimeout(resolve, POLL));
      if (ctx.signal.aborted) return null;
    }
  } catch (err) {
    if (isAborted(err)) throw err;
    fill(place, el("h1", {}, title), await choices(address, ctx, null), failure(err),
      url.searchParams.has("group") && el("p", {}, el("a", { href: all(address) }, "All groups")));
    return null;
  }
}

function working(place, { working: { stage, done, total } }) {
  const words = total ? `${sentence(stage)}: ${number(done)} of ${number(total)}` : sentence(stage || "looking for duplicates");
  fill(place, el("h1", {}, title), waiting(`${words} …`),
    el("progress", { "aria-label": words, max: total || null, value: total ? done : null }),
    el("p", { class: "soft small" }, "Every two pictures are compared, once. What is found is kept, so the next time takes less."));
}

function all(address) {
  const url = new URL(address);
  url.searchParams.delete("group");
  return `${url.pathname}${url.search}`;
}

// The choices of what to find. found: for the counts of tiers; null if there are none.
async function choices(address, ctx, found) {
  const given = address.searchParams;
  const near = given.get("near") ?? "";
  const to = (name, value) => {
    const url = new URL(address);
    if (value) url.searchParams.set(name, value);
    else url.searchParams.delete(name);
    for (const one of ["page", "group", "again"]) if (one !== name) url.searchParams.delete(one);
    ctx.go(url);
  };
  const kind = el("select", { onchange: () => to("near", kind.value === "score" ? String(found?.near ?? 0.95) : kind.value) },
    el("option", { value: "" }, "what looks alike"),
    el("option", { value: "none" }, "identical files"),
    el("option", { value: "score" }, "alike from a score on"));
  kind.value = near === "" || near === "none" ? near : "score";
  const score = el("input", {
    type: "number", min: "0.01", max: "1", step: "any", size: 6, placeholder: found?.near ? String(found.near) : "0.95",
    value: kind.value === "score" ? near : null, onchange: () => to("near", score.value),
  });
  const tier = el("select", { onchange: () => to("tier", tier.value) },
    el("option", { value: "" }, "all"),
    Object.entries(TIERS).map(([value, words]) =>
      el("option", { value }, found ? `${words} (${number(found.tiers[value])})` : words)));
  tier.value = given.get("tier") ?? "";
  const text = (label, name, placeholder) => {
    const input = el("input", { value: given.get(name) ?? "", placeholder, size: 16, spellcheck: "false", onchange: () => to(name, input.value.trim()) });
    return el("label", { class: "field" }, label, input);
  };
  const tick = (label, name) => el("label", { class: "check" },
    el("input", { type: "checkbox", checked: given.get(name) === "1", onchange: (event) => to(name, event.target.checked ? "1" : "") }), label);
  return el("form", { class: "choices", onsubmit: (event) => event.preventDefault() },
    el("div", { class: "row end" },
      el("label", { class: "field" }, "Find", kind),
      near !== "none" && el("label", { class: "field" }, "From score", score),
      el("label", { class: "field" }, "Show", tier),
      text("Below folder", "under", "pictures/2024"),
      text("Where", "where", "taken >= '2024'"),
      await snapshotChooser(ctx, given.get("at") ?? "current")),
    near !== "none" && el("div", { class: "row" },
      tick("pictures of a burst count as copies", "bursts"),
      tick("like the first of a group is enough", "loose")));
}

async function list(place, found, address, ctx) {
  const left = found.groups - found.decided;
  const to = (change) => {
    const url = new URL(address);
    url.searchParams.delete("again");
    for (const [name, value] of Object.entries(change)) url.searchParams.set(name, value);
    return `${url.pathname}${url.search}`;
  };
  const first = found.rows.find((row) => !row.done) ?? found.rows[0];
  const begin = () => first && ctx.go(to({ group: first.key }));
  fill(place,
    el("h1", {}, title),
    await choices(address, ctx, found),
    el("p", { class: "soft" },
      found.groups > 0 && `${count(found.groups, "group")} of ${found.snapshot}, ${count(found.copies, "copy", "copies")}, ${size(found.wasted)} wasted.`,
      found.near !== null && ` Score ${found.near} or more${found.one_in ? `: 1 in ${number(found.one_in)} pairs of unrelated pictures scores this high` : ""}.`,
      found.left_out > 0 && ` ${count(found.left_out, "group")} left out, as all is decided.`,
      found.flat > 0 && ` ${count(found.flat, "picture")} of one colour left out of what looks alike.`),
    found.notes.map((note) => el("p", { class: "warn small" }, sentence(note))),
    found.groups > 0 && el("div", { class: "row begin" },
      el("button", { type: "button", class: "main", onclick: begin }, left ? `Review ${count(left, "group")} ` : "Look at them ", el("kbd", {}, "Enter")),
      el("progress", { class: "decided", "aria-label": "Decided", max: found.groups, value: found.decided }),
      el("span", { class: "soft small" }, `${number(found.decided)} of ${number(found.groups)} decided`),
      el("a", { class: "small", href: to({ again: "1" }) }, "Find again")),
    found.rows.length
      ? el("ol", { class: "groups" }, found.rows.map((row) => strip(row, found, to)))
      : empty(el("p", {}, `${found.snapshot} holds no such duplicates.`)),
    pages(found, to),
    found.groups > 0 && plan(address, found));
  return keys(title, [
    { key: "Enter", does: "review the first group that is open", run: () => document.activeElement.closest("a, button, summary") ? false : begin() },
    { key: "n", does: "the next page", run: () => found.page < found.pages && ctx.go(to({ page: found.page + 1 })) },
    { key: "p", does: "the page before", run: () => found.page > 1 && ctx.go(to({ page: found.page - 1 })) },
  ]);
}

function strip(row, found, to) {
  const more = row.picture_count - row.pictures.length;
  return el("li", { class: row.done ? "group is-done" : "group" },
    el("a", { class: "open", href: to({ group: row.key }) },
      el("span", { class: "title" }, `${number(row.number)}. ${heading(row, found)}`),
      el("span", { class: "soft small" }, row.done ? `decided: ${said(row)}` : `${size(row.wasted)} wasted`)),
    el("ul", { class: "strip" },
      row.pictures.map((one) => el("li", { class: stays(row, one) ? "stays" : "" },
        el("span", { class: "picture" }, image(one, { at: found.snapshot })),
        el("span", { class: "name small" }, one.name),
        one.path_count > 1 && el("span", { class: "mark" }, `${number(one.path_count)} files`))),
      more > 0 && el("li", { class: "more soft" }, `+ ${number(more)}`)));
}

function pages(found, to) {
  if (found.pages < 2) return null;
  const link = (page, words) => (page < 1 || page > found.pages
    ? el("span", { class: "soft" }, words) : el("a", { href: to({ page }) }, words));
  return el("nav", { class: "row pages", "aria-label": "Pages" },
    link(found.page - 1, "‹ Before"), el("span", {}, `Page ${number(found.page)} of ${number(found.pages)}`), link(found.page + 1, "Next ›"));
}
