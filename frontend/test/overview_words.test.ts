import { beforeEach, describe, expect, it, vi } from "vitest";
import { share, wordings } from "../src/model/number_format";
import type { Run } from "../src/types.gen";
import { costSentence } from "../src/views/overview/cost";
import { usualWords } from "../src/views/overview/ScaleBar";
import { choiceLabel, holder, scalarChoices } from "../src/views/overview/scalars";

const run = (name: string) => ({ run: name }) as Run;

describe("costSentence", () => {
  const progress = (numbers: Record<string, number>) => ({
    rows: ["run"],
    columns: Object.keys(numbers),
    steps: Float64Array.from([5]),
    values: Float32Array.from(Object.values(numbers)),
  });

  it("says time and bytes a logged step and the share of the time", () => {
    const words = costSentence(
      progress({
        logged_steps: 10,
        log_seconds: 0.031,
        train_seconds: 10,
        logged_bytes: 2_100_000,
        dropped_records: 0,
        stretch: 1,
      }),
    );
    expect(words).toBe("3.1 ms, 210 KB a step, 0.3 % of the time");
  });

  it("says what was dropped and how far the interval was stretched", () => {
    const words = costSentence(
      progress({
        logged_steps: 1,
        log_seconds: 1,
        train_seconds: Number.NaN,
        logged_bytes: 10,
        dropped_records: 3,
        stretch: 2.5,
      }),
    );
    expect(words).toBe("1 s, 10 B a step, 3 records dropped, interval stretched 2.5 times to keep to its budget");
  });

  it("says nothing where nothing was measured", () => {
    expect(costSentence(progress({ logged_steps: 0 }))).toBeUndefined();
    expect(
      costSentence({ rows: [], columns: [], steps: new Float64Array(), values: new Float32Array() }),
    ).toBeUndefined();
  });
});

it("words a number by its unit", () => {
  const { step, flag, count } = wordings;
  expect([step(1200), count(3), flag(1), flag(0), flag(Number.NaN)]).toEqual(["1,200", "3", "yes", "no", "–"]);
});

it("words a usual range that may be open", () => {
  expect([
    usualWords([0.01, null], share),
    usualWords([null, 0.6], share),
    usualWords([0.1, 0.2], share),
    usualWords([0, 0], share),
  ]).toEqual(["usual: from 1 %", "usual: up to 60 %", "usual: 10 % to 20 %", "usual: 0"]);
});

describe("scalars beside the loss", () => {
  const names = [
    { run: run("asked/featuremaps"), names: { "asked/train": ["epoch_loss"], asked: ["note"] } },
    { run: run("mended/featuremaps"), names: { "mended/train": ["epoch_loss", "lr"] } },
  ];

  it("are one choice for all runs", () => {
    expect(scalarChoices(names).map(choiceLabel)).toEqual(["train: epoch_loss", "note", "train: lr"]);
  });

  it("are found beside each run", () => {
    const [train, own] = scalarChoices(names);
    expect(holder(run("mended/featuremaps"), train!)).toBe("mended/train");
    expect(holder(run("mended/featuremaps"), own!)).toBe("mended");
    expect(holder(run("featuremaps"), { sibling: "train", tag: "x" })).toBe("train");
    expect(holder(run("featuremaps"), { sibling: "", tag: "x" })).toBe(".");
  });
});

describe("what is put aside", () => {
  beforeEach(() => vi.resetModules());

  it("is kept in the browser and can be shown again", async () => {
    const store = new Map<string, string>();
    vi.stubGlobal("localStorage", {
      getItem: (key: string) => store.get(key) ?? null,
      setItem: (key: string, text: string) => store.set(key, text),
    });
    const first = await import("../src/views/overview/dismissed");
    first.dismiss('["a","dead_units","conv1"]');
    first.dismiss('["b","dead_units","conv1"]');
    vi.resetModules();
    const again = await import("../src/views/overview/dismissed");
    again.restore("a");
    expect([...again.dismissed.value]).toEqual(['["b","dead_units","conv1"]']);
  });

  it.each(["not JSON", '{"a":1}', '[1, "x", "[not JSON"]'])("survives a damaged store: %s", async (stored) => {
    vi.stubGlobal("localStorage", { getItem: () => stored, setItem: () => undefined });
    const { dismissed, restore } = await import("../src/views/overview/dismissed");
    restore("a");
    expect(dismissed.value.size).toBe(0);
  });

  it("lasts as long as the page where storage is forbidden", async () => {
    const forbidden = () => {
      throw new Error("forbidden");
    };
    vi.stubGlobal("localStorage", { getItem: forbidden, setItem: forbidden });
    const { dismissed, dismiss } = await import("../src/views/overview/dismissed");
    dismiss('["a","b","c"]');
    expect(dismissed.value.size).toBe(1);
  });
});
