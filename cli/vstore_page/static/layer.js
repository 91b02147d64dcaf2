// What lies over the view, such as a picture at large. It has an entry of the history of its own, of the same address:
// so Back, which is all that a phone has, closes it and leaves the view where it is.

const PATIENCE = 5000; // milliseconds in which a browser has gone back

let open = null; // { close, url, isThere } of what lies over the view
let leaving = null; // { url, late, waiting }: its entry is being left, and changes of the history wait

// Lay something over the view. close: is called when the reader goes back. Returns the function that is called when it
// was closed another way.
export function cover(close) {
  const one = (open = { close, url: location.href, isThere: false });
  settled(() => {
    if (open !== one) return; // it was closed meanwhile
    one.isThere = true;
    const state = { ...history.state, top: scrollY }; // for who comes back to the view
    history.replaceState(state, "");
    history.pushState({ ...state, isOver: true }, "");
  });
  return () => {
    if (open !== one) return;
    open = null;
    if (one.isThere) leave();
  };
}

// Change the history, once an entry that is being left is left.
export function settled(run) {
  if (leaving) leaving.waiting.push(run);
  else run();
}

// Add an address to the history. It takes the place of what lies over the view, which is closed with the view.
export function push(url) {
  const wasOver = open?.isThere;
  open = null;
  if (wasOver) history.replaceState(null, "", url);
  else history.pushState(null, "", url);
}

// Tell whether going back or forth was about what lies over the view; it is done then.
export function isOver(event) {
  if (leaving) return arrive();
  if (event.state?.isOver) { // it was closed: nothing is there to go forth to
    history.back();
    return true;
  }
  if (!open) return false;
  const { close, url } = open;
  open = null;
  close();
  return location.href === url;
}

// Leave the entry of what is no longer there, as after the page was loaded again.
export function leaveWhatIsGone() {
  if (history.state?.isOver) leave();
}

function leave() {
  leaving = { url: location.href, late: setTimeout(arrive, PATIENCE), waiting: [] };
  history.back();
}

function arrive() {
  const { url, late, waiting } = leaving;
  const isThere = location.href === url; // or the reader went further back meanwhile
  clearTimeout(late);
  leaving = null;
  for (const run of waiting) run();
  return isThere;
}
