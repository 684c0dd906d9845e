/** The first pictures of a view, asked for as soon as it is known what there is: laying out the page takes as long as they do to come. */
import { findSeries } from "../network";
import type { Store } from "../store";
import { loadScene } from "./scene";

/** So many are in sight, or close to it, in any window. */
const FIRST_PICTURES = 3;

/** Fetches feature maps of the first layers, unless the address says that another layer will be scrolled to. */
export function fetchFirst(store: Store): void {
  const state = store.state.peek();
  if (state.view !== "maps" || state.layer !== null || !store.visible.peek()) return;
  const chosen = store.chosen.peek();
  const step = store.step.peek() ?? 0;
  const panels = store.layersShown
    .peek()
    .flatMap((name) => chosen.filter((run) => findSeries(run, "maps", name)).map((run) => ({ name, run })));
  for (const { name, run } of panels.slice(0, FIRST_PICTURES)) {
    // The card that shows it asks again, and says what went wrong.
    loadScene(store.api, { run, chosen, kind: "maps", name, step, state }, new AbortController().signal).catch(
      () => undefined,
    );
  }
}
