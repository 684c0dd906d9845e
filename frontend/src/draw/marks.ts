/** Marks: what no colour map can show, in colours of its own, and how often it occurs. */

import type { Limits } from "../model/range";
import { decodeCode, pixelsOf, type Tiles } from "../model/tiles";
import { NAN_CODE, NEG_INF_CODE, POS_INF_CODE } from "../schema.gen";
import { rgb } from "./lut";

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

type Counts = Record<Mark, number>;

/** The mark of a value that cannot be shown between limits. */
export function markOf(value: number, { low, high }: Limits): Mark | null {
  if (Number.isNaN(value)) return "nan";
  if (value === Number.POSITIVE_INFINITY) return "posInf";
  if (value === Number.NEGATIVE_INFINITY) return "negInf";
  return value < low ? "low" : value > high ? "high" : null;
}

/** How many values are shown by a mark, or, in the style of tf.summary.image, are cut off. */
export function countMarks(tiles: Tiles, limits: readonly Limits[]): MarkCounts {
  const counts: Counts = { nan: 0, posInf: 0, negInf: 0, high: 0, low: 0 };
  const size = pixelsOf(tiles);
  for (let tile = 0; tile < tiles.count; tile++) {
    const raw = tiles.values.subarray(tile * size, (tile + 1) * size);
    if (raw instanceof Uint8Array) countCoded(counts, raw, tiles.lows![tile]!, tiles.highs![tile]!, limits[tile]!);
    else countFloats(counts, raw, limits[tile]!);
  }
  return { ...counts, values: tiles.values.length };
}

function countFloats(counts: Counts, values: Float32Array, limits: Limits): void {
  for (const value of values) {
    const mark = value >= limits.low && value <= limits.high ? null : markOf(value, limits);
    if (mark) counts[mark]++;
  }
}

/** Codes rise with their values: where both ends of a tile lie within the limits, only what is not finite is left to count. */
function countCoded(counts: Counts, codes: Uint8Array, low: number, high: number, limits: Limits): void {
  if (low >= limits.low && high <= limits.high) countNonFinite(counts, codes);
  else {
    const times = new Uint32Array(256);
    for (let i = 0; i < codes.length; i++) times[codes[i]!]!++;
    for (let code = 0; code < 256; code++) {
      const mark = times[code] ? markOf(decodeCode(code, low, high), limits) : null;
      if (mark) counts[mark] += times[code]!;
    }
  }
}

function countNonFinite(counts: Counts, codes: Uint8Array): void {
  for (let i = 0; i < codes.length; i++) {
    const code = codes[i]!;
    if (code < NEG_INF_CODE) continue;
    if (code === NAN_CODE) counts.nan++;
    else if (code === POS_INF_CODE) counts.posInf++;
    else counts.negInf++;
  }
}
