// The shell of the page: which view an address means, the bar, and what the server says of the store meanwhile.
import { announce, el, failure, fill, isPlain, leaveStyles, sentence, waiting } from "./dom.js";
import { keys, showKeys } from "./keys.js";
import { isOver, leaveWhatIsGone, push as pushEntry, settled } from "./layer.js";
import { getJson, isAborted } from "./net.js";

// A line for each view: the begin of its address, its name in the bar (or `of`: the view there that it belongs to), and
// its module, which exports `title` and `show(main, address, ctx)`.
const VIEWS = [
  { path: "/search", name: "Search", load: () => import("./views/search.js") },
  { path: "/snapshots", name: "Snapshots", load: () => import("./views/snapshots.js") },
  { path: "/compare", name: "Compare", load: () => import("./views/compare.js") },
  { path: "/duplicates", name: "Duplicates", load: () => import("./views/duplicates.js") },
  { path: "/health", name: "Health", load: () => import("./views/health.js") },
  { path: "/diff", of: "/snapshots", load: () => import("./views/diff.js") },
  { path: "/picture", of: "/search", load: () => import("./views/picture.js") },
];
const HOME = "/search";
const LOOK = 5000; // milliseconds between two looks at the state of the store
const SOON = 200; // milliseconds after which a view that is not there yet is said to be loading
const STILL = 200; // milliseconds without scrolling, after which the place is noted: browsers take few notes a minute
const SETTLED = 1000; // milliseconds in which the length of a view has stayed
const PATIENCE = 10_000; // milliseconds in which a view may grow to where it was left

const main = document.getElementById("main");
const nav = document.getElementById("nav");
const banner = document.getElementById("banner");
let state = null; // as the view was shown
let left = null; // ends the view
let listeners = new Set();
let following = null; // ends the way back to where an address was left
let isComing = null; // what is shown to who comes back, while it is not there yet
let noting = 0; // the place that is noted once the window stands still

const links = VIEWS.filter((one) => one.name).map((one) => [one, el("a", { href: one.path }, one.name)]);
fill(nav, links.map(([, link]) => link));

function viewOf(address) {
  const path = address.pathname;
  return VIEWS.find((view) => path === view.path || path.startsWith(`${view.path}/`));
}

// Show the view of an address.
async function show(address) {
  if (address.pathname === "/") {
    address = new URL(HOME, address);
    replace(address);
  }
  left?.();
  const late = setTimeout(() => fill(main, waiting()), SOON);
  const ending = new AbortController();
  let close = null;
  left = () => {
    left = null;
    clearTimeout(late);
    ending.abort();
    close?.();
    for (const one of document.querySelectorAll("dialog[open]")) one.close(); // they asked about what was there
  };
  const view = viewOf(address);
  for (const [one, link] of links) {
    const current = one === view ? "page" : one.path === view?.of ? "true" : null;
    if (current) link.setAttribute("aria-current", current);
    else link.removeAttribute("aria-current");
  }
  nav.querySelector("[aria-current]")?.scrollIntoView({ inline: "nearest", block: "nearest" });
  listeners = new Set();
  try {
    state = await getJson("/state", { signal: ending.signal });
    fill(banner);
    if (!view) {
      clearTimeout(late);
      document.title = "vstore";
      leaveStyles();
      fill(main, el("h1", {}, "There is nothing at this address"));
      return;
    }
    const module = await view.load();
    if (ending.signal.aborted) return;
    clearTimeout(late);
    document.title = `${module.title} – vstore`;
    leaveStyles();
    fill(main);
    // What comes late in a view that was left changes neither the address nor what is shown.
    const here = (run) => (...given) => (ending.signal.aborted ? undefined : run(...given));
    const closed = await module.show(main, address, {
      go: here(go), push: here(push), replace: here(replace), refresh: here(refresh), state, canWrite: state.can_write,
      signal: ending.signal, onstate: here((listener) => listeners.add(listener)),
    });
    if (ending.signal.aborted) closed?.();
    else close = closed ?? null;
  } catch (err) {
    clearTimeout(late);
    if (isAborted(err) || ending.signal.aborted) return;
    if (err.name !== "Failed") console.error(err);
    document.title = `${view?.name ?? "Error"} – vstore`;
    fill(main, failure(err), err.status === 404 && address.searchParams.has("at") && el("p", { class: "instead" },
      el("button", { type: "button", onclick: showCurrent }, "Show the current snapshot")));
  }
}

// Show another address.
function go(url) {
  const to = new URL(url, location.href);
  const isOther = to.pathname !== location.pathname;
  if (to.href === location.href) return refresh();
  leaveAt(to);
  const shown = show(to);
  if (isOther) {
    scrollTo(0, 0);
    main.focus({ preventScroll: true });
    shown.then(() => location.href === to.href && announce(document.title));
  }
  return shown;
}

// Add an address of what is shown already: the view has changed itself.
function push(url) {
  leaveAt(new URL(url, location.href));
}

// Note where the address is left, for who comes back to it.
function leaveAt(to) {
  following?.abort();
  isComing = null;
  const top = scrollY;
  settled(() => {
    noteTop(top);
    pushEntry(to);
  });
}

// Note where an address is scrolled to, for who comes back to it or loads it again.
function noteTop(top = scrollY) {
  clearTimeout(noting);
  settled(() => history.replaceState({ ...history.state, top }, ""));
}

// Go back to where an address was left, once what it shows is long enough, unless the reader has moved meanwhile. What is
// shown may become short once more, as when the answer comes: so it is followed until its length has stayed for a while.
function goBackTo(top) {
  following?.abort();
  scrollTo(0, top);
  if (!top) return;
  const moved = new AbortController();
  following = moved;
  let end = setTimeout(() => moved.abort(), PATIENCE);
  const sizes = new ResizeObserver(() => {
    if (document.documentElement.scrollHeight < top + innerHeight) return;
    scrollTo(0, top);
    clearTimeout(end);
    end = setTimeout(() => moved.abort(), SETTLED);
  });
  moved.signal.addEventListener("abort", () => {
    clearTimeout(end);
    sizes.disconnect();
    if (following === moved) following = null;
  });
  for (const name of ["wheel", "keydown", "pointerdown", "popstate"]) {
    addEventListener(name, () => moved.abort(), { signal: moved.signal, capture: true });
  }
  sizes.observe(main);
}

// Change the address of what is shown already.
function replace(url) {
  settled(() => history.replaceState(history.state, "", new URL(url, location.href)));
}

// Show the address once more.
function refresh() {
  return show(new URL(location.href));
}

document.addEventListener("click", (event) => {
  const link = event.target instanceof Element ? event.target.closest("a[href]") : null;
  if (!link || event.defaultPrevented || !isPlain(event)) return;
  const to = new URL(link.href);
  if (to.origin !== location.origin || link.target || link.hasAttribute("download")) return;
  event.preventDefault();
  if (to.hash) document.getElementById(to.hash.slice(1))?.focus(); // a place in the view is no other address
  else go(to);
});
history.scrollRestoration = "manual"; // the browser would scroll before the view is there
addEventListener("popstate", (event) => isOver(event) || comeBack(event.state?.top ?? 0));
addEventListener("scroll", () => {
  clearTimeout(noting);
  if (!following && !isComing) noting = setTimeout(() => noteTop(), STILL);
}, { passive: true });

// Show the address once more, where it was left.
async function comeBack(top) {
  clearTimeout(noting);
  const coming = (isComing = {});
  await show(new URL(location.href));
  if (coming !== isComing) return; // one went further meanwhile
  isComing = null;
  goBackTo(top);
}

async function look() {
  if (document.visibilityState === "visible" && state) await lookOnce();
  setTimeout(look, LOOK);
}

async function lookOnce() {
  const was = state;
  try {
    const now = await getJson("/state");
    if (was !== state) return; // it is older than what is shown
    if (now.current !== state.current) {
      tell(`The store has changed: ${now.current ?? "no snapshot"} is current now.`,
        el("button", { type: "button", onclick: showCurrent }, "Show it"));
    } else fill(banner);
    for (const listener of listeners) listener(now);
  } catch (err) {
    const [what, next] = err.status === 401
      ? ["the server of this page was started again", "open the address that it printed"] : [err.message, err.next];
    tell([what, next].filter(Boolean).map((one) => `${sentence(one)}.`).join(" "));
  }
}

// Show the address once more, of the current snapshot.
function showCurrent() {
  const url = new URL(location.href);
  url.searchParams.delete("at");
  replace(url);
  return refresh();
}

function tell(text, ...more) {
  if (banner.firstChild?.textContent !== text) fill(banner, el("span", {}, text), ...more);
}

document.getElementById("help").addEventListener("click", showKeys);
keys("Everywhere", [{ key: "?", does: "show the keys", run: showKeys }]);
leaveWhatIsGone();
comeBack(history.state?.top ?? 0);
setTimeout(look, LOOK);
