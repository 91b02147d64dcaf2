// What is different between two snapshots: pictures kind by kind, and fields.
import { card } from "../card.js";
import { snapshotChooser } from "../chooser.js";
import { count, el, empty, failure, fill, number, style, time } from "../dom.js";
import { grid } from "../grid.js";
import { keys } from "../keys.js";
import { lightbox } from "../lightbox.js";
import { getJson } from "../net.js";

export const title = "Difference";
const WORDS = {
  changed: ["Changed", "the same path, another picture"],
  renamed: ["Renamed", "the same picture, another path"],
  copied: ["Copied", "a new path of a picture that was there"],
  added: ["Added", "new pictures"],
  removed: ["Removed", "paths that are gone"],
};

export async function show(main, address, ctx) {
  await style("diff");
  const kind = address.searchParams.get("kind") ?? "";
  let found;
  try {
    found = await getJson(address, { signal: ctx.signal });
  } catch (err) {
    if (err.name !== "Failed") throw err;
    fill(main, el("h1", {}, title), failure(err), el("p", { class: "all" }, el("a", { href: "/snapshots" }, "Choose two snapshots")));
    return undefined;
  }
  const [before, after] = [found.before, found.after];
  const url = (changes) => {
    const asked = new URLSearchParams({ a: before.snapshot, b: after.snapshot, ...changes });
    return `/diff?${asked}`;
  };
  document.title = `${before.snapshot} → ${after.snapshot} – vstore`;
  const all = Object.values(found.counts).reduce((sum, one) => sum + one, 0);
  const body = el("div");
  fill(main,
    el("h1", {}, `${before.snapshot} → ${after.snapshot}`),
    el("div", { class: "row end sides" },
      await snapshotChooser(ctx, address.searchParams.get("a") ?? before.snapshot, { label: "Before", chosen: (name) => ctx.go(url({ a: name })) }),
      el("button", { type: "button", "aria-label": "The other way round", title: "The other way round (x)", onclick: turn }, "⇄"),
      await snapshotChooser(ctx, address.searchParams.get("b") ?? after.snapshot, { label: "After", chosen: (name) => ctx.go(url({ b: name })) })),
    el("div", { class: "messages" }, [before, after].map((one) => el("p", { class: "soft small" },
      el("strong", {}, one.snapshot), ` ${[time(one.time), count(one.images, "picture"), one.message].filter(Boolean).join(" · ")}`))),
    !found.same_space && el("p", { class: "warn" }, `The two are of different model spaces: ${before.space_name} and ${after.space_name}. `,
      el("a", { href: `/compare?${new URLSearchParams({ a: before.snapshot, b: after.snapshot })}` }, "Compare how they see pictures")),
    found.fields.length > 0 && fields(),
    all > 0 && el("nav", { class: "row kinds", "aria-label": "Kinds of difference" },
      tab("", `All ${number(all)}`),
      Object.keys(WORDS).map((one) => found.counts[one] > 0 && tab(one, `${WORDS[one][0]} ${number(found.counts[one])}`))),
    body);

  function turn() {
    const asked = new URLSearchParams({ a: after.snapshot, b: before.snapshot });
    ctx.go(`/diff?${asked}`);
  }

  function tab(one, words) {
    return el("a", { class: "chip", href: one ? url({ kind: one }) : url({}), "aria-current": one === kind ? "page" : null }, words);
  }

  function fields() {
    const parts = (one) => ["added", "changed", "removed"].filter((word) => one[word]).map((word) => `${count(one[word], "picture")} ${word}`);
    return el("ul", { class: "fields" }, found.fields.map((one) => el("li", {}, "field ", el("strong", {}, one.name), `: ${parts(one).join(", ")}`)));
  }

  // A cell of each kind. A click shows it at large: a changed picture beside how it was, others with those of their kind.

  function cell(one, item, index, tag = "div") {
    if (one === "changed") {
      const sides = [item.before, item.after];
      const open = (side) => lightbox(ctx, { count: 2, index: side, picture: (at) => sides[at], line: (_, at) => mark(at) });
      return el(tag, { class: "pair" }, sides.map((picture, side) =>
        card(picture, { at: picture.at, mark: mark(side), onopen: () => open(side) })));
    }
    const onopen = () => lightbox(ctx, { count: found.counts[one], index, picture: async (at) => (await load(one, at)).picture });
    return card(item.picture, { at: item.picture.at, lines: item.was === undefined ? [] : [was(item)], onopen, tag });
  }

  function mark(side) {
    return `in ${[before, after][side].snapshot}`;
  }

  function was(item) {
    const [name, folder] = [item.was.split("/").pop(), item.was.split("/").slice(0, -1).join("/")];
    return el("span", { class: "was", title: item.was }, `was ${folder === item.picture.folder ? name : item.was}`);
  }

  // Give an item of a kind: those at the begin are there.
  async function load(one, index) {
    const there = found.from === 0 ? found.pictures[one]?.[index] : undefined;
    return there ?? (await getJson(url({ kind: one, from: index, count: 1 }), { signal: ctx.signal })).pictures[one][0];
  }

  const closing = [keys("Difference", [{ key: "x", does: "the other way round", run: turn }])];
  if (!all) {
    fill(body, empty("The same pictures under the same paths."));
  } else if (kind) {
    const many = found.counts[kind];
    if (!many) fill(body, empty("No such difference."));
    else {
      fill(body, el("p", { class: "soft small means" }, WORDS[kind][1]));
      const made = grid(body, {
        count: many,
        label: WORDS[kind][0],
        load: async (from, some, { signal }) => (await getJson(url({ kind, from, count: some }), { signal })).pictures[kind],
        cell: (item, index) => cell(kind, item, index),
        about: kind === "renamed" ? 122 : 64,
        ...(kind === "changed" ? { least: 340, fewest: 1, ratio: 5 / 12 } : {}),
      });
      closing.push(() => made.close());
    }
  } else {
    fill(body, Object.keys(WORDS).filter((one) => found.counts[one]).map((one) => {
      const some = found.pictures[one], left = found.counts[one] - some.length;
      return el("section", { "aria-label": WORDS[one][0] },
        el("h2", {}, `${WORDS[one][0]} `, el("span", { class: "soft" }, number(found.counts[one]))),
        el("ul", { class: one === "changed" ? "cards pairs" : "cards" }, some.map((item, index) => cell(one, item, index, "li"))),
        left > 0 && el("p", { class: "all" }, el("a", { class: "button", href: url({ kind: one }) }, `Show all ${number(found.counts[one])}`)));
    }));
  }
  return () => closing.forEach((close) => close());
}
