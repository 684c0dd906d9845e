/** Many small pictures of one shape, as stored: what a mosaic is made of. */
import { toNpy } from "../data/npy";
import type { Filters, Maps } from "../data/picture";
import { sizeOf } from "../data/record";
import { NAN_CODE, NEG_INF_CODE, POS_INF_CODE, TOP_CODE } from "../schema.gen";

export interface Tiles {
  readonly count: number;
  /** Each tile is [slices, rows, columns]: one slice unless the space has three axes, one row if it has one. */
  readonly slices: number;
  readonly rows: number;
  readonly columns: number;
  /** [count, slices, rows, columns]; as uint8, codes between the tile's `lows` and `highs`. */
  readonly values: Uint8Array | Float32Array;
  readonly lows: Float32Array | null;
  readonly highs: Float32Array | null;
  /** What each tile is of: the number of the channel or filter in the whole layer. */
  readonly labels: readonly number[];
}

/** The number that a code stands for. */
export function decodeCode(code: number, low: number, high: number): number {
  switch (code) {
    case NAN_CODE:
      return Number.NaN;
    case POS_INF_CODE:
      return Number.POSITIVE_INFINITY;
    case NEG_INF_CODE:
      return Number.NEGATIVE_INFINITY;
    case TOP_CODE:
      return high === low ? low : high;
    default:
      return low + ((high - low) * code) / TOP_CODE;
  }
}

export function pixelsOf(tiles: Tiles): number {
  return tiles.slices * tiles.rows * tiles.columns;
}

/** One value, by its place within the tile's [slices, rows, columns]. */
export function valueAt(tiles: Tiles, tile: number, place: number): number {
  const raw = tiles.values[tile * pixelsOf(tiles) + place]!;
  return tiles.lows && tiles.highs ? decodeCode(raw, tiles.lows[tile]!, tiles.highs[tile]!) : raw;
}

/** All values of one tile as numbers. */
export function tileValues(tiles: Tiles, tile: number): Float64Array {
  const decoded = new Float64Array(pixelsOf(tiles));
  for (let place = 0; place < decoded.length; place++) decoded[place] = valueAt(tiles, tile, place);
  return decoded;
}

/** [slices, rows, columns] of a space of up to three axes. */
export function tileShape(space: readonly number[]): readonly [number, number, number] {
  const [slices, rows, columns] = [...Array(Math.max(0, 3 - space.length)).fill(1), ...space] as number[];
  return [slices!, rows!, columns!];
}

/** One stored image of a layer's maps: a tile a channel. `image` counts the stored images from 0. */
export function mapTiles(maps: Maps, image: number): Tiles {
  const [, count, ...space] = maps.pixels.shape as [number, number, ...number[]];
  const [slices, rows, columns] = tileShape(space);
  const size = count * sizeOf(space);
  const values = maps.pixels.values.subarray(image * size, (image + 1) * size) as Uint8Array | Float32Array;
  const stored = (name: string) =>
    Float32Array.from(maps.channels, (channel) => maps.stats.get(name)?.[channel] ?? Number.NaN);
  const coded = values instanceof Uint8Array;
  return {
    count,
    slices,
    rows,
    columns,
    values,
    lows: coded ? stored("low") : null,
    highs: coded ? stored("high") : null,
    labels: maps.channels,
  };
}

/** One input of every filter of a small kernel. */
export function inputTiles(filters: Filters, input: number): Tiles | null {
  if (!filters.values) return null;
  const [count, inputs, ...space] = filters.values.shape as [number, number, ...number[]];
  const [slices, rows, columns] = tileShape(space);
  const size = slices * rows * columns;
  const all = filters.values.values as Float32Array;
  const values = new Float32Array(count * size);
  for (let tile = 0; tile < count; tile++) {
    const from = (tile * inputs + input) * size;
    values.set(all.subarray(from, from + size), tile * size);
  }
  return { count, slices, rows, columns, values, lows: null, highs: null, labels: filters.filters };
}

/** Value minus value, as float32. Both must have one shape and the same labels; null where they have not. */
export function difference(after: Tiles, before: Tiles): Tiles | null {
  const alike = (["count", "slices", "rows", "columns"] as const).every((key) => after[key] === before[key]);
  if (!alike || after.labels.some((label, i) => label !== before.labels[i])) return null;
  const size = pixelsOf(after);
  const values = new Float32Array(after.count * size);
  for (let tile = 0; tile < after.count; tile++) {
    for (let place = 0; place < size; place++)
      values[tile * size + place] = valueAt(after, tile, place) - valueAt(before, tile, place);
  }
  return { ...after, values, lows: null, highs: null };
}

/** All tiles of a mosaic as numbers: [tiles, rows, columns], or [tiles, slices, rows, columns] of a volume. */
export function tilesToNpy(tiles: Tiles): Uint8Array<ArrayBuffer> {
  const { count, slices, rows, columns } = tiles;
  const values = new Float32Array(count * pixelsOf(tiles));
  for (let tile = 0; tile < count; tile++) values.set(tileValues(tiles, tile), tile * pixelsOf(tiles));
  return toNpy(values, slices > 1 ? [count, slices, rows, columns] : [count, rows, columns]);
}
