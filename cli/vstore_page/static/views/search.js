// Search: a query of words and pictures, filters, any snapshot. Its address is all that it knows.
import { card, likeOf } from "../card.js";
import { count, el, empty, failure, fill, isPlain, number, shareFound, style } from "../dom.js";
import { grid } from "../grid.js";
import { keys } from "../keys.js";
import { lightbox } from "../lightbox.js";
import { getJson, isAborted } from "../net.js";
import { allPictures } from "../pictures.js";
import { keyTerm, readTerms, writeTerms } from "../terms.js";
import { controls, isFilter } from "./search_controls.js";
import { queryBox } from "./search_query.js";

export const title = "Search";

const HITS = 60; // as the server has it
const MOST = 2000;
const SLOW = 1200; // milliseconds, after which a reason is told
const RAREST = 1e-6; // of a chance that is told
const ABOUT = 92, LINE = 20; // pixels below a picture, and of one more line

export async function show(main, address, ctx) {
  await style("search");
  if (ctx.signal.aborted) return undefined;
  let now = new URL(address);
  now.pathname = "/search";
  let asking = new AbortController();
  let isAnswered = false;
  let hasFailed = false; // the same may be asked once more
  let shown = null; // { grid, at, count, query, picture(index) } of what is there
  const names = new Map(); // key or upload -> what its chip shows

  const box = queryBox(ctx, { change, names });
  const bar = controls(ctx, { change, told: (about) => isAnswered || box.show(now, about) });
  const said = el("p", { class: "search-said soft", role: "status", tabindex: -1 });
  const notes = el("div", { class: "search-notes" });
  const results = el("div", { class: "search-results" });
  fill(main, el("h1", { class: "unseen" }, "Search"), box.element, bar.element, el("div", { class: "search-line" }, said), notes, results);

  // Change the address, and show what it means. edit: (parameters, url).
  function change(edit) {
    const next = new URL(now);
    edit(next.searchParams, next);
    if (next.href === now.href && !hasFailed) return;
    if (next.href !== now.href) ctx.push(next);
    now = next;
    update();
  }

  const at = () => now.searchParams.get("at") ?? "current";

  async function update() {
    asking.abort();
    asking = new AbortController();
    const { signal } = asking;
    box.show(now);
    bar.show(now);
    results.classList.add("stale");
    results.setAttribute("aria-busy", "true");
    const slow = setTimeout(() => fill(said, "Searching … The first words or unknown picture wait for the model to load."), SLOW);
    hasFailed = false;
    try {
      const answer = await getJson(now.href, { signal });
      for (const { value, picture, upload } of answer.terms) {
        if (upload) names.set(value, { ...names.get(value), upload });
        if (picture?.path_count) names.set(value, { picture, at: answer.snapshot });
      }
      isAnswered = true;
      box.show(now, answer);
      bar.show(now, answer);
      if (answer.hits === null) await showAll(answer, signal);
      else showHits(answer);
    } catch (err) {
      if (isAborted(err) || signal.aborted || ctx.signal.aborted) return;
      if (err.name !== "Failed") console.error(err);
      hasFailed = true;
      leave();
      fill(said);
      fill(notes);
      fill(results, failure(err));
    } finally {
      clearTimeout(slow);
      if (!signal.aborted) {
        results.classList.remove("stale");
        results.removeAttribute("aria-busy");
      }
    }
  }

  function leave() {
    shown?.grid?.close();
    shown = null;
  }

  function tell(text, more = [], remarks = []) {
    const hadFocus = notes.contains(document.activeElement);
    fill(said, text, more.map((one) => el("span", { class: "aside" }, one)));
    fill(notes, remarks.map((note) => el("p", { class: "note" }, note)));
    if (hadFocus) (notes.querySelector("button") ?? said).focus(); // what had it is there no more
  }

  function showHits(answer) {
    const { hits, snapshot } = answer;
    const query = withoutCount(now);
    const isMore = shown?.query === query && hits.length > shown.count; // of the same
    const y = scrollY, hadFocus = results.contains(document.activeElement), before = shown?.count ?? 0;
    const remarks = [...answer.notes];
    if (answer.approximate) remarks.push(approximate(answer));
    else if (now.searchParams.get("exact") === "1") remarks.push(exact());
    if (answer.flat_query) remarks.unshift("The picture is of one colour: what is found is like it in colour alone.");
    leave();
    fill(results);
    if (!hits.length) {
      tell("Nothing found", [], remarks);
      results.append(empty(el("p", {}, answer.why_empty), hint(now)));
      return;
    }
    const asked = Number(now.searchParams.get("k") ?? HITS);
    tell(`${count(hits.length, "picture")} of ${snapshot}, the most similar first`, [milliseconds(answer.seconds)], remarks);
    const score = (hit) => hit.score.toFixed(3);
    const made = grid(results, {
      count: hits.length, about: ABOUT + (hits.some(hasMore) ? LINE : 0), label: "Pictures that were found",
      load: (from, many) => hits.slice(from, from + many),
      item: (index) => hits[index],
      cell: (hit, index) => card(hit.picture, {
        at: snapshot, mark: score(hit), lines: hasMore(hit) ? [about(hit, (event) => openFolded(hit, event.currentTarget))] : [],
        actions: actions(hit.picture), onopen: () => openHit(index),
      }),
    });
    shown = { grid: made, count: hits.length, query, at: snapshot, picture: (index) => hits[index].picture };
    const openHit = (index) => lightbox(ctx, {
      at: snapshot, count: hits.length, index, picture: (which) => hits[which].picture,
      line: (_, which) => score(hits[which]), onclose: (which) => made.focus(which),
    });
    if (hits.length >= asked && asked < MOST) {
      results.append(el("div", { class: "search-more" },
        el("button", { type: "button", onclick: () => change((all) => all.set("k", Math.min(MOST, asked * 2))) }, "Show more")));
    }
    if (isMore) scrollTo(0, y);
    if (hadFocus) made.focus(isMore ? before : 0, { isStill: !isMore }); // what had it is there no more

    function openFolded(hit, from) {
      const every = [hit, ...hit.folded];
      lightbox(ctx, {
        at: snapshot, count: every.length, picture: (which) => every[which].picture,
        line: (_, which) => score(every[which]), onclose: () => from.focus(),
      });
    }
  }

  async function showAll(answer, signal) {
    const filters = [...now.searchParams].filter(([name]) => isFilter(name));
    const every = await allPictures(answer.snapshot, { signal, filters });
    if (signal.aborted || ctx.signal.aborted) return;
    leave();
    fill(results);
    const isPart = filters.length > 0;
    const text = isPart ? `${number(every.count)} of ${count(answer.images, "picture")}` : count(every.count, "picture");
    tell(`${text} of ${answer.snapshot}`, [], answer.notes);
    if (!every.count) {
      results.append(isPart
        ? empty(el("p", {}, "No picture meets these filters."), hint(now))
        : empty(el("p", {}, `${answer.snapshot} has no pictures. Take some in with: vstore sync FOLDER`)));
      return;
    }
    const one = async (index) => (await every.load(index, 1))[0];
    const made = grid(results, {
      count: every.count, about: ABOUT, label: "Pictures", load: every.load,
      item: (index) => ({ key: every.key(index), name: "", folder: "" }),
      cell: (picture, index) => card(picture, {
        at: answer.snapshot, actions: actions(picture),
        onopen: () => lightbox(ctx, {
          at: answer.snapshot, count: every.count, index, picture: one, onclose: (which) => made.focus(which),
        }),
      }),
    });
    shown = { grid: made, count: every.count, query: null, at: answer.snapshot, picture: one };
  }

  // Say that an index chose the pictures that were compared, and how well it does.
  function approximate({ recall_at_10: recall }) {
    const missed = recall === null ? "it may have missed some" : `it finds ${shareFound(recall)} of the ten nearest, as measured`;
    return [`Approximate: an index chose the pictures that were compared; ${missed}. `,
      el("button", { type: "button", class: "link", onclick: () => change((all) => all.set("exact", "1")) }, "Compare all pictures")];
  }

  function exact() {
    return ["All pictures were compared. ",
      el("button", { type: "button", class: "link", onclick: () => change((all) => all.delete("exact")) }, "Search as usual")];
  }

  // Say how to find more.
  function hint(url) {
    const has = (name) => url.searchParams.has(name);
    const isNarrow = [...url.searchParams.keys()].some(isFilter);
    return el("div", { class: "row centre" },
      isNarrow && el("button", { type: "button", onclick: () => change(bar.withoutFilters) }, "Leave out the filters"),
      has("min_p") && el("button", { type: "button", onclick: () => change((all) => all.delete("min_p")) }, "Show what is less relevant"));
  }

  function actions(picture) {
    const button = (text, label, run, more = {}) => el("button", {
      type: "button", class: "quiet", title: label, "aria-label": `${label}: ${picture.name}`, onclick: run, ...more,
    }, text);
    return [
      el("a", {
        class: "button quiet", href: likeOf(picture.key, at()), title: "More like this (m)",
        onclick: (event) => {
          if (!isPlain(event)) return;
          event.preventDefault();
          like(picture);
        },
      }, "More like this"),
      button("+", "Look for this, too (+)", () => add(picture, 1)),
      button("−", "Stay away from this (−)", () => add(picture, -1)),
    ];
  }

  function like(picture) {
    names.set(picture.key, { picture, at: shown.at });
    change((all, url) => {
      all.delete("k");
      writeTerms(url, [keyTerm(picture.key)]);
    });
    scrollTo(0, 0);
  }

  function add(picture, weight) {
    names.set(picture.key, { picture, at: shown.at });
    change((all, url) => {
      const others = readTerms(url).filter((term) => term.value !== picture.key);
      all.delete("k");
      writeTerms(url, [...others, keyTerm(picture.key, weight)]);
    });
  }

  // Do something with the picture that has the focus. Returns false where none has it.
  function focused(run) {
    const cell = document.activeElement?.closest?.(".search-results [data-index]");
    if (!cell || !shown) return false;
    Promise.resolve(shown.picture(Number(cell.dataset.index))).then((picture) => picture && run(picture), () => {});
    return true;
  }

  const closeKeys = keys("Search", [
    { key: "/", does: "write a query", run: () => box.focus() },
    { key: "f", does: "show or hide the filters", run: () => bar.toggle() },
    { key: "m", does: "more like the picture that has the focus", run: () => focused(like) },
    { key: "+", does: "look for the picture that has the focus, too", run: () => focused((one) => add(one, 1)) },
    { key: "-", does: "stay away from the picture that has the focus", run: () => focused((one) => add(one, -1)) },
    { key: ["ArrowLeft", "ArrowRight", "ArrowUp", "ArrowDown"], does: "go from picture to picture", run: () => false },
  ]);
  ctx.signal.addEventListener("abort", () => asking.abort());
  await update(); // who comes back is where the view was left
  return () => {
    asking.abort();
    closeKeys();
    box.close();
    leave();
  };
}

function withoutCount(address) {
  const url = new URL(address);
  url.searchParams.delete("k");
  return url.href;
}

const hasMore = (hit) => hit.chance !== undefined || hit.flat || hit.folded_count > 0;

// Say of a hit what its score does not.
function about(hit, openFolded) {
  const parts = [];
  if (hit.chance !== undefined) {
    parts.push(el("span", { title: "The share of unrelated pictures that score as high" }, rarity(hit.chance)));
  }
  if (hit.flat) parts.push("one colour");
  if (hit.folded_count) {
    parts.push(el("button", { type: "button", class: "link", onclick: openFolded }, `and ${count(hit.folded_count, "near-duplicate")}`));
  }
  return el("span", {}, parts.flatMap((part, index) => (index ? [" · ", part] : [part])));
}

function rarity(chance) {
  return chance < RAREST ? `rarer than 1 in ${number(1 / RAREST)}` : `1 in ${number(Math.round(1 / chance))}`;
}

function milliseconds(seconds) {
  return seconds < 1 ? `${Math.max(1, Math.round(seconds * 1000))} ms` : `${seconds.toFixed(1)} s`;
}
