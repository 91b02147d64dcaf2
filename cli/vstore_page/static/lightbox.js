// A picture at large, over the view: the next and the one before, zoom, and what can be done with it.
import { likeOf, pictureOf, previewOf, thumbnailOf } from "./card.js";
import { el, fill, number, sentence } from "./dom.js";
import { cover } from "./layer.js";
import { getJson, isAborted } from "./net.js";
import { zoomable } from "./zoom.js";

// Open it. Returns the function that closes it.
// ctx:     of the view. at: the snapshot that has the pictures, but for those that name one as their own `at`.
// count:   of the pictures. picture: (index) -> { key, name, folder }, or a promise of it. index: the first to show.
// line:    (picture, index) -> a text that stands with its name, such as its score.
// onclose: called with the index of the picture that was shown last.
export function lightbox(ctx, { at, count, picture, index = 0, line, onclose }) {
  let current = index;
  let ending = new AbortController();
  const title = el("div", { class: "title", "aria-live": "polite" }); // what lies below the dialog says nothing to anybody
  const bottom = el("div", { class: "bottom" });
  const stage = el("div", { class: "stage" });
  const button = (text, label, run, more = {}) =>
    el("button", { type: "button", "aria-label": label, title: label, onclick: run, ...more }, text);
  const before = button("‹", "The one before (←)", () => go(current - 1), { class: "side before" });
  const after = button("›", "The next (→)", () => go(current + 1), { class: "side after" });
  const images = () => stage.querySelectorAll("img");
  const dialog = el("dialog", { class: "lightbox", "aria-label": "A picture at large", tabindex: -1 },
    el("div", { class: "top" }, title,
      el("div", { class: "tools" },
        button("−", "Smaller (-)", () => zoom.zoom(1 / 1.5)),
        button("+", "Larger (+)", () => zoom.zoom(1.5)),
        button("✕", "Close (Esc)", () => dialog.close()))),
    stage, bottom);
  const zoom = zoomable(stage, {
    move(scale, x, y) {
      for (const one of images()) one.style.transform = `translate(${x}px, ${y}px) scale(${scale})`;
    },
  });

  async function go(to) {
    if (to < 0 || to >= count) return;
    ending.abort();
    ending = new AbortController();
    const { signal } = ending;
    current = to;
    before.hidden = after.hidden = count === 1;
    before.disabled = to === 0;
    after.disabled = to === count - 1;
    let shown;
    try {
      shown = await picture(to);
    } catch (err) {
      if (isAborted(err) || signal.aborted) return;
      fill(title, `${number(to + 1)} of ${number(count)}`);
      fill(bottom);
      fill(stage, before, after, el("div", { class: "missing" }, sentence(err.message)));
      return;
    }
    if (signal.aborted || !shown) return;
    const said = line?.(shown, to), where = shown.at ?? at;
    fill(title,
      el("div", {}, shown.name),
      el("div", { class: "soft small" }, [count > 1 && `${number(to + 1)} of ${number(count)}`, said, shown.folder].filter(Boolean).join(" · ")));
    fill(bottom,
      el("a", { href: pictureOf(shown.key, where) }, "All that is known of it"),
      el("a", { href: likeOf(shown.key, where) }, "More like this"));
    zoom.reset();
    // The small one is there at once, and the large one takes its place.
    const small = el("img", { src: thumbnailOf(shown.key, where), alt: shown.name, draggable: "false" });
    const large = el("img", { alt: shown.name, draggable: "false" });
    large.addEventListener("load", () => {
      if (signal.aborted) return;
      large.style.transform = small.style.transform;
      small.replaceWith(large);
      for (const near of [to + 1, to - 1]) if (near >= 0 && near < count) ready(near, signal);
    });
    large.addEventListener("error", async () => {
      if (signal.aborted) return;
      let reason = "cannot be shown";
      try {
        reason = (await getJson(previewOf(shown.key, where), { signal })).missing ?? reason;
      } catch (err) {
        reason = sentence(err.message);
      }
      if (!signal.aborted) fill(stage, before, after, el("div", { class: "missing" }, reason));
    });
    fill(stage, before, after, small);
    large.src = previewOf(shown.key, where);
    signal.addEventListener("abort", () => large.complete || large.removeAttribute("src")); // others are waited for
  }

  // Let the browser have a picture before it is asked for.
  async function ready(near, signal) {
    try {
      const one = await picture(near);
      if (one && !signal.aborted) new Image().src = previewOf(one.key, one.at ?? at);
    } catch {
      // it is asked for again when its turn comes
    }
  }

  const runs = {
    ArrowRight: () => (zoom.get().scale > 1 ? zoom.pan(-80, 0) : go(current + 1)),
    ArrowLeft: () => (zoom.get().scale > 1 ? zoom.pan(80, 0) : go(current - 1)),
    ArrowDown: () => zoom.pan(0, -80),
    ArrowUp: () => zoom.pan(0, 80),
    Home: () => go(0),
    End: () => go(count - 1),
    "+": () => zoom.zoom(1.5),
    "=": () => zoom.zoom(1.5),
    "-": () => zoom.zoom(1 / 1.5),
    0: () => zoom.reset(),
  };
  dialog.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || !(event.key in runs)) return;
    event.preventDefault();
    event.stopPropagation();
    runs[event.key]();
  });
  let isOpen = true;
  function close() {
    if (!isOpen) return;
    isOpen = false;
    ending.abort();
    zoom.close();
    uncover();
    ctx?.signal?.removeEventListener("abort", close);
    dialog.remove();
    onclose?.(current);
  }
  dialog.addEventListener("close", close);
  ctx?.signal?.addEventListener("abort", close);
  document.body.append(dialog);
  dialog.showModal();
  dialog.focus();
  const uncover = cover(() => dialog.close());
  go(index);
  return close;
}
