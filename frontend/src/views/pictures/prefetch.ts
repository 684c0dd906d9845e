/** The first pictures of a view, fetched before the page is laid out: that takes longer than they do, and they could not be read meanwhile. */
import { findSeries } from "../../model/network";
import type { Store } from "../../state/store";
import { loadPictureData } from "./picture_data";

/** So many are in sight, or close to it, in any window. */
const FIRST_PICTURES = 3;

/** The page is laid out after so many milliseconds even if they have not come. */
const PATIENCE_MS = 150;

/** Resolves when feature maps of the first layers have come, or will not; at once where the view has none or the address names another layer. */
export async function fetchFirst(store: Store): Promise<void> {
  const wanted = firstPictures(store);
  if (wanted.length === 0) return;
  const patience = new Promise((resolve) => setTimeout(resolve, PATIENCE_MS));
  // The card that shows a picture asks again, and says what went wrong.
  await Promise.race([Promise.allSettled(wanted), patience]);
}

function firstPictures(store: Store): readonly Promise<unknown>[] {
  const state = store.state.peek();
  if (state.view !== "maps" || state.layer !== null || !store.visible.peek()) return [];
  const chosen = store.chosen.peek();
  const step = store.step.peek() ?? 0;
  const panels = store.layersShown
    .peek()
    .flatMap((name) => chosen.filter((run) => findSeries(run, "maps", name)).map((run) => ({ name, run })));
  const { signal } = new AbortController();
  return panels
    .slice(0, FIRST_PICTURES)
    .map(({ name, run }) => loadPictureData(store.api, { run, chosen, kind: "maps", name, step, state }, signal));
}
