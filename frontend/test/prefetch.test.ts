import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { Api } from "../src/data/api";
import { ready } from "../src/data/resource";
import { Store } from "../src/state/store";
import type { Run, Series } from "../src/types.gen";
import { fetchFirst } from "../src/views/pictures/prefetch";

const LAYERS = ["conv1", "conv2", "conv3", "conv4", "conv5"];

/** A run of five layers with a picture each, behind a server that never answers. */
function storeAt(texts: Record<string, string>): { store: Store; asked: string[] } {
  const asked: string[] = [];
  const get = (address: string) => {
    asked.push(new URLSearchParams(address.split("?")[1]).get("name") ?? "");
    return new Promise<never>(() => {});
  };
  const store = new Store(new Api({ live: true, get }), texts);
  const pictures = LAYERS.map((name) => ({ kind: "maps", name, layer: null, steps: [0, 5], version: "v" }));
  const run: Run = {
    ...{ run: "a", title: "a", color: 0, record: null, kernels: {}, steps: [0, 5], logged_steps: 2 },
    ...{ pictures: pictures as unknown as Series[], layer_rows: [], variable_rows: [], problems: [] },
  };
  store.index.value = ready({ version: 1, plugin_version: "", runs: [run] });
  return { store, asked };
}

describe("fetchFirst", () => {
  beforeEach(() => {
    vi.useFakeTimers();
  });
  afterEach(() => {
    vi.useRealTimers();
  });

  it("asks for the first layers at once, and does not hold the page up for ever", async () => {
    const { store, asked } = storeAt({ view: "maps" });
    let done = false;
    const first = fetchFirst(store).then(() => (done = true));
    expect(asked).toEqual(LAYERS.slice(0, 3));
    await vi.advanceTimersByTimeAsync(50);
    expect(done).toBe(false);
    await vi.advanceTimersByTimeAsync(1000);
    await first;
    expect(done).toBe(true);
  });

  it.each([{ view: "overview" }, { view: "maps", layer: "conv5" }, { view: "weights" }])(
    "asks for nothing where those are not what will be seen: %o",
    async (texts) => {
      const { store, asked } = storeAt(texts as unknown as Record<string, string>);
      await fetchFirst(store);
      expect(asked).toEqual([]);
    },
  );
});
