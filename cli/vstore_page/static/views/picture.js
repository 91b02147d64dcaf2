// All that the store knows of one picture.
import { card, image, likeOf, pictureOf, previewOf } from "../card.js";
import { snapshotChooser } from "../chooser.js";
import { count, el, fill, number, size, style, time } from "../dom.js";
import { lightbox } from "../lightbox.js";
import { getJson } from "../net.js";

export const title = "Picture";

const LARGE = 2048; // pixels of a large picture
const STATUSES = {
  gone: "Its file is no longer there.",
  changed: "Its file has other bytes now.",
  older: "This snapshot does not have it.",
  failed: "No sync could read it.",
};
const NAMES = {
  bytes: "Size", format: "Format", width: "Width", height: "Height", taken: "Taken", camera: "Camera", lens: "Lens",
  latitude: "Latitude", longitude: "Longitude", rating: "Rating", flat: "One colour",
};

export async function show(main, address, ctx) {
  const at = address.searchParams.get("at") ?? "current";
  const [known] = await Promise.all([getJson(address.href, { signal: ctx.signal }), style("picture")]);
  if (ctx.signal.aborted) return;
  const { picture, snapshot } = known;
  const isHere = picture.path_count > 0;
  const name = isHere ? picture.name : `Picture ${picture.key.slice(0, 12)}`;
  document.title = `${name} – vstore`;

  const openLarge = () => lightbox(ctx, { at: snapshot, count: 1, picture: () => picture, onclose: () => shown.focus() });
  const shown = el("button", { type: "button", class: "large", "aria-label": `Show ${name} at large`, onclick: openLarge },
    isHere ? largeOf(known, ctx.signal) : el("span", { class: "missing" }, `not in ${snapshot}`));
  shown.disabled = !isHere;

  fill(main,
    el("div", { class: "row end" },
      el("div", { class: "grow" }, el("h1", {}, name), isHere && el("p", { class: "soft" }, picture.folder)),
      isHere && el("a", { class: "button", href: likeOf(picture.key, at) }, "More like this"),
      await snapshotChooser(ctx, at)),
    notice(known),
    el("div", { class: "picture-parts" },
      el("div", { class: "picture-large" }, shown),
      el("div", { class: "panel picture-facts" },
        facts(known),
        fields(known),
        paths(known),
        list("Snapshots that have it", known.snapshots.map((span) => spanOf(picture.key, span)), "none"),
        list("Spaces with its vector", known.spaces.map((one) => one.name), "none"),
        el("h2", {}, "Key"), el("p", {}, el("code", {}, picture.key)))),
    known.neighbours.length > 0 && [
      el("h2", {}, `Most like it in ${snapshot}`),
      known.approximate && el("p", { class: "soft small" }, "Approximate: some may be missing. More like this, in a search, can compare all."),
      el("ul", { class: "cards" }, known.neighbours.map((one, index) =>
        card(one.picture, {
          at: snapshot, tag: "li", mark: one.score.toFixed(3),
          onopen: (event) => beside(event.currentTarget, index),
          actions: [el("a", { class: "button", href: pictureOf(one.picture.key, at) }, "About it")],
        }))),
    ]);

  function beside(from, index) {
    const { neighbours } = known;
    lightbox(ctx, {
      at: snapshot, index, count: neighbours.length, picture: (which) => neighbours[which].picture,
      line: (_, which) => neighbours[which].score.toFixed(3), onclose: () => from.focus(),
    });
  }
}

// Show the thumbnail at the size of the large picture, which then takes its place.
function largeOf({ picture, snapshot, facts }, signal) {
  const { width, height } = facts;
  const sized = (made) => {
    if (width && height) {
      made.style.width = `${Math.round(width * Math.min(1, LARGE / Math.max(width, height)))}px`;
      made.style.aspectRatio = `${width} / ${height}`;
    }
    return made;
  };
  const small = sized(image(picture, { at: snapshot, onshown: () => {
    const large = sized(el("img", { alt: picture.name, draggable: "false" }));
    large.addEventListener("load", () => !signal.aborted && small.replaceWith(large));
    large.src = previewOf(picture.key, snapshot);
  } }));
  return small;
}

function notice(known) {
  const said = STATUSES[known.status];
  if (!said && !known.reason) return null;
  const last = known.snapshots.at(-1)?.last;
  return el("p", { class: "picture-notice", role: "status" }, [said, known.reason].filter(Boolean).join(" "), " ",
    known.status === "older" && last && el("a", { href: pictureOf(known.key, last) }, `Look at it in ${last}`));
}

function facts(known) {
  // A picture is shown turned, and its time with its zone.
  const { width, height, orientation, zone, ...others } = known.facts;
  if (others.taken && zone !== undefined) others.taken = `${others.taken} ${offset(zone)}`;
  const rows = Object.entries(others).map(([name, value]) => [NAMES[name] ?? name, factOf(name, value)]);
  if (width && height) rows.unshift(["Pixels", `${number(width)} × ${number(height)}`]);
  if (known.cut) rows.push(["Cut short", `${number(known.cut.lines)} of ${number(known.cut.of)} lines are there`]);
  return table("Facts", rows, "none are known");
}

// Write minutes east of UTC.
function offset(minutes) {
  const two = (value) => String(Math.floor(value)).padStart(2, "0");
  const away = Math.abs(minutes);
  return `${minutes < 0 ? "−" : "+"}${two(away / 60)}:${two(away % 60)}`;
}

function factOf(name, value) {
  if (name === "bytes") return size(value);
  if (name === "taken") return value.replace("T", " ");
  if (value === true) return "yes";
  return String(value);
}

function fields(known) {
  const rows = Object.entries(known.fields).map(([name, value]) => [name, Array.isArray(value) ? value.join(", ") : isTime(value) ? time(value) : String(value)]);
  return rows.length ? table("Fields", rows) : null;
}

function isTime(value) {
  return typeof value === "string" && /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z$/.test(value);
}

function table(name, rows, none) {
  return [
    el("h2", {}, name),
    rows.length
      ? el("dl", { class: "pairs" }, rows.map(([term, text]) => [el("dt", {}, term), el("dd", {}, text)]))
      : el("p", { class: "soft" }, none),
  ];
}

function paths(known) {
  const words = { true: "", false: "no longer there", null: "in a folder that is not known here" };
  const lines = known.names.map((one) => [el("bdi", {}, one.path), words[one.there] && el("span", { class: "bad small" }, ` ${words[one.there]}`)]);
  return list(count(lines.length, "path"), lines, "none in this snapshot");
}

function spanOf(key, { first, last }) {
  const link = (snap) => el("a", { href: pictureOf(key, snap) }, snap);
  return first === last ? link(first) : [link(first), " to ", link(last)];
}

function list(name, lines, none) {
  return [
    el("h2", {}, name),
    lines.length ? el("ul", { class: "plain" }, lines.map((line) => el("li", {}, line))) : el("p", { class: "soft" }, none),
  ];
}
