import { describe, expect, it } from "vitest";
import type { NumberTable } from "../src/model/table";
import type { Run, RunDiagnosis } from "../src/types.gen";
import {
  networkOrder,
  rowAt,
  type SortKey,
  sharedPrefix,
  sorted,
  TABLE_COLUMNS,
  type VariableRow,
  variableSeries,
} from "../src/views/weights/rows";
import { readSorting, sortBy, writeSorting } from "../src/views/weights/sorting";
import { rowAfterKey, scrollTo, windowOf } from "../src/views/weights/window";

const layers = [
  { name: "conv2", weights: ["conv2/kernel"], state: ["conv2/moving_mean"] },
  { name: "conv10", weights: ["conv10/kernel"], state: [] },
];
const run = { run: "a", title: "a", pictures: [], record: { layers } } as unknown as Run;
const NAN = Number.NaN;

/** size, trainable, gap, update_norm, update_ratio, cosine, radial, displacement, initial_norm */
const numbers: Readonly<Record<string, readonly (readonly number[])[]>> = {
  "conv10/kernel": [
    [9, 1, NAN, NAN, NAN, NAN, NAN, 0, 2, 0],
    [9, 1, 1, 0.5, 0.1, 0.4, -0.5, 1, 2, 0],
  ],
  "conv2/kernel": [
    [4, 1, NAN, NAN, NAN, NAN, NAN, 0, 0, 0],
    [4, 1, 1, 0.5, 0.2, -0.4, 0.5, 1, 0, 0],
  ],
  extra: [
    [1, 1, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
    [1, 1, NAN, NAN, NAN, NAN, NAN, NAN, NAN, NAN],
  ],
};

const names = Object.keys(numbers);
const table = {
  rows: names,
  columns: TABLE_COLUMNS,
  steps: Float64Array.from([0, 1]),
  values: Float32Array.from([0, 1].flatMap((time) => names.flatMap((name) => numbers[name]?.[time] ?? []))),
};
const diagnosis = {
  run: "a",
  verdicts: [{ variable: "conv2/kernel", verdict: "slow", evidence: {} }],
} as unknown as RunDiagnosis;

function rowsAt(step: number | null): VariableRow[] {
  return variableSeries(run, names, () => table, diagnosis).map((series) => rowAt(series, step, null));
}

const seriesOf = (numbers: NumberTable) => variableSeries(run, numbers.rows, () => numbers, undefined);
const order = (rows: readonly VariableRow[]) => rows.map(({ series }) => series.variable);

describe("rows", () => {
  it("are there before their numbers are, and stand in the same order", () => {
    const nothing = { rows: [], columns: [], steps: new Float64Array(), values: new Float32Array() };
    const all = variableSeries(run, names, () => nothing, diagnosis).map((series) => rowAt(series, 1, null));
    expect(order(all)).toEqual(order(rowsAt(1)));
    expect(all.map(({ series }) => series.verdict)).toEqual(rowsAt(1).map(({ series }) => series.verdict));
    expect(all.flatMap((row) => [row.ratioNow, row.movedNow, row.noiseNow, row.learningRate])).toEqual(
      Array(4 * names.length).fill(NAN),
    );
  });

  it("stand in the order of the network, the rest by natural order", () => {
    expect(networkOrder(run, ["z10", "z9", "conv10/kernel", "conv2/moving_mean", "conv2/kernel"])).toEqual([
      "conv2/kernel",
      "conv2/moving_mean",
      "conv10/kernel",
      "z9",
      "z10",
    ]);
  });

  it("carry the numbers at the step", () => {
    const [, row] = rowsAt(1);
    expect(row).toMatchObject({
      ratioNow: Math.fround(0.1),
      movedNow: 0.5,
      shrinkingNow: 0.25,
      gapNow: 1,
      learningRate: NAN,
    });
    expect(row?.noiseNow).toBeCloseTo(0.25, 6);
    expect(row?.series).toMatchObject({ layer: "conv10", size: 9, verdict: "moving_statistic" });
  });

  it("have no verdict until there is one", () => {
    expect(variableSeries(run, names, () => table, undefined).map(({ verdict }) => verdict)).toEqual([
      "unknown",
      "unknown",
      "unknown",
    ]);
  });

  it("leave out what all names begin with, up to a slash", () => {
    expect(sharedPrefix(["net/conv1/kernel", "net/conv1/bias"])).toBe("net/".length);
    expect(sharedPrefix(["net/conv1/kernel", "net/conv2/kernel"])).toBe("net/".length);
    expect(sharedPrefix(["net/a", "network/a"])).toBe(0);
    expect(sharedPrefix(["conv1/kernel", "conv1/bias"])).toBe(0);
    expect(sharedPrefix(["kernel", "kernel2"])).toBe(0);
    expect(sharedPrefix([])).toBe(0);
  });

  it("do not know an update at the first step, and count growing as no shrinking", () => {
    expect(rowsAt(0).map(({ ratioNow }) => ratioNow)).toEqual([NAN, NAN, NAN]);
    expect(rowsAt(1)[0]?.shrinkingNow).toBe(0);
    expect(rowsAt(1)[0]?.movedNow).toBe(Number.POSITIVE_INFINITY);
    expect(rowsAt(null)[0]?.movedNow).toBeNaN();
  });

  it("show the last update that is over as few steps as the others", () => {
    const steps = Float64Array.from([0, 1, 9]);
    const cells = (gap: number, ratio: number) => [9, 1, gap, ratio * 2, ratio, 0.5, -0.5, 1, 2, 0];
    const values = Float32Array.from([...cells(NAN, NAN), ...cells(1, 0.25), ...cells(8, 2)]);
    const [series] = seriesOf({ rows: ["extra"], columns: TABLE_COLUMNS, steps, values });
    expect([...series!.ratio]).toEqual([NAN, 0.25, NAN]);
    expect(rowAt(series!, 9, null)).toMatchObject({ ratioNow: 0.25, gapNow: 1 });
    const whole = Float32Array.from([...cells(NAN, NAN), ...cells(8, 0.25), ...cells(8, 2)]);
    const [grouped] = seriesOf({ rows: ["extra"], columns: TABLE_COLUMNS, steps, values: whole });
    expect(rowAt(grouped!, 9, null)).toMatchObject({ ratioNow: 2, gapNow: 8 });
  });

  it("take the learning rate of the step", () => {
    const rates = {
      rows: ["run"],
      columns: ["learning_rate"],
      steps: Float64Array.from([0, 1]),
      values: Float32Array.from([0.5, 0.25]),
    };
    const [series] = seriesOf(table);
    expect([0, 1, 99].map((step) => rowAt(series!, step, rates).learningRate)).toEqual([0.5, 0.25, 0.25]);
  });
});

describe("sorting", () => {
  const by = (key: SortKey, descending: boolean) => order(sorted(rowsAt(1), { key, descending }));

  it("keeps what is not known last in either direction", () => {
    expect(by("ratio", true)).toEqual(["conv2/kernel", "conv10/kernel", "extra"]);
    expect(by("ratio", false)).toEqual(["conv10/kernel", "conv2/kernel", "extra"]);
  });

  it("knows every verdict, from the most alarming on", () => {
    const words = ["frozen", "changing", "unknown", "decaying", "slow", "thrashing", "too_fast", "lost_to_rounding"];
    const [row] = rowsAt(1);
    const rows = [...words, "moving_statistic", "unchanged"].map((verdict) => ({
      ...row!,
      series: { ...row!.series, verdict },
    }));
    expect(sorted(rows, { key: "verdict", descending: false }).map(({ series }) => series.verdict)).toEqual([
      "unchanged",
      ...[...words.slice(1)].reverse(),
      "frozen",
      "moving_statistic",
    ]);
  });

  it("puts the most alarming verdict first", () => {
    expect(by("verdict", false)).toEqual(["conv2/kernel", "conv10/kernel", "extra"]);
  });

  it("goes through the network from either end", () => {
    expect(by("variable", true)).toEqual(["extra", "conv10/kernel", "conv2/kernel"]);
  });

  it("stands in the URL", () => {
    for (const text of ["", "-variable", "ratio", "-cosine"]) expect(writeSorting(readSorting(text))).toBe(text);
    expect(readSorting("-nonsense")).toEqual({ key: "variable", descending: false });
    expect(sortBy("ratio", readSorting(""))).toEqual({ key: "ratio", descending: true });
    expect(sortBy("ratio", { key: "ratio", descending: true })).toEqual({ key: "ratio", descending: false });
  });
});

describe("the window of rows", () => {
  it("holds what is in sight and no more than that and some", () => {
    const { start, stop } = windowOf(1000, 26 * 500, 600);
    expect(start).toBeLessThanOrEqual(500);
    expect(stop).toBeGreaterThanOrEqual(500 + 600 / 26);
    expect(stop - start).toBeLessThan(50);
    expect(windowOf(3, 0, 600)).toEqual({ start: 0, stop: 3 });
    expect(windowOf(0, 0, 600)).toEqual({ start: 0, stop: 0 });
  });

  it("survives a table that has shrunk below what was scrolled", () => {
    expect(windowOf(5, 9999, 600)).toEqual({ start: 4, stop: 5 });
  });

  it("scrolls no further than needed", () => {
    expect(scrollTo(0, 300, 200, 40)).toBe(0);
    expect(scrollTo(2, 0, 200, 40)).toBe(0);
    expect(scrollTo(20, 0, 200, 40)).toBe(26 * 21 + 40 - 200);
  });

  it("moves by keys within the table", () => {
    expect(["ArrowDown", "ArrowUp", "Home", "End", "PageDown", "x"].map((key) => rowAfterKey(key, 5, 8))).toEqual([
      6,
      4,
      0,
      7,
      7,
      undefined,
    ]);
    expect(rowAfterKey("End", 0, 0)).toBeUndefined();
  });
});
