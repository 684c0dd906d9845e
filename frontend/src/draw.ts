/** From values to colours. No DOM here: the result is the words of an ImageData, row by row. */
import { ENTRIES, type Lut, rgb } from "./lut";
import { type Mosaic, sliceOrigin } from "./mosaic";
import type { Limits } from "./range";
import { decodeCode, pixelsOf, type Tiles } from "./tiles";

/** Colours that no colour map contains, for what no colour map can show. */
export const MARKS = {
  nan: rgb(255, 0, 255),
  posInf: rgb(255, 0, 0),
  negInf: rgb(43, 0, 255),
  high: rgb(255, 109, 0),
  low: rgb(0, 229, 255),
} as const;

export type Mark = keyof typeof MARKS;
export type MarkCounts = Readonly<Record<Mark, number>> & { readonly values: number };

const INK = rgb(0, 0, 0);
/** From this many screen pixels a value on, marks carry a sign as well as a colour. */
const SIGN_ZOOM = 6;

/** How values become colours. */
export interface Style {
  readonly lut: Lut;
  /** As tf.summary.image does it: v times 255.5 cut to a byte, and nothing marked. */
  readonly asSummary: boolean;
}

/** The colour of a value between limits. */
export function colourOf(value: number, { low, high }: Limits, { lut, asSummary }: Style): number {
  if (value >= low && value <= high && !asSummary)
    return lut[high > low ? entry((value - low) / (high - low)) : ENTRIES / 2]!;
  const mark = markOf(value, { low, high });
  if (asSummary && (mark === null || mark === "low" || mark === "high"))
    return lut[Math.trunc(Math.min(1, Math.max(0, value)) * 255.5)]!;
  return mark ? MARKS[mark] : lut[ENTRIES / 2]!;
}

/** The entry of a colour table that a share of the way from low to high stands for. */
function entry(share: number): number {
  return (share * (ENTRIES - 1) + 0.5) | 0;
}

/** How many values are shown by a mark, or, in the style of tf.summary.image, are cut off. */
export function countMarks(tiles: Tiles, limits: readonly Limits[]): MarkCounts {
  const counts = { nan: 0, posInf: 0, negInf: 0, high: 0, low: 0, values: tiles.values.length };
  const count = (value: number, within: Limits, times: number) => {
    const mark = markOf(value, within);
    if (mark) counts[mark] += times;
  };
  for (let tile = 0; tile < tiles.count; tile++) {
    const raw = valuesOf(tiles, tile);
    const within = limits[tile]!;
    if (raw instanceof Uint8Array) {
      const times = histogram(raw);
      for (let code = 0; code < times.length; code++) count(decode(tiles, tile, code), within, times[code]!);
    } else {
      for (const value of raw) if (!(value >= within.low && value <= within.high)) count(value, within, 1);
    }
  }
  return counts;
}

function markOf(value: number, { low, high }: Limits): Mark | null {
  if (Number.isNaN(value)) return "nan";
  if (value === Number.POSITIVE_INFINITY) return "posInf";
  if (value === Number.NEGATIVE_INFINITY) return "negInf";
  return value < low ? "low" : value > high ? "high" : null;
}

function valuesOf(tiles: Tiles, tile: number): Uint8Array | Float32Array {
  const size = pixelsOf(tiles);
  return tiles.values.subarray(tile * size, (tile + 1) * size);
}

function histogram(codes: Uint8Array): Uint32Array {
  const counts = new Uint32Array(256);
  for (let i = 0; i < codes.length; i++) counts[codes[i]!]!++;
  return counts;
}

function decode(tiles: Tiles, tile: number, code: number): number {
  return decodeCode(code, tiles.lows![tile]!, tiles.highs![tile]!);
}

/** Writes the colours of a tile's values: a look-up for codes, arithmetic for floats. */
function tileColours(colours: Uint32Array, tiles: Tiles, tile: number, limits: Limits, style: Style): void {
  const raw = valuesOf(tiles, tile);
  if (raw instanceof Uint8Array) {
    const table = new Uint32Array(256);
    for (let code = 0; code < 256; code++) table[code] = colourOf(decode(tiles, tile, code), limits, style);
    for (let i = 0; i < raw.length; i++) colours[i] = table[raw[i]!]!;
  } else {
    const { low, high } = limits;
    const span = style.asSummary ? 0 : high - low;
    for (let i = 0; i < raw.length; i++) {
      const value = raw[i]!;
      const plain = span > 0 && value >= low && value <= high;
      colours[i] = plain ? style.lut[entry((value - low) / span)]! : colourOf(value, limits, style);
    }
  }
}

/**
 * Draws a mosaic.
 *
 * @param order the tiles to draw, in the order in which they stand.
 * @param target words of the picture, mosaic.width a row; gaps stay as they are.
 */
export function drawTiles(
  target: Uint32Array,
  mosaic: Mosaic,
  tiles: Tiles,
  order: readonly number[],
  limits: readonly Limits[],
  style: Style,
): void {
  const colours = new Uint32Array(pixelsOf(tiles));
  order.forEach((tile, place) => {
    tileColours(colours, tiles, tile, limits[tile]!, style);
    stampTile(target, mosaic, place, colours);
  });
}

/** Three tiles of one shape as red, green and blue: zero is mid-grey, `bound` the full colour. */
export function drawRgb(
  target: Uint32Array,
  mosaic: Mosaic,
  planes: readonly [Tiles, Tiles, Tiles],
  order: readonly number[],
  bounds: readonly number[],
): void {
  const size = pixelsOf(planes[0]);
  const colours = new Uint32Array(size);
  order.forEach((tile, place) => {
    for (let i = 0; i < size; i++) {
      const [red, green, blue] = planes.map((plane) => plane.values[tile * size + i]!) as [number, number, number];
      colours[i] = rgbColour(red, green, blue, bounds[tile]!);
    }
    stampTile(target, mosaic, place, colours);
  });
}

/** A signed colour: zero is level 128, plus and minus `bound` are 255 and 1. */
export function rgbColour(red: number, green: number, blue: number, bound: number): number {
  const sum = red + green + blue;
  if (Number.isNaN(sum)) return MARKS.nan;
  if (!Number.isFinite(sum)) return sum > 0 ? MARKS.posInf : MARKS.negInf;
  const level = (value: number) => 128 + Math.round(127 * Math.max(-1, Math.min(1, bound > 0 ? value / bound : 0)));
  return rgb(level(red), level(green), level(blue));
}

function stampTile(target: Uint32Array, mosaic: Mosaic, place: number, colours: Uint32Array): void {
  for (let slice = 0; slice < mosaic.slices; slice++) {
    const { x, y } = sliceOrigin(mosaic, place, slice);
    for (let row = 0; row < mosaic.rows; row++) {
      const from = (slice * mosaic.rows + row) * mosaic.columns;
      stampRow(target, mosaic, colours, from, (y + row * mosaic.zoomY) * mosaic.width + x);
    }
  }
}

/** Writes one row of values: its first line of screen pixels value by value, the lines below by copying. */
function stampRow(target: Uint32Array, mosaic: Mosaic, colours: Uint32Array, from: number, at: number): void {
  const { columns, zoomX, zoomY, width } = mosaic;
  // Word by word: a view of a short row takes longer to make than the row to copy.
  if (zoomX === 1) for (let column = 0; column < columns; column++) target[at + column] = colours[from + column]!;
  else
    for (let column = 0; column < columns; column++)
      target.fill(colours[from + column]!, at + column * zoomX, at + (column + 1) * zoomX);
  for (let line = 1; line < zoomY; line++) target.copyWithin(at + line * width, at, at + columns * zoomX);
  if (Math.min(zoomX, zoomY) < SIGN_ZOOM) return;
  for (let column = 0; column < columns; column++)
    stampSign(target, mosaic, colours[from + column]!, at + column * zoomX);
}

/** NaN is crossed out, infinities carry a plus or a minus, clipped values a line at the end that they exceed. */
const SIGNS: ReadonlyMap<number, (x: number, y: number, side: number) => boolean> = new Map([
  [MARKS.nan, (x, y, side) => x === y || x + y === side - 1],
  [MARKS.posInf, (x, y, side) => x === side >> 1 || y === side >> 1],
  [MARKS.negInf, (_, y, side) => y === side >> 1],
  [MARKS.high, (_, y) => y === 1],
  [MARKS.low, (_, y, side) => y === side - 2],
]);

function stampSign(target: Uint32Array, { zoomX, zoomY, width }: Mosaic, colour: number, at: number): void {
  const isInked = SIGNS.get(colour);
  if (!isInked) return;
  const side = Math.min(zoomX, zoomY);
  for (let y = 1; y < side - 1; y++) {
    for (let x = 1; x < side - 1; x++) if (isInked(x, y, side)) target[at + y * width + x] = INK;
  }
}
