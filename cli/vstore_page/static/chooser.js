// The choice of a snapshot: the newest, those with a tag, any other by a name that a command takes.
import { el, time } from "./dom.js";
import { getJson } from "./net.js";

const OTHER = "\0other";

// Make it. at: the name that is chosen now. chosen: called with the name that a person takes; by default the address
// gets it as `at`, and `current` is left out.
export async function snapshotChooser(ctx, at, { label = "Snapshot", chosen } = {}) {
  const { snapshots } = await getJson("/choices", { signal: ctx.signal });
  const pick = chosen ?? ((name) => {
    const url = new URL(location.href);
    if (name === "current") url.searchParams.delete("at");
    else url.searchParams.set("at", name);
    ctx.go(url);
  });
  const named = new Set(["current", ...snapshots.map((one) => one.snapshot)]);
  const select = el("select", {
    onchange: () => {
      if (select.value !== OTHER) return pick(select.value);
      const name = prompt("A snapshot: v12, a tag, current~1, 2026-11-20, @{yesterday}");
      if (name) pick(name.trim());
      else select.value = at;
      return undefined;
    },
  },
    el("option", { value: "current" }, "current"),
    !named.has(at) && el("option", { value: at }, at),
    snapshots.slice(0, 300).map((one) => el("option", { value: one.snapshot }, words(one))),
    el("option", { value: OTHER }, "another …"));
  select.value = at;
  return el("label", { class: "field" }, label, select);
}

function words(one) {
  const tags = one.tags.length ? ` (${one.tags.join(", ")})` : "";
  return `${one.snapshot}${tags} · ${time(one.time)} · ${one.space_name}`;
}
