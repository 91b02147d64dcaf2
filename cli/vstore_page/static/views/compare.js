// Two spaces side by side: a query that both answer, how far they agree, and the pictures whose neighbours changed most.
import { card, image, pictureOf } from "../card.js";
import { announce, count, el, empty, failure, fill, number, style, waiting } from "../dom.js";
import { lightbox } from "../lightbox.js";
import { getJson, isAborted } from "../net.js";
import { keyTerm, readTerms, textTerm, writeTerms } from "../terms.js";

export const title = "Compare";

const AGAIN = 400; // milliseconds between two looks at a comparison under way
const MORE = 10; // times as many pictures, in the next sample

export async function show(main, address, ctx) {
  const [known] = await Promise.all([getJson(address.href, { signal: ctx.signal }), style("compare")]);
  if (ctx.signal.aborted) return;
  if (!known.a || !known.b) {
    fill(main, el("h1", {}, "Compare"), alone(known.spaces));
    return;
  }
  const figure = el("section", { class: "panel agreement", "aria-label": "Agreement" }, waiting("Comparing …"));
  const below = el("div", {});
  fill(main,
    el("h1", {}, "Compare two spaces"),
    chosen(known, address, ctx),
    figure,
    question(known, address, ctx),
    below);
  if (known.hits) fill(below, answers(known, address, ctx));
  agreement(figure, known.hits ? null : below, known, address, ctx);
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

function chosen(known, address, ctx) {
  const choice = (side, label) => {
    const select = el("select", { onchange: () => ctx.go(other(address, { [side]: select.value })) },
      known.spaces.map((one) => el("option", { value: one.space_name }, one.space_name)));
    select.value = known[side].space_name;
    for (const option of select.options) option.disabled = option.value === known[side === "a" ? "b" : "a"].space_name;
    return el("label", { class: "field" }, label, select);
  };
  const label = (side) => `${side.toUpperCase()} · ${known[side].snapshot ?? "no snapshot yet"}`;
  return el("div", { class: "spaces" },
    choice("a", label("a")),
    el("button", {
      type: "button", "aria-label": "Swap the two spaces", title: "Swap the two spaces",
      onclick: () => ctx.go(other(address, { a: wordOf(known.b, address, "b"), b: wordOf(known.a, address, "a") })),
    }, "⇄"),
    choice("b", label("b")));
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

function asking(address, terms) {
  return writeTerms(new URL(address), terms);
}

// The figure

async function agreement(figure, below, known, address, ctx) {
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
    return;
  }
  if (ctx.signal.aborted) return;
  fill(figure, theFigure(found.report, address));
  announce(`${percent(found.report.overlap)} of the neighbours are the same`);
  if (below) fill(below, changed(found.report, known, address, ctx));
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

function theFigure(report, address) {
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
        isSample && el("a", { href: other(address, { sample: report.sample * MORE }) },
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

// The question

function question(known, address, ctx) {
  const terms = readTerms(address);
  const input = el("input", { type: "search", "aria-label": "Words to ask both with", placeholder: "Words, for both spaces", class: "grow" });
  const reads = known.a.reads_text || known.b.reads_text;
  return [
    reads && el("form", { class: "row question", role: "search", onsubmit: (event) => {
      event.preventDefault();
      if (input.value.trim()) ctx.go(asking(address, [textTerm(input.value.trim())]));
    } }, input, el("button", { class: "main" }, "Ask both")),
    terms.length > 0 && el("div", { class: "row question" },
      known.terms.map((term, index) => chip(term, () => ctx.go(asking(address, terms.filter((_, at) => at !== index))))),
      el("a", { href: asking(address, []) }, "Show what changed most")),
  ];
}

function chip(term, remove) {
  const name = term.kind === "text" ? term.value : term.picture?.name || (term.kind === "up" ? "a picture of yours" : `picture ${term.value.slice(0, 8)}`);
  const sign = term.weight < 0 ? "− " : "";
  const weight = Math.abs(term.weight) === 1 ? "" : ` × ${Math.abs(term.weight)}`;
  return el("span", { class: "chip" }, `${sign}${name}${weight}`,
    el("button", { type: "button", class: "quiet chip-away", "aria-label": `Leave out ${name}`, onclick: remove }, "✕"));
}

function answers(known, address, ctx) {
  const { a, b, both } = known.hits;
  return [
    both !== null && el("p", { class: "soft answers" }, `${number(both)} of ${number(Math.max(a.hits.length, b.hits.length))} are the same.`),
    el("div", { class: "beside" }, answer("a", a, known, address, ctx), answer("b", b, known, address, ctx)),
  ];
}

function answer(side, found, known, address, ctx) {
  const { space_name, snapshot } = known[side];
  const there = known[side === "a" ? "b" : "a"].space_name;
  const large = (from, index) => lightbox(ctx, {
    at: snapshot, index, count: found.hits.length, picture: (which) => found.hits[which].picture,
    line: (_, which) => found.hits[which].score.toFixed(3), onclose: () => from.focus(),
  });
  return el("section", { "aria-label": `Answer of ${space_name}` },
    el("h2", {}, `${side.toUpperCase()} · ${space_name}`),
    found.error ? failure({ name: "Failed", ...found.error })
      : found.hits.length === 0 ? empty("No picture was found")
      : el("ol", { class: "cards answer" }, found.hits.map((hit, index) => {
        const one = card(hit.picture, {
          at: snapshot, tag: "li", mark: hit.score.toFixed(3),
          lines: [hit.place ? `${ordinal(hit.place)} in ${there}` : el("strong", { class: "only" }, `only here`)],
          onopen: (event) => large(event.currentTarget, index),
          actions: [el("a", { class: "button", href: asking(address, [keyTerm(hit.picture.key)]) }, "Ask both with it")],
        });
        if (!hit.place) one.classList.add("differs");
        return one;
      })));
}

function ordinal(place) {
  const ends = { 1: "st", 2: "nd", 3: "rd" };
  const end = place % 100 > 10 && place % 100 < 14 ? "th" : ends[place % 10] ?? "th";
  return `${place}${end}`;
}

// What changed most

function changed(report, known, address, ctx) {
  if (!report.changed.length) return empty(`The ${report.k} nearest of each picture are the same in both spaces.`);
  return [
    el("h2", {}, "The neighbours of these changed most"),
    el("p", { class: "soft small" }, "Neighbours with a coloured edge are near in that space alone. Ask both with a picture to see more."),
    el("ul", { class: "changes" }, report.changed.map((one) => change(one, report, known, address, ctx))),
  ];
}

function change(one, report, known, address, ctx) {
  const same = Math.round(one.overlap * report.k);
  return el("li", { class: "panel change" },
    el("div", { class: "change-of" },
      card(one.picture, {
        at: report.at,
        lines: [`${same} of ${report.k} are the same`],
        actions: [el("a", { class: "button", href: asking(address, [keyTerm(one.picture.key)]) }, "Ask both with it")],
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
          if (event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey) return;
          event.preventDefault();
          large(event.currentTarget, index);
        },
      }, image(other.picture, { at: report.at, alt: "" }));
      return el("li", { class: isFar ? "differs" : null }, link);
    })));
}
