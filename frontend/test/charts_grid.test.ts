import { describe, expect, it } from "vitest";
import { cellAt, gridScale, gridValue, markedCells, paint, toGrid } from "../src/charts/grid";
import { rowName } from "../src/model/names";
import { columnStatistic, statistic, unitOf } from "../src/model/statistics";
import type { Finding, Run } from "../src/types.gen";

const run = {
  run: "a",
  record: {
    layers: [
      { name: "conv1", weights: ["conv1/bias", "conv1/kernel"], state: [] },
      { name: "pool", weights: [], state: [] },
      { name: "fc", weights: ["fc/kernel"], state: [] },
    ],
  },
  kernels: { conv1: "conv1/kernel", fc: "fc/kernel" },
} as unknown as Run;

const table = (rows: string[], columns: string[], values: number[]) => ({
  rows,
  columns,
  steps: Float64Array.from([0, 10]),
  values: Float32Array.from(values),
});

describe("toGrid", () => {
  it("reads a row a layer and leaves out layers that have none of it", () => {
    const layers = table(["conv1", "pool"], ["rms"], [1, Number.NaN, 2, Number.NaN]);
    const grid = toGrid(run, layers, statistic("rms"));
    expect(grid.rows).toEqual([{ layer: "conv1", source: "conv1" }]);
    expect([...grid.values]).toEqual([1, 2]);
  });

  it("takes a layer's kernel for statistics of variables, in the order of the layers", () => {
    const variables = table(
      ["fc/kernel", "conv1/kernel", "conv1/bias"],
      ["update_ratio", "gap"],
      [1, 1, 2, 1, 3, 1, 4, 1, 5, 1, 6, 1],
    );
    const grid = toGrid(run, variables, statistic("update_ratio"));
    expect(grid.rows.map(({ source }) => source)).toEqual(["conv1/kernel", "fc/kernel"]);
    expect([gridValue(grid, 0, 1), gridValue(grid, 1, 0)]).toEqual([5, 1]);
  });

  it("computes what is not logged as such", () => {
    const variables = table(["fc/kernel"], ["displacement", "initial_norm"], [1, 4, 2, 4]);
    expect([...toGrid(run, variables, statistic("moved")).values]).toEqual([0.25, 0.5]);
    const layers = table(["conv1"], ["nan", "pos_inf", "neg_inf"], [1, 2, 3, 0, 0, 0]);
    expect([...toGrid(run, layers, statistic("nonfinite")).values]).toEqual([6, 0]);
  });

  it("falls back to the rows as logged where the layers are not known", () => {
    const single = { run: "b", record: null } as unknown as Run;
    const grid = toGrid(single, table(["w1"], ["update_ratio", "gap"], [1, 1, 2, 1]), statistic("update_ratio"));
    expect(grid.rows).toEqual([{ layer: "w1", source: "w1" }]);
  });
});

describe("the picture", () => {
  const grid = toGrid(run, table(["conv1", "pool"], ["zeros"], [0, 0.5, 1, Number.NaN]), statistic("zeros"));
  const colours = Uint32Array.from({ length: 256 }, (_, i) => (0xff000000 | i) >>> 0);

  it("has a pixel a cell, transparent where nothing is known", () => {
    const pixels = new Uint32Array(paint(grid, gridScale([grid], statistic("zeros")), colours).buffer);
    expect([...pixels]).toEqual([0xff000000, 0xff0000ff, 0xff000080, 0]);
  });

  it("tells the cell from the place", () => {
    expect(cellAt(grid, 0.6, 0.1)).toEqual({ row: 0, time: 1 });
    expect(cellAt(grid, 1, 1)).toEqual({ row: 1, time: 1 });
    expect(cellAt(grid, -0.1, 0)).toEqual({ row: 0, time: 0 });
  });

  it("marks the first finding of a row from its first to its last step", () => {
    const about = (target: string, rule: string, first_step: number) =>
      ({ rule, layer: target, first_step, last_step: 99 }) as unknown as Finding;
    const marked = markedCells(grid, [
      about("conv1", "a", 4),
      about("conv1", "b", 0),
      about("gone", "c", 0),
      about("pool", "d", 10),
    ]);
    expect(marked.map(({ row, from, to, finding }) => [row, from, to, finding.rule])).toEqual([
      [0, 0, 1, "a"],
      [1, 1, 1, "d"],
    ]);
  });
});

describe("statistics", () => {
  it("are words, units and ranges of the catalogue", () => {
    expect(statistic("no such").name).toBe("input_share");
    expect(statistic("dead_units")).toMatchObject({
      title: "Units that are never active",
      unit: "share",
      ends: [0, 1],
    });
    expect(statistic("update_ratio").usual).toEqual([0.001, 0.065]);
    expect(columnStatistic("variables", "update_ratio").columns).toEqual(["update_ratio", "gap"]);
    expect(columnStatistic("variables", "gradient_mean_abs")).toMatchObject({
      title: "Gradient mean abs",
      how: "value",
    });
    const units = ["lost", "first_step", "no such"].map((column) => unitOf({ table: "variables", column }));
    expect([...units, unitOf({ table: "losses", column: "loss" })]).toEqual(["share", "step", "number", "number"]);
  });

  it("have a scale that holds the usual range", () => {
    const single = { rows: [], steps: new Float64Array(), values: Float32Array.of(0.02) };
    const { low, high } = gridScale([single], statistic("update_ratio"));
    expect([low, high]).toEqual([expect.closeTo(1e-3, 9), expect.closeTo(0.1, 9)]);
  });

  it("leave out updates over more steps than the others", () => {
    const uneven = table(["fc/kernel"], ["update_ratio", "gap"], [0.5, 1, 4, 8]);
    expect([...toGrid(run, uneven, statistic("update_ratio")).values]).toEqual([0.5, Number.NaN]);
  });
});

it("rows of the probe have words of their own", () => {
  expect(["@inputs", "@targets", "conv1"].map(rowName)).toEqual(["input", "targets", "conv1"]);
});
