// Elements, made without any HTML: a text is a text, whatever a name has in it.

// Make an element. Attributes: a function is a listener (`onclick`); true is an attribute without a value; false, null
// and undefined are none; `class`, `dataset` and `style` (an object) are as one expects. Children: nodes, texts,
// numbers, and lists of these; null, undefined and false are none.
export function el(tag, attributes = {}, ...children) {
  const made = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === false || value === null || value === undefined) continue;
    if (typeof value === "function") made.addEventListener(name.replace(/^on/, ""), value);
    else if (name === "dataset") Object.assign(made.dataset, value);
    else if (name === "style") Object.assign(made.style, value);
    else made.setAttribute(name, value === true ? "" : String(value));
  }
  made.append(...nodes(children));
  return made;
}

function nodes(children) {
  return children.flat(Infinity).filter((child) => child !== null && child !== undefined && child !== false)
    .map((child) => (child instanceof Node ? child : document.createTextNode(String(child))));
}

// Put children in the place of all that an element holds.
export function fill(parent, ...children) {
  parent.replaceChildren(...nodes(children));
  return parent;
}

// Show an error: what happened, and what to do.
export function failure(err) {
  const step = err.next || (err.name === "Failed" ? "" : "reload the page");
  return el("div", { class: "failure", role: "alert" }, el("p", {}, sentence(err.message)), step && el("p", {}, sentence(step)));
}

export function waiting(text = "Loading …") {
  return el("p", { class: "waiting" }, text);
}

export function empty(...children) {
  return el("div", { class: "empty" }, ...children);
}

// Tell those who do not see the page.
export function announce(text) {
  document.getElementById("said").textContent = text;
}

// Begin a message with a capital letter.
export function sentence(text) {
  return text.charAt(0).toUpperCase() + text.slice(1);
}

export function count(many, word, words = `${word}s`) {
  return `${number(many)} ${many === 1 ? word : words}`;
}

// Write a measured recall, rounded down: 1.000 is said only where nothing was missed.
export function shareFound(recall) {
  return (Math.floor(Math.round(recall * 1e6) / 1e3) / 1e3).toFixed(3);
}

export function number(value) {
  return value.toLocaleString("en");
}

export function size(bytes) {
  const units = ["B", "KiB", "MiB", "GiB", "TiB"];
  let at = 0;
  for (; bytes >= 1024 && at < units.length - 1; at++) bytes /= 1024;
  return `${at ? bytes.toLocaleString("en", { maximumFractionDigits: 1 }) : number(bytes)} ${units[at]}`;
}

// Show a time of the store (UTC) in the zone of the reader.
export function time(text) {
  const date = new Date(text);
  if (Number.isNaN(date.getTime())) return text;
  const two = (value) => String(value).padStart(2, "0");
  return `${date.getFullYear()}-${two(date.getMonth() + 1)}-${two(date.getDate())} ${two(date.getHours())}:${two(date.getMinutes())}`;
}

// Ask before something is changed. Returns a promise of true or false.
export function confirmed(title, lines, { yes = "Do it", no = "Cancel", danger = false } = {}) {
  return new Promise((resolve) => {
    const dialog = el("dialog", { "aria-label": title, onclose: () => { dialog.remove(); resolve(dialog.returnValue === "yes"); } },
      el("h2", { style: { margin: "0 0 8px" } }, title),
      lines.map((line) => el("p", {}, line)),
      el("div", { class: "row" },
        el("button", { type: "button", onclick: () => dialog.close("no") }, no),
        el("button", { type: "button", class: danger ? "danger" : "main", onclick: () => dialog.close("yes") }, yes)));
    document.body.append(dialog);
    dialog.showModal();
  });
}

// Use the style of a view until the view is left; it is loaded once. Returns a promise that it is there.
const styles = new Map(); // name -> { link, isUsed, there }
export function style(name) {
  if (!styles.has(name)) {
    const one = { isUsed: true };
    one.there = new Promise((resolve) => {
      const loaded = () => { use(one); resolve(); };
      one.link = el("link", { rel: "stylesheet", href: `/static/views/${name}.css`, onload: loaded, onerror: resolve });
      document.head.append(one.link);
    });
    styles.set(name, one);
  }
  const one = styles.get(name);
  one.isUsed = true;
  use(one);
  return one.there;
}

// Put the styles of views out of use: two views may mean different things by one class.
export function leaveStyles() {
  for (const one of styles.values()) {
    one.isUsed = false;
    use(one);
  }
}

function use(one) {
  if (one.link?.sheet) one.link.sheet.disabled = !one.isUsed;
}

// Tell a click that means what it says from one that opens a tab or a window.
export function isPlain(event) {
  return !(event.button || event.ctrlKey || event.metaKey || event.shiftKey || event.altKey);
}
