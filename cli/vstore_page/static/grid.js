// A grid of any number of pictures: only the rows around the window are there.
import { el, number } from "./dom.js";

const AHEAD = 1.5; // windows above and below that are made as well
const PART = 200; // items that are loaded at once
const PARTS = 60; // that are kept
const REST = 90; // milliseconds without scrolling, after which pictures are made of what was passed by at speed
const JUMP = 2.5; // windows in one step: it is no short way
const SPEED = 10; // windows a second, from which on what is passed by is not made
const TALLEST = 8_000_000; // pixels of an element: browsers end at some 16 or 33 million

// Make a grid in `parent`; it scrolls with the window.
// count:  of the items.
// load:   (from, count, { signal }) -> a list of items, or a promise of it.
// cell:   (item, index) -> its element. All cells have one size.
// item:   (index) -> what is known of an item before it is loaded, for its cell; undefined makes an empty one.
// least:  the least width of a cell. about: the height below its picture. ratio: of the height of a picture to its width.
// fewest: cells beside each other, however narrow the window is.
// label:  what the grid is, for those who do not see it.
// Arrows, Home, End and the page keys move the focus; Enter follows the first link of a cell, or presses its button.
// Returns { focus(index), close }.
export function grid(parent, { count, load, cell, item = () => undefined, least = 200, about = 64, ratio = 5 / 6, fewest = 2, label = "Pictures" }) {
  const box = el("div", { class: "grid", role: "list", "aria-label": `${label}: ${number(count)}` });
  parent.append(box);
  const shown = new Map(); // index -> { node, state }
  const parts = new Map(); // number of a part -> its items, or a promise of them
  const ending = new AbortController();
  let columns = 1, width = 0, row = 0, gap = 16;
  let current = 0; // that Tab reaches
  let offset = 0; // between the place of a row in the whole, and in the element
  let last = { top: 0, time: 0 };
  let resting = 0, frame = 0;
  const isClosed = () => ending.signal.aborted;

  const rows = () => Math.ceil(count / columns);
  const whole = () => Math.max(0, rows() * (row + gap) - gap);
  const tall = () => Math.min(whole(), TALLEST);
  // Pixels of the element that are above the window: what is fixed at the top of the window counts as none.
  const top = () => Math.max(0, -box.getBoundingClientRect().top);

  function measure() {
    const style = getComputedStyle(document.documentElement);
    gap = parseFloat(style.getPropertyValue("--gap")) || 16;
    const room = box.clientWidth || 1;
    const was = columns, before = row;
    columns = Math.max(fewest, Math.floor((room + gap) / (least + gap)));
    width = (room - gap * (columns - 1)) / columns;
    row = Math.round(width * ratio) + about;
    box.style.height = `${tall()}px`;
    return was !== columns || before !== row;
  }

  // Find what part of the whole an element that is too tall shows: it follows short ways pixel by pixel.
  function follow() {
    const now = top(), most = tall() - innerHeight;
    if (whole() <= TALLEST) offset = 0;
    else if (now <= 0) offset = 0;
    else if (now >= most) offset = whole() - tall();
    else if (Math.abs(now - last.top) > JUMP * innerHeight) offset = Math.round((now / most) * (whole() - innerHeight)) - now;
    else offset = Math.min(Math.max(offset, -now), whole() - innerHeight - now);
    const time = performance.now(), way = Math.abs(now - last.top);
    const isFast = way > innerHeight / 2 && way / (time - last.time) > (SPEED * innerHeight) / 1000;
    last = { top: now, time };
    return isFast;
  }

  function render(isFast = false) {
    frame = 0;
    if (isClosed() || !count) return;
    const at = top() + offset, step = row + gap;
    const first = Math.max(0, Math.floor((at - AHEAD * innerHeight) / step)) * columns;
    const end = Math.min(count, Math.ceil((at + (1 + AHEAD) * innerHeight) / step) * columns);
    for (const [index, one] of shown) {
      if ((index < first || index >= end) && !(index === current && one.node.contains(document.activeElement))) {
        drop(one.node);
        shown.delete(index);
      }
    }
    for (let index = first; index < end; index++) put(index, isFast);
    for (const [index, one] of shown) place(index, one.node);
    if (!isFast) for (let part = Math.floor(first / PART); part * PART < end; part++) want(part);
  }

  // Take a cell away. Images that have not come yet are not waited for: others are.
  function drop(node) {
    for (const one of node.querySelectorAll("img")) if (!one.complete) one.removeAttribute("src");
    node.remove();
  }

  function place(index, node) {
    const y = Math.floor(index / columns) * (row + gap) - offset;
    const x = (index % columns) * (width + gap);
    node.style.transform = `translate(${x}px, ${y}px)`;
    node.style.width = `${width}px`;
    node.style.height = `${row}px`;
  }

  function put(index, isFast) {
    const was = shown.get(index);
    const part = parts.get(Math.floor(index / PART));
    const known = Array.isArray(part) ? part[index % PART] : undefined;
    const found = isFast ? undefined : known ?? item(index);
    const state = found === undefined ? 0 : known === undefined ? 1 : 2; // empty, a picture alone, whole
    if (was && was.state >= state) return;
    const hadFocus = was?.node.contains(document.activeElement);
    const node = found === undefined ? el("div", { class: "card" }, el("div", { class: "well" })) : cell(found, index);
    node.setAttribute("role", "listitem");
    node.setAttribute("aria-setsize", count);
    node.setAttribute("aria-posinset", index + 1);
    node.dataset.index = index;
    for (const one of node.querySelectorAll("a[href], button")) one.tabIndex = -1;
    mainOf(node).tabIndex = index === current ? 0 : -1;
    place(index, node);
    if (was?.state === 1 && state === 2) keepImage(was.node, node);
    if (was) was.node.replaceWith(node);
    else box.append(node);
    shown.set(index, { node, state });
    if (hadFocus) mainOf(node).focus({ preventScroll: true });
  }

  // Keep the image that is there already: a new one would flicker.
  function keepImage(old, made) {
    const from = old.querySelector("img"), to = made.querySelector("img");
    if (from && to && from.getAttribute("src") === to.getAttribute("src") && from.complete) {
      from.alt = to.alt;
      to.replaceWith(from);
    }
  }

  async function want(part) {
    if (parts.has(part)) {
      const items = parts.get(part);
      parts.delete(part); // the one that was used last stands last
      parts.set(part, items);
      return;
    }
    const from = part * PART;
    const loading = Promise.resolve(load(from, Math.min(PART, count - from), { signal: ending.signal }));
    parts.set(part, loading);
    while (parts.size > PARTS) parts.delete(parts.keys().next().value);
    try {
      const items = await loading;
      if (isClosed()) return;
      parts.set(part, items);
      schedule();
    } catch {
      parts.delete(part); // it is asked for again by the next scrolling
    }
  }

  // Find what has the focus of a cell: its first link or button; of an empty one the cell.
  function mainOf(node) {
    return node.querySelector("a[href], button") ?? node;
  }

  function schedule(isFast = false) {
    if (!frame) frame = requestAnimationFrame(() => render(isFast));
  }

  function scrolled() {
    const isFast = follow();
    cancelAnimationFrame(frame);
    frame = 0;
    schedule(isFast);
    clearTimeout(resting);
    resting = setTimeout(rest, REST);
  }

  function rest() {
    // Short ways move an element that is too tall away from the place that the bar of the window should have.
    const room = whole() - innerHeight, most = tall() - innerHeight, at = top() + offset;
    const should = whole() > TALLEST ? Math.round((at / room) * most) : top();
    if (Math.abs(should - top()) > innerHeight) {
      scrollBy(0, should - top());
      last.top = top();
      offset = Math.round(at - last.top);
    }
    render();
  }

  function bring(index) {
    const step = row + gap, y = Math.floor(index / columns) * step;
    const bar = Math.max(0, document.querySelector(".bar")?.getBoundingClientRect().bottom ?? 0);
    const seen = box.getBoundingClientRect().top + y - offset; // in the window
    const above = seen < bar, below = seen + row > innerHeight;
    if (!above && !below) return;
    const to = above ? y - bar - gap : y + row - innerHeight + gap;
    const begin = scrollY + box.getBoundingClientRect().top;
    if (whole() <= TALLEST) scrollTo(0, begin + to);
    else {
      const inside = Math.min(Math.max(0, (to / (whole() - innerHeight)) * (tall() - innerHeight)), tall() - innerHeight);
      scrollTo(0, begin + inside);
      last.top = top();
      offset = Math.round(to - last.top);
      if (to <= 0) offset = -last.top;
    }
    render();
  }

  // Make an item the one that Tab reaches.
  function choose(index) {
    const [before, after] = [shown.get(current), shown.get(index)];
    if (before) mainOf(before.node).tabIndex = -1;
    if (after) mainOf(after.node).tabIndex = 0;
    current = index;
  }

  // Move the focus to an item, which is brought into the window, unless this is to stand still.
  function focus(index, { isStill = false } = {}) {
    if (!count) return;
    choose(Math.min(Math.max(0, index), count - 1));
    if (!isStill) bring(current);
    put(current, false);
    const main = mainOf(shown.get(current).node);
    main.tabIndex = 0;
    main.focus({ preventScroll: true });
  }

  box.addEventListener("focusin", (event) => {
    const node = event.target.closest("[data-index]");
    if (node && Number(node.dataset.index) !== current) choose(Number(node.dataset.index));
  });
  box.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey || event.shiftKey) return;
    const page = Math.max(1, Math.floor(innerHeight / (row + gap))) * columns;
    const to = {
      ArrowLeft: current - 1, ArrowRight: current + 1, ArrowUp: current - columns, ArrowDown: current + columns,
      Home: 0, End: count - 1, PageUp: current - page, PageDown: current + page,
    }[event.key];
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    if (event.key === "ArrowUp" && to < 0) return;
    if (event.key === "ArrowDown" && to >= count && Math.floor(current / columns) === rows() - 1) return;
    focus(to);
  });

  const sizes = new ResizeObserver(() => {
    const middle = Math.floor((top() + offset) / (row + gap)) * columns;
    if (box.clientWidth && measure()) {
      for (const [index, one] of shown) place(index, one.node);
      if (top() > 0) bring(Math.min(count - 1, Math.max(middle, 0)));
      schedule();
    }
  });
  measure();
  sizes.observe(box);
  addEventListener("scroll", scrolled, { passive: true });
  addEventListener("resize", scrolled, { passive: true });
  render();

  return {
    focus,
    close() {
      ending.abort();
      cancelAnimationFrame(frame);
      clearTimeout(resting);
      sizes.disconnect();
      removeEventListener("scroll", scrolled);
      removeEventListener("resize", scrolled);
      for (const one of shown.values()) drop(one.node);
      box.remove();
    },
  };
}
