/** What can be shown of a kernel, as tiles: its inputs one by one, all three of them as colour, or one picture of norms. */
import type { Filters } from "../data/picture";
import { type NdArray, sizeOf } from "../data/record";
import { inputTiles, type Tiles, tileShape } from "./tiles";

/** "rgb", "inputs" (a row an input), "matrix" (in by out), "largest" (of each filter the input with the largest norm), or an input's number. */
export type Shown = string;

const LONGEST_SIDE = 1024;

/** All that can be shown of a kernel; the first is what suits it. */
export function choices(filters: Filters): readonly Shown[] {
  const [, inputs = 1, ...space] = filters.shape;
  if (!filters.values) return filters.slices ? ["matrix", "largest"] : ["matrix"];
  const single = Array.from({ length: inputs }, (_, input) => String(input));
  if (space.length === 0) return ["matrix"];
  if (inputs === 1) return single;
  const rest = ["matrix", "largest", ...single];
  if (space.length === 1) return ["inputs", ...rest];
  return inputs === 3 && space.length === 2 ? ["rgb", ...rest] : rest;
}

export function shownOf(filters: Filters, wanted: Shown): Shown {
  const possible = choices(filters);
  return possible.includes(wanted) ? wanted : possible[0]!;
}

/** The tiles of one choice but "rgb". */
export function kernelTiles(filters: Filters, shown: Shown): Tiles | null {
  switch (shown) {
    case "matrix":
      return matrixTile(filters);
    case "inputs":
      return rowTiles(filters);
    case "largest":
      return largestTiles(filters);
    default:
      return inputTiles(filters, Number(shown));
  }
}

/** Root of the sum of squares of a whole kernel, as far as its filters are known. */
export function kernelNorm(filters: Filters): number {
  return Math.hypot(...(filters.stats.get("norm") ?? []));
}

/** Value minus value of two small kernels of one shape; null for others. */
export function kernelDifference(after: Filters, before: Filters): Filters | null {
  if (!after.values || !before.values || String(after.values.shape) !== String(before.values.shape)) return null;
  const base = before.values.values;
  const values = Float32Array.from(after.values.values, (value, i) => value - base[i]!);
  return { ...after, values: { ...after.values, values } };
}

/** One picture of in by out. Dense kernels keep their sign, others show norms over space. */
function matrixTile(filters: Filters): Tiles {
  const picture = filters.values
    ? filters.values.shape.length === 2
      ? filters.values
      : normsOf(filters.values)
    : filters.norms!;
  return normsTile(picture, filters.filters);
}

/** Whether a picture of [filters, inputs] has its filters across; the longer side lies down where it is much longer. */
export function filtersAcross([filters = 1, inputs = 1]: readonly number[]): boolean {
  return inputs <= 2 * filters;
}

export function normsTile({ shape, values }: NdArray, labels: readonly number[]): Tiles {
  const [filters, inputs] = shape as [number, number];
  const lies = filtersAcross(shape);
  const [wide, high] = lies ? [filters, inputs] : [inputs, filters];
  const [across, down] = [Math.ceil(wide / LONGEST_SIDE), Math.ceil(high / LONGEST_SIDE)];
  const [columns, rows] = [Math.ceil(wide / across), Math.ceil(high / down)];
  const at = lies
    ? (column: number, row: number) => values[column * inputs + row]!
    : (column: number, row: number) => values[row * inputs + column]!;
  const picture = new Float32Array(rows * columns);
  for (let place = 0; place < picture.length; place++) {
    const [column, row] = [(place % columns) * across, Math.floor(place / columns) * down];
    picture[place] = blockMean(at, column, Math.min(wide, column + across), row, Math.min(high, row + down));
  }
  return { count: 1, slices: 1, rows, columns, values: picture, lows: null, highs: null, labels: [labels[0] ?? 0] };
}

function blockMean(
  at: (column: number, row: number) => number,
  left: number,
  right: number,
  top: number,
  bottom: number,
): number {
  let sum = 0;
  for (let row = top; row < bottom; row++) for (let column = left; column < right; column++) sum += at(column, row);
  return sum / ((right - left) * (bottom - top));
}

/** Root of the sum of squares over space, [filters, inputs]. */
export function normsOf(kernel: NdArray): NdArray {
  const [filters, inputs, ...space] = kernel.shape as [number, number, ...number[]];
  const size = sizeOf(space);
  const norms = new Float32Array(filters * inputs);
  for (let i = 0; i < norms.length; i++) {
    let squares = 0;
    for (let place = i * size; place < (i + 1) * size; place++) squares += kernel.values[place]! ** 2;
    norms[i] = Math.sqrt(squares);
  }
  return { shape: [filters, inputs], dtype: "float32", values: norms };
}

/** A filter over one axis of space is a picture by itself: a row an input. */
function rowTiles({ values, filters }: Filters): Tiles | null {
  if (!values) return null;
  const [count, rows, columns] = values.shape as [number, number, number];
  return {
    count,
    slices: 1,
    rows,
    columns,
    values: values.values as Float32Array,
    lows: null,
    highs: null,
    labels: filters,
  };
}

function largestTiles({ values, slices, filters }: Filters): Tiles | null {
  const source = values ?? slices;
  if (!source) return null;
  const [count, ...rest] = source.shape as [number, ...number[]];
  const space = values ? rest.slice(1) : rest;
  const [depth, rows, columns] = tileShape(space);
  const tiles = { count, slices: depth, rows, columns, lows: null, highs: null, labels: filters };
  if (!values) return { ...tiles, values: source.values as Float32Array };
  const size = sizeOf(space);
  const picked = new Float32Array(count * size);
  largestInputs(normsOf(values)).forEach((input, filter) => {
    const from = (filter * rest[0]! + input) * size;
    picked.set((values.values as Float32Array).subarray(from, from + size), filter * size);
  });
  return { ...tiles, values: picked };
}

/** Of each filter the input with the largest norm. */
export function largestInputs({ shape, values }: NdArray): readonly number[] {
  const [filters, inputs] = shape as [number, number];
  return Array.from({ length: filters }, (_, filter) => {
    let best = 0;
    for (let input = 1; input < inputs; input++)
      if (values[filter * inputs + input]! > values[filter * inputs + best]!) best = input;
    return best;
  });
}
