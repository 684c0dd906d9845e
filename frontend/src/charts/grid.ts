/** The heat map as numbers and pixels: a row a layer from input to output, a column a kept step. */

import { ENTRIES, type Lut } from "../draw/lut";
import { kernelOf } from "../model/network";
import { statisticSeries } from "../model/statistics";
import type { NumberTable } from "../model/table";
import type { Statistic } from "../schema.gen";
import type { Finding, Run } from "../types.gen";
import { fit, position, type Scale } from "./scale";
import { indexAt } from "./series";

interface GridRow {
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
  const all = sources(run, table, statistic).map((row) => ({
    row,
    values: statisticSeries(table, row.source, statistic),
  }));
  const known = all.filter(({ values }) => values.some((value) => !Number.isNaN(value)));
  const values = new Float32Array(known.length * width);
  known.forEach((one, index) => {
    values.set(one.values, index * width);
  });
  return { rows: known.map(({ row }) => row), steps: table.steps, values };
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
export function markedCells(grid: Grid, findings: readonly Finding[]): MarkedCells[] {
  const marked = new Map<number, MarkedCells>();
  for (const finding of findings) {
    const row = grid.rows.findIndex((one) => one.layer === finding.layer);
    if (row < 0 || marked.has(row)) continue;
    const from = indexAt(grid.steps, finding.first_step);
    marked.set(row, { row, from, to: Math.max(from, indexAt(grid.steps, finding.last_step)), finding });
  }
  return [...marked.values()];
}

/** One colour scale for all grids together, on which the ends of the usual range lie. */
export function gridScale(grids: readonly Grid[], { ends, log, usual }: Statistic): Scale {
  if (ends) return { log: false, low: ends[0], high: ends[1] };
  const bounds = (usual ?? []).map((bound) => bound ?? Number.NaN);
  return fit([...grids.flatMap(({ values }) => Array.from(values)), ...bounds], log);
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
  return layers.flatMap(({ name }) => {
    const kernel = kernelOf(run, name);
    return kernel === null ? [] : [{ layer: name, source: kernel }];
  });
}
