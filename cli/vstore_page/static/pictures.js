// All pictures of a snapshot, as `grid` and `lightbox` take them.
import { getBytes, getJson } from "./net.js";

// Open them. Returns { snapshot, count, key(number), load(from, count) }: keys are known at once, names when asked for.
export async function allPictures(at = "current", { signal } = {}) {
  const { snapshot, images } = await getJson(`/names?${new URLSearchParams({ at, count: 0 })}`, { signal });
  const bytes = new Uint8Array(await getBytes(`/keys?${new URLSearchParams({ at: snapshot })}`, { signal }));
  const size = bytes[0] || 1;
  const hex = Array.from({ length: 256 }, (_, byte) => byte.toString(16).padStart(2, "0"));
  return {
    snapshot,
    count: images,
    key(number) {
      let digits = "";
      for (let at = 1 + number * size; at < 1 + (number + 1) * size; at++) digits += hex[bytes[at]];
      return digits;
    },
    async load(from, count, options = {}) {
      const rows = new URLSearchParams({ at: snapshot, from, count });
      return (await getJson(`/names?${rows}`, { signal: options.signal ?? signal })).pictures;
    },
  };
}
