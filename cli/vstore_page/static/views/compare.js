// Two spaces side by side: a query that both answer, how far they agree, and the pictures whose neighbours changed most.
import { card, image, pictureOf } from "../card.js";
import { announce, count, el, empty, failure, fill, isPlain, number, shareFound, style, waiting } from "../dom.js";
import { keys } from "../keys.js";
import { lightbox } from "../lightbox.js";
import { getJson, isAborted } from "../net.js";
import { keyTerm, writeTerms } from "../terms.js";
import { queryBox } from "./search_query.js";

export const title = "Compare";

const AGAIN = 400; // milliseconds between two looks at a comparison under way
const MORE = 10; // times as many pictures, in the next sample

export async function show(main, address, ctx) {
  const [known] = await Promise.all([getJson(address.href, { signal: ctx.signal }), style("search"), style("compare")]);
  if (ctx.signal.aborted) return undefined;
  if (!known.a || !known.b) {
    fill(main, el("h1", {}, "Compare"), alone(known.spaces));
    return undefined;
  }
  let now = new URL(address);
  let asking = new AbortController();
  let hasFailed = false; // the same may be asked once more
  const names = new Map(); // key or upload -> what its chip shows
  const box = queryBox(ctx, { change, names, hasNames: false });
  const figure = el("section", { class: "panel agreement", "aria-label": "Agreement" }, waiting("Comparing …"));
  const below = el("div", { class: "compare-results" });
  fill(main, el("h1", {}, "Compare two spaces"), chosen(known, () => now, ctx), figure, box.element, below);
  const report = agreement(figure, known, () => now, ctx);

  // Change the query in the address, and show what it means. edit: (parameters, url).
  function change(edit) {
    const next = new URL(now);
    edit(next.searchParams, next);
    if (next.href === now.href && !hasFailed) return;
    if (next.href !== now.href) ctx.push(next);
    now = next;
    update();
  }

  // Ask both with a picture.
  function ask(picture, at) {
    names.set(picture.key, { picture, at });
    change((_, next) => writeTerms(next, [keyTerm(picture.key)]));
    scrollTo(0, 0);
    box.focus();
  }

  async function update(given) {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    box.show(now);
    below.classList.add("stale");
    hasFailed = false;
    try {
      const answer = given ?? await getJson(now.href, { signal });
      for (const { value, picture, upload } of answer.terms) {
        if (upload) names.set(value, { ...names.get(value), upload });
        if (picture?.path_count) names.set(value, { picture, at: answer.a.snapshot ?? answer.b.snapshot });
      }
      box.show(now, { reads_text: answer.a.reads_text || answer.b.reads_text });
      if (answer.hits) {
        fill(below, answers(answer, ctx, ask, () => change((_, next) => writeTerms(next, []))));
        return;
      }
      fill(below);
      const found = await report;
      if (found && !signal.aborted) fill(below, changed(found, known, ctx, ask));
    } catch (err) {
      if (isAborted(err) || signal.aborted || ctx.signal.aborted) return;
      hasFailed = true;
      fill(below, failure(err));
    } finally {
      if (!signal.aborted) below.classList.remove("stale");
    }
  }

  const closeKeys = keys("Compare", [
    { key: "/", does: "write a query", run: () => box.focus() },
    { key: "x", does: "swap the two spaces", run: () => swap(known, now, ctx) },
  ]);
  update(known);
  return () => {
    asking.abort();
    closeKeys();
    box.close();
  };
}

// A store with one space has nothing to compare.
function alone(spaces) {
  const name = spaces[0]?.space_name;
  return empty(
    el("p", {}, name ? `This store has one space, ${name}.` : "This store has no space yet."),
    el("p", {}, "A second model gets a space of its own: ", el("code", {}, "vstore model add NAME --model MODEL"),
      ", then ", el("code", {}, "vstore sync --space NAME"), "."));
}

// Which two

// now: gives the address.
function chosen(known, now, ctx) {
  const choice = (side, label) => {
    const select = el("select", { onchange: () => ctx.go(other(now(), { [side]: select.value })) },
      known.spaces.map((one) => el("option", { value: one.space_name }, one.space_name)));
    select.value = known[side].space_name;
    for (const option of select.options) option.disabled = option.value === known[side === "a" ? "b" : "a"].space_name;
    return el("label", { class: "field" }, label, select);
  };
  const label = (side) => `${side.toUpperCase()} · ${known[side].snapshot ?? "no snapshot yet"}`;
  return el("div", { class: "spaces" },
    choice("a", label("a")),
    el("button", {
      type: "button", "aria-label": "Swap the two spaces", title: "Swap the two spaces (x)", onclick: () => swap(known, now(), ctx),
    }, "⇄"),
    choice("b", label("b")));
}

function swap(known, address, ctx) {
  ctx.go(other(address, { a: wordOf(known.b, address, "b"), b: wordOf(known.a, address, "a") }));
}

// The word by which an address names a side: what stands there, or the name of the space.
function wordOf(side, address, name) {
  return address.searchParams.get(name) || side.space_name;
}

function other(address, changes) {
  const url = new URL(address);
  for (const [name, value] of Object.entries(changes)) {
    if (value === null) url.searchParams.delete(name);
    else url.searchParams.set(name, value);
  }
  return url;
}

// The figure

// Show how far the two agree. Returns the report, or null if there is none.
async function agreement(figure, known, now, ctx) {
  const address = now();
  const url = new URL("/compare/neighbours", address);
  url.searchParams.set("a", wordOf(known.a, address, "a"));
  url.searchParams.set("b", wordOf(known.b, address, "b"));
  const sample = address.searchParams.get("sample");
  if (sample) url.searchParams.set("sample", sample);
  let found;
  try {
    for (;;) {
      found = await getJson(url, { signal: ctx.signal });
      if (found.report) break;
      const said = found.total ? `Comparing: ${number(found.done)} of ${count(found.total, "picture")} …` : "Comparing …";
      fill(figure, waiting(said), found.total > 0 && el("progress", { max: found.total, value: found.done, "aria-label": said }));
      await pause(AGAIN, ctx.signal);
    }
  } catch (err) {
    if (!isAborted(err) && !ctx.signal.aborted) fill(figure, failure(err));
    return null;
  }
  if (ctx.signal.aborted) return null;
  fill(figure, theFigure(found.report, now, ctx));
  announce(`${percent(found.report.overlap)} of the neighbours are the same`);
  return found.report;
}

function pause(milliseconds, signal) {
  return new Promise((resolve, reject) => {
    const timer = setTimeout(resolve, milliseconds);
    signal.addEventListener("abort", () => {
      clearTimeout(timer);
      reject(new DOMException("left", "AbortError"));
    }, { once: true });
  });
}

function theFigure(report, now, ctx) {
  const isSample = report.sample < report.pictures;
  return [
    el("div", { class: "agreement-figure" },
      el("div", { class: "agreement-number number" }, percent(report.overlap)),
      el("div", {}, el("strong", {}, `overlap@${report.k}`), el("div", { class: "soft small" },
        `of each picture’s ${report.k} nearest are the same in both spaces`))),
    scale(report),
    el("p", { class: "soft small" },
      [
        isSample
          ? `${number(report.sample)} of the ${count(report.pictures, "picture")} that both have were compared: ` +
            `of all it is ${percent(report.low)} to ${percent(report.high)} (at 95 %). `
          : `All ${count(report.pictures, "picture")} that both have were compared. `,
        `Two models with nothing in common share ${percent(report.chance)} by chance. `,
        isSample && el("button", { type: "button", class: "link", onclick: () => ctx.go(other(now(), { sample: report.sample * MORE })) },
          report.sample * MORE < report.pictures ? `Compare ${number(report.sample * MORE)}` : "Compare all"),
      ]),
  ];
}

// The share on a line from 0 to 100 %, with its bounds, and chance as a mark.
function scale(report) {
  const at = (share) => `${(100 * share).toFixed(2)}%`;
  return el("div", { class: "scale", "aria-hidden": "true" },
    el("div", { class: "scale-share", style: { width: at(report.overlap) } }),
    report.low < report.high && el("div", { class: "scale-bounds", style: { left: at(report.low), width: at(report.high - report.low) } }),
    el("div", { class: report.chance > 0.8 ? "scale-chance late" : "scale-chance", style: { left: at(report.chance) } }, el("span", {}, "chance")));
}

function percent(share) {
  return `${(100 * share).toFixed(1)} %`;
}

// The answers

function answers(known, ctx, ask, leave) {
  const { a, b, both } = known.hits;
  return [
    el("p", { class: "soft answers" },
      both !== null && `${number(both)} of ${number(Math.max(a.hits.length, b.hits.length))} are the same. `,
      el("button", { type: "button", class: "link", onclick: leave }, "Show what changed most")),
    el("div", { class: "beside" }, answer("a", a, known, ctx, ask), answer("b", b, known, ctx, ask)),
  ];
}

function answer(side, found, known, ctx, ask) {
  const { space_name, snapshot } = known[side];
  const there = known[side === "a" ? "b" : "a"].space_name;
  const large = (from, index) => lightbox(ctx, {
    at: snapshot, index, count: found.hits.length, picture: (which) => found.hits[which].picture,
    line: (_, which) => found.hits[which].score.toFixed(3), onclose: () => from.focus(),
  });
  return el("section", { "aria-label": `Answer of ${space_name}` },
    el("h2", {}, `${side.toUpperCase()} · ${space_name}`),
    found.approximate && el("p", { class: "soft small" }, found.recall_at_10 === null ? "Approximate: some may be missing."
      : `Approximate: the index of this space finds ${shareFound(found.recall_at_10)} of the ten nearest, as measured.`),
    found.error ? failure({ name: "Failed", ...found.error })
      : found.hits.length === 0 ? empty("No picture was found")
      : el("ol", { class: "cards answer" }, found.hits.map((hit, index) => {
        const one = card(hit.picture, {
          at: snapshot, tag: "li", mark: hit.score.toFixed(3),
          lines: [hit.place ? `${ordinal(hit.place)} in ${there}` : el("strong", { class: "only" }, `only here`)],
          onopen: (event) => large(event.currentTarget, index),
          actions: [asker(hit.picture, snapshot, ask)],
        });
        if (!hit.place) one.classList.add("differs");
        return one;
      })));
}

function asker(picture, at, ask) {
  return el("button", { type: "button", "aria-label": `Ask both with ${picture.name}`, onclick: () => ask(picture, at) }, "Ask both with it");
}

function ordinal(place) {
  const ends = { 1: "st", 2: "nd", 3: "rd" };
  const end = place % 100 > 10 && place % 100 < 14 ? "th" : ends[place % 10] ?? "th";
  return `${place}${end}`;
}

// What changed most

function changed(report, known, ctx, ask) {
  if (!report.changed.length) return empty(`The ${report.k} nearest of each picture are the same in both spaces.`);
  return [
    el("h2", {}, "The neighbours of these changed most"),
    el("p", { class: "soft small" }, "Neighbours with a coloured edge are near in that space alone. Ask both with a picture to see more."),
    el("ul", { class: "changes" }, report.changed.map((one) => change(one, report, known, ctx, ask))),
  ];
}

function change(one, report, known, ctx, ask) {
  const same = Math.round(one.overlap * report.k);
  return el("li", { class: "panel change" },
    el("div", { class: "change-of" },
      card(one.picture, {
        at: report.at,
        lines: [`${same} of ${report.k} are the same`],
        actions: [asker(one.picture, report.at, ask)],
      })),
    el("div", { class: "change-strips" }, strip("a", one, report, known, ctx), strip("b", one, report, known, ctx)));
}

function strip(side, one, report, known, ctx) {
  const near = one[side];
  const there = known[side === "a" ? "b" : "a"].space_name;
  const line = (which) => {
    const place = near[which].place;
    return `${near[which].score.toFixed(3)}, ${place ? `${ordinal(place)} in ${there}` : `not near in ${there}`}`;
  };
  const large = (from, index) => lightbox(ctx, {
    at: report.at, index, count: near.length, picture: (which) => near[which].picture,
    line: (_, which) => line(which), onclose: () => from.focus(),
  });
  return el("section", { "aria-label": `Nearest to ${one.picture.name} in ${known[side].space_name}` },
    el("h3", {}, `${side.toUpperCase()} · ${known[side].space_name}`),
    el("ol", { class: "strip" }, near.map((other, index) => {
      const isFar = other.place === null || other.place > report.k;
      const link = el("a", {
        class: "well", href: pictureOf(other.picture.key, report.at), title: `${other.picture.name}: ${line(index)}`,
        "aria-label": `${other.picture.name}, ${line(index)}`,
        onclick: (event) => {
          if (!isPlain(event)) return;
          event.preventDefault();
          large(event.currentTarget, index);
        },
      }, image(other.picture, { at: report.at, alt: "" }));
      return el("li", { class: isFar ? "differs" : null }, link);
    })));
}
