import { describe, expect, it } from "vitest";
import { Api } from "../src/data/api";
import { PromiseCache } from "../src/data/cache";
import { address, type DataSource, EmbeddedSource, RequestError } from "../src/data/source";
import { conditions } from "../src/model/channel_health";
import { Store } from "../src/state/store";
import type { Run } from "../src/types.gen";
import { floats, frame } from "./encode";

const run = (name: string, color: number, fields: Partial<Run> = {}): Run => ({
  ...{
    run: name,
    title: name,
    color,
    record: null,
    kernels: {},
    steps: [0, 10],
    logged_steps: null,
    layer_rows: [],
    variable_rows: [],
    problems: [],
  },
  pictures: [{ kind: "maps", name: "conv10", layer: "conv10", steps: [0], version: "x" }],
  ...fields,
});

class Scripted implements DataSource {
  readonly live = true;
  readonly asked: string[] = [];
  constructor(private readonly answers: Record<string, () => Uint8Array | Promise<Uint8Array>>) {}
  async get(where: string): Promise<Uint8Array<ArrayBuffer>> {
    this.asked.push(where);
    const answer = this.answers[where];
    if (!answer) throw new RequestError(404, `nothing at ${where}`);
    return (await answer()) as Uint8Array<ArrayBuffer>;
  }
}

const json = (value: unknown) => () => new TextEncoder().encode(JSON.stringify(value));

describe("cache", () => {
  it("loads once for all who ask, and again after a failure", async () => {
    const cache = new PromiseCache<number>(100, () => 1);
    let loads = 0;
    const load = async () => ++loads;
    expect(await Promise.all([cache.get("a", load), cache.get("a", load)])).toEqual([1, 1]);
    await expect(cache.get("b", () => Promise.reject(new Error("no")))).rejects.toThrow("no");
    expect(await cache.get("b", load)).toBe(2);
  });

  it("drops what was used longest ago, above its cost", async () => {
    const cache = new PromiseCache<string>(2, () => 1);
    const load = (value: string) => async () => value;
    for (const key of ["a", "b"]) await cache.get(key, load(key));
    await cache.get("a", load("again"));
    await cache.get("c", load("c"));
    expect(await cache.get("a", load("new a"))).toBe("a");
    expect(await cache.get("b", load("new b"))).toBe("new b");
  });

  it("aborts a load only when nobody waits for it any more", async () => {
    const cache = new PromiseCache<number>(9, () => 1);
    let inner: AbortSignal | undefined;
    const [first, second] = [new AbortController(), new AbortController()];
    const load = (signal: AbortSignal) => {
      inner = signal;
      return new Promise<number>(() => undefined);
    };
    const waiting = [first, second].map(({ signal }) =>
      cache.get("a", load, signal).catch((error: Error) => error.name),
    );
    first.abort();
    expect([await waiting[0], inner!.aborted]).toEqual(["AbortError", false]);
    second.abort();
    expect([await waiting[1], inner!.aborted]).toEqual(["AbortError", true]);
  });
});

describe("api", () => {
  it("asks for exactly what is documented, and reads tables by name", async () => {
    const table = frame(
      { kind: "table", rows: ["conv1"], columns: ["mean"] },
      {
        steps: { dtype: "float64", shape: [1], values: Float64Array.of(3) },
        wall_times: { dtype: "float64", shape: [1], values: Float64Array.of(9) },
        values: floats([1, 1, 1], [2]),
      },
    );
    const where = "table?run=a%2Fb&table=layers&columns=mean&rows=conv1";
    const source = new Scripted({ [where]: () => table });
    const read = await new Api(source).table("a/b", "layers", { columns: ["mean"], rows: ["conv1"] });
    expect([read.rows, read.columns, [...read.steps], [...read.values]]).toEqual([["conv1"], ["mean"], [3], [2]]);
    expect(source.asked).toEqual([where]);
  });

  it("reads what each channel is at each step, and refuses a condition without a word", async () => {
    const answer = (codes: readonly number[]) => () =>
      frame(
        { kind: "channels", stats: ["max"], conditions: ["alive", "dead"] },
        {
          steps: { dtype: "float64", shape: [2], values: Float64Array.of(0, 5) },
          values: floats([2, 1, 2], [1, 0, 2, 3]),
          conditions: { dtype: "uint8", shape: [2, 2], values: Uint8Array.from(codes) },
        },
      );
    const where = "channels?run=a&kind=maps&name=m";
    const read = (codes: readonly number[]) =>
      new Api(new Scripted({ [where]: answer(codes) })).channels("a", "maps", "m");
    const channels = await read([0, 1, 0, 0]);
    expect([0, 1, 2].map((channel) => conditions(channels, channel))).toEqual([
      ["alive", "alive"],
      ["dead", "alive"],
      ["unknown", "unknown"],
    ]);
    await expect(read([0, 1, 2, 0])).rejects.toThrow("no word");
  });

  it("gives the server's own sentence for what is not there", async () => {
    await expect(new Api(new Scripted({})).losses("a")).rejects.toThrow("nothing at losses?run=a");
  });

  it("serves the same from an exported page, which holds whole tables and no versions", async () => {
    const embedded = new EmbeddedSource({
      "picture?run=a&kind=maps&name=m&step=0": btoa("pic"),
      "table?run=a&table=layers": btoa("tab"),
      diagnosis: btoa("{}"),
      runs: btoa("{}"),
    });
    const text = async (where: string) => new TextDecoder().decode(await embedded.get(where));
    expect(
      await text(
        address("picture", [
          ["run", "a"],
          ["kind", "maps"],
          ["name", "m"],
          ["step", 0],
          ["v", "7"],
        ]),
      ),
    ).toBe("pic");
    expect(await text("table?run=a&table=layers&columns=mean&rows=x")).toBe("tab");
    expect(await text("diagnosis?run=a&run=b")).toBe("{}");
    await expect(embedded.get("losses?run=a")).rejects.toBeInstanceOf(RequestError);
  });
});

describe("store", () => {
  const runs = [
    run("a", 0, { steps: [0, 5, 10] }),
    run("b", 1, { pictures: [{ kind: "maps", name: "conv2", layer: "conv2", steps: [0, 7], version: "" }] }),
    run("c", 2, { title: "C" }),
  ];
  const loaded = async (texts: Record<string, string> = {}) => {
    const store = new Store(new Api(new Scripted({ runs: json({ version: 1, plugin_version: "1", runs }) })), texts);
    await store.reload();
    return store;
  };

  it("clamps what the URL says to what exists", async () => {
    const store = await loaded({ runs: "b,gone", step: "6.5", view: "maps" });
    expect(store.chosen.value.map(({ run }) => run)).toEqual(["b"]);
    expect([store.steps.value, store.step.value]).toEqual([[0, 7], 0]);
    store.open("overview");
    expect([store.steps.value, store.step.value]).toEqual([[0, 10], 0]);
  });

  it("shows the runs that are compared where the address does not say which, by name or by title", async () => {
    const chosen = async (texts: Record<string, string>) => (await loaded(texts)).chosen.value.map(({ run }) => run);
    expect(await chosen({ compare: "c,b" })).toEqual(["b", "c"]);
    expect(await chosen({ compare: "c,b", runs: "a" })).toEqual(["a"]);
    expect(await chosen({ compare: "gone,c" })).toEqual(["c"]);
    expect(await chosen({ compare: "gone" })).toEqual(["a", "b"]);
    const store = await loaded({ compare: "C,a,b" });
    expect(store.compared.value.map((one) => one?.run)).toEqual(["c", "a"]);
  });

  it("orders layers naturally where no run record does, and filters them", async () => {
    const store = await loaded({ runs: "a,b" });
    expect(store.layers.value).toEqual(["conv2", "conv10"]);
    store.update({ layerFilter: "10" });
    expect(store.layersShown.value).toEqual(["conv10"]);
    store.update({ layerFilter: "10(" });
    expect([store.layersShown.value, store.layerFilter.valid]).toEqual([["conv10"], false]);
  });

  it("keeps the last good index when a reload fails", async () => {
    let fine = true;
    const answer = () => (fine ? json({ runs })() : Promise.reject(new RequestError(500, "gone")));
    const store = new Store(new Api(new Scripted({ runs: answer })));
    await store.reload();
    fine = false;
    await store.reload();
    expect([store.index.value.status, store.index.value.message, store.runs.value.length]).toEqual([
      "failed",
      "gone",
      3,
    ]);
  });
});
