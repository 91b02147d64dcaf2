// All pictures of a snapshot, as `grid` and `lightbox` take them.
import { getBytes, getJson } from "./net.js";

// Open them. Returns { snapshot, count, key(number), load(from, count) }: keys are known at once, names when asked for.
// filters: entries of an address, such as [["under", "pictures/2024"]]: only those that meet them.
export async function allPictures(at = "current", { signal, filters = [] } = {}) {
  const query = (more) => new URLSearchParams([...filters, ...Object.entries(more)]);
  const { snapshot } = await getJson(`/names?${query({ at, count: 0 })}`, { signal });
  const bytes = new Uint8Array(await getBytes(`/keys?${query({ at: snapshot })}`, { signal }));
  const size = bytes[0] || 1;
  const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  return {
    snapshot,
    count: (bytes.length - 1) / size,
    key(number) {
      let digits = "";
      for (let at = 1 + number * size; at < 1 + (number + 1) * size; at++) digits += hex[bytes[at]];
      return digits;
    },
    async load(from, count, options = {}) {
      return (await getJson(`/names?${query({ at: snapshot, from, count })}`, { signal: options.signal ?? signal })).pictures;
    },
  };
}
