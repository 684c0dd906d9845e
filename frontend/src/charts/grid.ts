/** The heat map as numbers and pixels: a row a layer from input to output, a column a kept step. */

import { ENTRIES, type Lut } from "../draw/lut";
import { layerOf } from "../model/reports";
import type { Statistic } from "../model/statistics";
import { type NumberTable, reader, updateRatio } from "../model/table";
import type { Finding, Run } from "../types";
import { type Bounds, fit, position, type Scale } from "./scale";
import { indexAt } from "./series";

export interface GridRow {
  readonly layer: string;
  /** Row of the table that the numbers come from: the layer itself or its kernel. */
  readonly source: string;
}

export interface Grid {
  readonly rows: readonly GridRow[];
  readonly steps: Float64Array;
  /** [rows, steps]; NaN where not known. */
  readonly values: Float32Array;
}

/** Reads one statistic of all layers; layers that have none of it at any step are left out. */
export function toGrid(run: Run, table: NumberTable, statistic: Statistic): Grid {
  const width = table.steps.length;
  const all = sources(run, table, statistic).map((row) => ({ row, values: readRow(table, row.source, statistic) }));
  const known = all.filter(({ values }) => values.some((value) => !Number.isNaN(value)));
  const values = new Float32Array(known.length * width);
  known.forEach((one, index) => {
    values.set(one.values, index * width);
  });
  return { rows: known.map(({ row }) => row), steps: table.steps, values };
}

/** What a row is called: rows that describe the probe itself begin with an @. */
export function rowName(row: string): string {
  return row.replace(/^@inputs$/, "input").replace(/^@targets$/, "targets");
}

export function gridValue(grid: Grid, row: number, time: number): number {
  return grid.values[row * grid.steps.length + time] ?? Number.NaN;
}

/** The last number known at a step or before it; NaN where there is none. */
export function latestValue(grid: Grid, row: number, step: number): number {
  let time = indexAt(grid.steps, step);
  while (time > 0 && Number.isNaN(gridValue(grid, row, time))) time--;
  return time < 0 ? Number.NaN : gridValue(grid, row, time);
}

/** The cell at a place given as shares of width and height. */
export function cellAt(grid: Grid, x: number, y: number): { row: number; time: number } {
  return {
    row: clamp(Math.floor(y * grid.rows.length), grid.rows.length),
    time: clamp(Math.floor(x * grid.steps.length), grid.steps.length),
  };
}

export interface MarkedCells {
  readonly row: number;
  /** First and last column. */
  readonly from: number;
  readonly to: number;
  readonly finding: Finding;
}

/** The cells that findings are about; where several are about one row, the first of them, which is the worst. */
export function markedCells(run: Run, grid: Grid, findings: readonly Finding[]): MarkedCells[] {
  const marked = new Map<number, MarkedCells>();
  for (const finding of findings) {
    const layer = layerOf(run, finding);
    const row = grid.rows.findIndex((one) => one.layer === layer);
    if (row < 0 || marked.has(row)) continue;
    const from = indexAt(grid.steps, finding.first_step);
    marked.set(row, { row, from, to: Math.max(from, indexAt(grid.steps, finding.last_step)), finding });
  }
  return [...marked.values()];
}

/** One colour scale for all grids together, on which the ends of the usual range lie. */
export function gridScale(grids: readonly Grid[], statistic: Statistic, usual: Bounds = [null, null]): Scale {
  if (statistic.ends) return { log: false, low: statistic.ends[0], high: statistic.ends[1] };
  return fit(
    [...grids.flatMap(({ values }) => Array.from(values)), ...usual.map((bound) => bound ?? Number.NaN)],
    statistic.log,
  );
}

/** RGBA, a pixel a cell; transparent where the value is not known. */
export function paint(grid: Grid, scale: Scale, colours: Lut): Uint8ClampedArray<ArrayBuffer> {
  const pixels = new Uint32Array(grid.values.length);
  grid.values.forEach((value, index) => {
    const place = position(scale, value);
    if (!Number.isNaN(place)) pixels[index] = colours[Math.round(place * (ENTRIES - 1))] as number;
  });
  return new Uint8ClampedArray(pixels.buffer);
}

function clamp(index: number, length: number): number {
  return Math.min(length - 1, Math.max(0, index));
}

/** Layers in order of depth; where the run says nothing of its layers, the rows of the table as they stand. */
function sources(run: Run, table: NumberTable, statistic: Statistic): GridRow[] {
  const layers = run.record?.layers ?? [];
  if (statistic.table === "layers" || layers.length === 0)
    return table.rows.map((name) => ({ layer: name, source: name }));
  return layers.flatMap(({ name, weights }) => {
    const kernel = largest(weights, run.record?.variable_shapes ?? {});
    return kernel === undefined ? [] : [{ layer: name, source: kernel }];
  });
}

/** Of a layer's variables the one with the most entries: its kernel. */
export function largest(
  names: readonly string[],
  shapes: Readonly<Record<string, readonly number[]>>,
): string | undefined {
  const entries = (name: string) => (shapes[name] ?? []).reduce((product, length) => product * length, 1);
  return [...names].sort((a, b) => entries(b) - entries(a))[0];
}

function readRow(table: NumberTable, row: string, statistic: Statistic): Float32Array {
  if (statistic.id === "update_ratio") return updateRatio(table, row);
  const readers = new Map(statistic.columns.map((name) => [name, reader(table, row, name)]));
  const read = (time: number) => (name: string) => readers.get(name)?.(time) ?? Number.NaN;
  const combine = statistic.read ?? ((one) => one(statistic.columns[0] as string));
  return Float32Array.from(table.steps, (_, time) => combine(read(time)));
}
