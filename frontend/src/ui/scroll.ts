/** Bringing a layer's card into sight, and keeping it there while the cards above it load and grow. */

/** What people scroll with, or move on with. */
const TOUCHES = ["wheel", "touchmove", "pointerdown", "keydown"];

let letGo = () => {};

/** Scrolls to the first card of a layer, below what covers the top of the page. It stays there until somebody touches anything. */
export function scrollToCard(name: string): void {
  letGo();
  const card = document.querySelector<HTMLElement>(`[data-card="${CSS.escape(name)}"]`);
  if (!card) return;
  letGo = untilTouched(card.parentElement!, () => {
    const covered = document.querySelector<HTMLElement>(".toolbar")?.offsetHeight ?? 0;
    card.style.scrollMarginTop = `${covered}px`;
    card.scrollIntoView({ block: "start" });
  });
}

/** Calls `place` now and whenever the list has changed its size; the answer ends that early. */
function untilTouched(list: Element, place: () => void): () => void {
  place();
  const observer = new ResizeObserver(place);
  const touched = new AbortController();
  const stop = () => {
    observer.disconnect();
    touched.abort();
  };
  for (const touch of TOUCHES) window.addEventListener(touch, stop, { capture: true, signal: touched.signal });
  observer.observe(list);
  return stop;
}
