// Zoom and pan of an image that fills a stage: by wheel, keys, drag, double click and two fingers.

const MOST = 16;

// Make it. stage: the element. move: (scale, x, y) puts the images: pixels of the stage, from its upper left corner.
// Returns { zoom(factor), pan(x, y), reset(), set({ scale, x, y }), get(), close() }. onchange: called with what `get`
// gives, for another stage that moves as well.
export function zoomable(stage, { move, onchange } = {}) {
  let now = { scale: 1, x: 0, y: 0 };
  const fingers = new Map();
  const ending = new AbortController();
  const on = (name, run, options = {}) => stage.addEventListener(name, run, { signal: ending.signal, ...options });

  function set(to, { isQuiet = false } = {}) {
    const scale = Math.min(MOST, Math.max(1, to.scale));
    const { clientWidth: width, clientHeight: height } = stage;
    const x = Math.min(0, Math.max(width * (1 - scale), to.x)), y = Math.min(0, Math.max(height * (1 - scale), to.y));
    now = { scale, x, y };
    stage.classList.toggle("zoomed", scale > 1);
    move(scale, x, y);
    if (!isQuiet) onchange?.(now);
  }

  // Zoom in on a point of the stage; by default its middle.
  function zoom(factor, px = stage.clientWidth / 2, py = stage.clientHeight / 2) {
    const scale = Math.min(MOST, Math.max(1, now.scale * factor));
    const by = scale / now.scale;
    set({ scale, x: px - (px - now.x) * by, y: py - (py - now.y) * by });
  }

  function pan(x, y) {
    set({ scale: now.scale, x: now.x + x, y: now.y + y });
  }

  function place(event) {
    const box = stage.getBoundingClientRect();
    return { x: event.clientX - box.left, y: event.clientY - box.top };
  }

  on("wheel", (event) => {
    event.preventDefault();
    const at = place(event);
    zoom(Math.exp(-event.deltaY * (event.ctrlKey ? 0.01 : 0.002)), at.x, at.y);
  }, { passive: false });
  on("dblclick", (event) => {
    if (event.target.closest("button")) return;
    const at = place(event);
    if (now.scale > 1) set({ scale: 1, x: 0, y: 0 });
    else zoom(3, at.x, at.y);
  });
  on("pointerdown", (event) => {
    if (event.button || event.target.closest("button, a")) return;
    stage.setPointerCapture(event.pointerId);
    fingers.set(event.pointerId, place(event));
    stage.classList.toggle("held", now.scale > 1);
  });
  on("pointermove", (event) => {
    const before = fingers.get(event.pointerId);
    if (!before) return;
    const at = place(event);
    if (fingers.size === 1) pan(at.x - before.x, at.y - before.y);
    else if (fingers.size === 2) {
      const [other] = [...fingers].filter(([id]) => id !== event.pointerId).map(([, one]) => one);
      const away = (one) => Math.hypot(one.x - other.x, one.y - other.y) || 1;
      zoom(away(at) / away(before), (at.x + other.x) / 2, (at.y + other.y) / 2);
    }
    fingers.set(event.pointerId, at);
  });
  for (const name of ["pointerup", "pointercancel"]) {
    on(name, (event) => {
      fingers.delete(event.pointerId);
      stage.classList.remove("held");
    });
  }
  const sizes = new ResizeObserver(() => set(now, { isQuiet: true }));
  sizes.observe(stage);

  return {
    zoom, pan, set,
    reset: () => set({ scale: 1, x: 0, y: 0 }),
    get: () => now,
    close() {
      ending.abort();
      sizes.disconnect();
    },
  };
}
