// A picture with its name, as every view shows it.
import { count, el, fill, isPlain } from "./dom.js";
import { getJson } from "./net.js";

// The address of a picture, small or large, and of the view of it. at: the snapshot that has it.
export function thumbnailOf(key, at) {
  return `/thumbnail/${key}${query(at)}`;
}

export function previewOf(key, at) {
  return `/preview/${key}${query(at)}`;
}

export function pictureOf(key, at) {
  return `/picture/${key}${query(at)}`;
}

// The search for pictures like one.
export function likeOf(key, at) {
  const parameters = new URLSearchParams({ t: `+1:key:${key}` });
  if (at && at !== "current") parameters.set("at", at);
  return `/search?${parameters}`;
}

function query(at) {
  return at && at !== "current" ? `?at=${encodeURIComponent(at)}` : "";
}

// Make an image of a picture. A picture that cannot be shown says in its place why. address: of the image; by default
// the thumbnail.
export function image(picture, { at, address = thumbnailOf(picture.key, at), alt = picture.name, onshown } = {}) {
  const made = el("img", { alt, decoding: "async", draggable: "false" });
  made.addEventListener("load", () => onshown?.());
  made.addEventListener("error", async () => {
    const place = el("span", { class: "missing" }, "cannot be shown");
    made.replaceWith(place);
    try {
      const about = await getJson(address);
      if (about.missing) fill(place, about.missing);
    } catch (err) {
      fill(place, err.message);
    }
  });
  made.src = address; // after the listeners: a picture that is kept comes at once
  return made;
}

// Make a card: picture = { key, name, folder, paths, path_count }.
// at:      the snapshot that has it.
// mark:    a word on the picture, such as its score.
// lines:   more lines below its name: texts or nodes.
// actions: what can be done with it: nodes, such as buttons, below the lines.
// href:    where its picture leads; by default to the view of it. onopen: called instead, with the event.
// tag:     of the element; "li" in a list.
export function card(picture, { at, mark, lines = [], actions = [], href = pictureOf(picture.key, at), onopen, tag = "div" } = {}) {
  const others = (picture.path_count ?? picture.paths?.length ?? 1) - 1;
  const well = el("a", { class: "well", href, "aria-label": [picture.name, mark].filter(Boolean).join(", ") },
    image(picture, { at, alt: "" }),
    mark !== undefined && mark !== null && el("span", { class: "mark" }, mark));
  if (onopen) {
    well.addEventListener("click", (event) => {
      if (!isPlain(event)) return;
      event.preventDefault();
      onopen(event);
    });
  }
  return el(tag, { class: "card" }, well,
    el("div", { class: "about" },
      el("div", { class: "name", title: picture.paths?.[0] ?? picture.name }, picture.name),
      picture.folder && el("div", { class: "folder", title: picture.folder }, picture.folder),
      lines.map((line) => el("div", {}, line)),
      others > 0 && el("div", { class: "others", title: (picture.paths ?? []).slice(1).join("\n") }, `and ${count(others, "other path")}`),
      actions.length > 0 && el("div", { class: "actions" }, actions)));
}
