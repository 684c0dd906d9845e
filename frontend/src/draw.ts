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
export function colourOf(value: number, { low, high }: Limits, style: Style): number {
  if (Number.isNaN(value)) return MARKS.nan;
  if (value === Number.POSITIVE_INFINITY) return MARKS.posInf;
  if (value === Number.NEGATIVE_INFINITY) return MARKS.negInf;
  if (style.asSummary) return style.lut[Math.trunc(Math.min(1, Math.max(0, value)) * 255.5)]!;
  if (value < low) return MARKS.low;
  if (value > high) return MARKS.high;
  return style.lut[high > low ? Math.round(((value - low) / (high - low)) * (ENTRIES - 1)) : ENTRIES / 2]!;
}

/** How many values are shown by a mark, or, in the style of tf.summary.image, are cut off. */
export function countMarks(tiles: Tiles, limits: readonly Limits[]): MarkCounts {
  const counts = { nan: 0, posInf: 0, negInf: 0, high: 0, low: 0, values: tiles.values.length };
  forEachValue(tiles, (value, tile) => {
    const mark = markOf(value, limits[tile]!);
    if (mark) counts[mark]++;
  });
  return counts;
}

function markOf(value: number, { low, high }: Limits): Mark | null {
  if (Number.isNaN(value)) return "nan";
  if (value === Number.POSITIVE_INFINITY) return "posInf";
  if (value === Number.NEGATIVE_INFINITY) return "negInf";
  return value < low ? "low" : value > high ? "high" : null;
}

function forEachValue(tiles: Tiles, visit: (value: number, tile: number) => void): void {
  const size = pixelsOf(tiles);
  for (let tile = 0; tile < tiles.count; tile++) {
    const decoded = tiles.values instanceof Uint8Array ? codeTable(tiles, tile, (value) => value) : null;
    for (let at = tile * size; at < (tile + 1) * size; at++)
      visit(decoded ? decoded[tiles.values[at]!]! : tiles.values[at]!, tile);
  }
}

/** What each of the 256 codes of a tile stands for. */
function codeTable(tiles: Tiles, tile: number, map: (value: number) => number): number[] {
  const [low, high] = [tiles.lows![tile]!, tiles.highs![tile]!];
  return Array.from({ length: 256 }, (_, code) => map(decodeCode(code, low, high)));
}

/** The colours of a tile's values: a look-up for codes, arithmetic for floats. */
function tileColours(tiles: Tiles, tile: number, limits: Limits, style: Style): Uint32Array {
  const size = pixelsOf(tiles);
  const raw = tiles.values.subarray(tile * size, (tile + 1) * size);
  const colours = new Uint32Array(size);
  if (raw instanceof Uint8Array) {
    const table = Uint32Array.from(codeTable(tiles, tile, (value) => colourOf(value, limits, style)));
    for (let i = 0; i < size; i++) colours[i] = table[raw[i]!]!;
  } else {
    for (let i = 0; i < size; i++) colours[i] = colourOf(raw[i]!, limits, style);
  }
  return colours;
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
  order.forEach((tile, place) => {
    stampTile(target, mosaic, place, tileColours(tiles, tile, limits[tile]!, style));
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
  if (zoomX === 1) target.set(colours.subarray(from, from + columns), at);
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
