/** From values to colours. No DOM here: the result is the words of an ImageData, row by row. */

import type { Limits } from "../model/range";
import { decodeCode, pixelsOf, type Tiles, valueAt } from "../model/tiles";
import { ENTRIES, type Lut, rgb } from "./lut";
import { MARKS, markOf } from "./marks";
import { type Mosaic, sliceOrigin } from "./mosaic";

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

/** Writes the colour of every code of a tile. */
function codeColours(table: Uint32Array, tiles: Tiles, tile: number, limits: Limits, style: Style): void {
  const [low, high] = [tiles.lows![tile]!, tiles.highs![tile]!];
  for (let code = 0; code < table.length; code++) table[code] = colourOf(decodeCode(code, low, high), limits, style);
}

/** Writes the colours of values that are stored as they are. */
function floatColours(colours: Uint32Array, values: Float32Array, limits: Limits, style: Style): void {
  const { low, high } = limits;
  const span = style.asSummary ? 0 : high - low;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    const plain = span > 0 && value >= low && value <= high;
    colours[i] = plain ? style.lut[entry((value - low) / span)]! : colourOf(value, limits, style);
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
  const size = pixelsOf(tiles);
  const colours = new Uint32Array(size);
  const table = new Uint32Array(256);
  order.forEach((tile, place) => {
    const raw = tiles.values.subarray(tile * size, (tile + 1) * size);
    if (raw instanceof Uint8Array) {
      codeColours(table, tiles, tile, limits[tile]!, style);
      stampTile(target, mosaic, place, raw, table);
    } else {
      floatColours(colours, raw, limits[tile]!, style);
      stampTile(target, mosaic, place, colours, null);
    }
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
    stampTile(target, mosaic, place, colours, null);
  });
}

/** Draws three tiles, as a probe input of three channels has, as red, green and blue between common limits; what is not finite is black. */
export function drawColours(target: Uint32Array, mosaic: Mosaic, tiles: Tiles, { low, high }: Limits): void {
  const level = (value: number) =>
    Number.isFinite(value) ? Math.round(255 * Math.min(1, Math.max(0, (value - low) / (high - low)))) : 0;
  const { x, y } = sliceOrigin(mosaic, 0, 0);
  for (let place = 0; place < pixelsOf(tiles); place++) {
    const colour = rgb(
      level(valueAt(tiles, 0, place)),
      level(valueAt(tiles, 1, place)),
      level(valueAt(tiles, 2, place)),
    );
    const left = x + (place % tiles.columns) * mosaic.zoomX;
    const top = y + Math.floor(place / tiles.columns) * mosaic.zoomY;
    for (let line = top; line < top + mosaic.zoomY; line++)
      target.fill(colour, line * mosaic.width + left, line * mosaic.width + left + mosaic.zoomX);
  }
}

/** A signed colour: zero is level 128, plus and minus `bound` are 255 and 1. */
function rgbColour(red: number, green: number, blue: number, bound: number): number {
  const sum = red + green + blue;
  if (Number.isNaN(sum)) return MARKS.nan;
  if (!Number.isFinite(sum)) return sum > 0 ? MARKS.posInf : MARKS.negInf;
  const level = (value: number) => 128 + Math.round(127 * Math.max(-1, Math.min(1, bound > 0 ? value / bound : 0)));
  return rgb(level(red), level(green), level(blue));
}

/** Writes one tile: of codes and their colours, or, without a table, of colours. */
function stampTile(
  target: Uint32Array,
  mosaic: Mosaic,
  place: number,
  values: Uint8Array | Uint32Array,
  table: Uint32Array | null,
): void {
  for (let slice = 0; slice < mosaic.slices; slice++) {
    const { x, y } = sliceOrigin(mosaic, place, slice);
    for (let row = 0; row < mosaic.rows; row++) {
      const from = (slice * mosaic.rows + row) * mosaic.columns;
      const at = (y + row * mosaic.zoomY) * mosaic.width + x;
      if (table) stampCodes(target, mosaic, values, table, from, at);
      else stampColours(target, mosaic, values, from, at);
      repeatLine(target, mosaic, at);
    }
  }
}

// Word by word: a view of a short row, or a call that fills a few words, takes longer to make than the words to write.
function stampCodes(
  target: Uint32Array,
  { columns, zoomX }: Mosaic,
  codes: Uint8Array | Uint32Array,
  table: Uint32Array,
  from: number,
  at: number,
): void {
  if (zoomX === 1) for (let column = 0; column < columns; column++) target[at + column] = table[codes[from + column]!]!;
  else
    for (let column = 0; column < columns; column++)
      widen(target, table[codes[from + column]!]!, at + column * zoomX, zoomX);
}

function stampColours(
  target: Uint32Array,
  { columns, zoomX }: Mosaic,
  colours: Uint8Array | Uint32Array,
  from: number,
  at: number,
): void {
  if (zoomX === 1) for (let column = 0; column < columns; column++) target[at + column] = colours[from + column]!;
  else
    for (let column = 0; column < columns; column++) widen(target, colours[from + column]!, at + column * zoomX, zoomX);
}

function widen(target: Uint32Array, colour: number, at: number, zoom: number): void {
  for (let i = 0; i < zoom; i++) target[at + i] = colour;
}

/** The first line of screen pixels of a row of values is there: copies it to the lines below, and puts signs on marks. */
function repeatLine(target: Uint32Array, mosaic: Mosaic, at: number): void {
  const { columns, zoomX, zoomY, width } = mosaic;
  for (let line = 1; line < zoomY; line++) target.copyWithin(at + line * width, at, at + columns * zoomX);
  if (Math.min(zoomX, zoomY) < SIGN_ZOOM) return;
  for (let column = 0; column < columns; column++)
    stampSign(target, mosaic, target[at + column * zoomX]!, at + column * zoomX);
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
