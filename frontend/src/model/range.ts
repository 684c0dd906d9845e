/** From what is in a picture to the two numbers that a colour map is stretched between. */

import type { Channels } from "../data/frames";
import { NEG_INF_CODE, TOP_CODE } from "../schema.gen";
import { pixelsOf, type Tiles, valueAt } from "./tiles";

/** What the two numbers can be taken from. */
const RANGE_WORDS = {
  channel: { name: "per channel", caption: "of each channel" },
  layer: { name: "per layer", caption: "of the layer at this step" },
  steps: { name: "per layer, all steps", caption: "of the layer over all steps" },
  runs: { name: "per layer, all chosen runs", caption: "of the layer over all chosen runs" },
  fixed: { name: "fixed", caption: "fixed" },
  symmetric: { name: "symmetric about zero", caption: "symmetric about zero" },
  percentile: { name: "percentile-clipped", caption: "between percentiles" },
  summary: { name: "as tf.summary.image", caption: "as tf.summary.image cuts it off" },
} as const;

export type Range = keyof typeof RANGE_WORDS;
export const RANGES = Object.keys(RANGE_WORDS) as readonly Range[];

/** What a range is called where it is chosen, and below a picture. */
export function rangeWords(range: Range): { readonly name: string; readonly caption: string } {
  return RANGE_WORDS[range];
}

export interface Limits {
  readonly low: number;
  readonly high: number;
}

export const NO_LIMITS: Limits = { low: Number.NaN, high: Number.NaN };

/** Finite minimum and maximum of each tile; NaN where a tile has no finite value. */
export function tileExtents(tiles: Tiles): readonly Limits[] {
  const size = pixelsOf(tiles);
  return Array.from({ length: tiles.count }, (_, tile) => {
    if (tiles.values instanceof Uint8Array) return codedExtent(tiles, tile, size);
    return extentOf(tiles.values.subarray(tile * size, (tile + 1) * size));
  });
}

export function extentOf(values: ArrayLike<number>): Limits {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (let i = 0; i < values.length; i++) {
    const value = values[i]!;
    if (value < low && value !== Number.NEGATIVE_INFINITY) low = value;
    if (value > high && value !== Number.POSITIVE_INFINITY) high = value;
  }
  return low <= high ? { low, high } : NO_LIMITS;
}

/** The smallest limits that hold all of these; those that are not known are left out. */
export function hull(limits: readonly Limits[]): Limits {
  const known = limits.filter(({ low, high }) => low <= high);
  if (known.length === 0) return NO_LIMITS;
  return known.reduce((a, b) => ({ low: Math.min(a.low, b.low), high: Math.max(a.high, b.high) }));
}

/** What all channels reach over all kept steps: of the stored pixels where that is known, else of everything that was logged. */
export function extentOverSteps(channels: Channels): Limits {
  const lows = statRow(channels, "low") ?? statRow(channels, "min");
  const highs = statRow(channels, "high") ?? statRow(channels, "max");
  return lows && highs ? { low: extentOf(lows).low, high: extentOf(highs).high } : NO_LIMITS;
}

export function symmetric({ low, high }: Limits): Limits {
  const bound = Math.max(Math.abs(low), Math.abs(high));
  return { low: -bound, high: bound };
}

/** A range without width is seen against zero: dead channels have the lowest colour, other constant ones an end. */
export function widened(limits: Limits): Limits {
  if (limits.low !== limits.high) return limits;
  if (limits.low === 0) return { low: 0, high: 1 };
  return { low: Math.min(0, limits.low), high: Math.max(0, limits.high) };
}

/** Percentiles `clip` and 100 - `clip` of all finite values, interpolated linearly between ranks. */
export function percentileLimits(tiles: Tiles, clip: number): Limits {
  const sorted = finiteValues(tiles).sort();
  if (sorted.length === 0) return NO_LIMITS;
  return { low: quantile(sorted, clip / 100), high: quantile(sorted, 1 - clip / 100) };
}

function quantile(sorted: Float64Array, share: number): number {
  const place = share * (sorted.length - 1);
  const left = Math.floor(place);
  const [from, to] = [sorted[left]!, sorted[Math.min(left + 1, sorted.length - 1)]!];
  return from + (to - from) * (place - left);
}

function finiteValues(tiles: Tiles): Float64Array {
  const size = pixelsOf(tiles);
  const values = new Float64Array(tiles.count * size);
  let kept = 0;
  for (let tile = 0; tile < tiles.count; tile++) {
    for (let place = 0; place < size; place++) {
      const value = valueAt(tiles, tile, place);
      if (Number.isFinite(value)) values[kept++] = value;
    }
  }
  return values.subarray(0, kept);
}

function codedExtent(tiles: Tiles, tile: number, size: number): Limits {
  let least = NEG_INF_CODE;
  let most = -1;
  for (let at = tile * size; at < (tile + 1) * size; at++) {
    const code = tiles.values[at]!;
    if (code >= NEG_INF_CODE) continue;
    if (code < least) least = code;
    if (code > most) most = code;
  }
  if (most < 0) return NO_LIMITS;
  const [low, high] = [tiles.lows![tile]!, tiles.highs![tile]!];
  const decode = (code: number) => low + ((high - low) * code) / TOP_CODE;
  return { low: least === 0 ? low : decode(least), high: most === TOP_CODE ? high : decode(most) };
}

function statRow(channels: Channels, name: string): Float32Array | null {
  const row = channels.stats.indexOf(name);
  if (row < 0) return null;
  const gathered = new Float32Array(channels.steps.length * channels.channels);
  for (let step = 0; step < channels.steps.length; step++) {
    const from = (step * channels.stats.length + row) * channels.channels;
    gathered.set(channels.values.subarray(from, from + channels.channels), step * channels.channels);
  }
  return gathered.some((value) => !Number.isNaN(value)) ? gathered : null;
}

interface RangeChoice {
  readonly range: Range;
  readonly low: number;
  readonly high: number;
  readonly clip: number;
  /** Whether the colour map has a middle that means zero. */
  readonly centred: boolean;
}

/**
 * The limits of every tile under a choice of range.
 *
 * @param extents of each tile, over all stored images.
 * @param wide over all steps, or all steps of all chosen runs; only asked for where the choice needs it.
 */
export function limitsOfTiles(
  tiles: Tiles,
  extents: readonly Limits[],
  choice: RangeChoice,
  wide: Limits = NO_LIMITS,
): readonly Limits[] {
  const whole = (limits: Limits) => Array<Limits>(tiles.count).fill(finish(limits, choice.centred));
  switch (choice.range) {
    case "channel":
      return extents.map((extent) => finish(extent, choice.centred));
    case "layer":
      return whole(hull(extents));
    case "steps":
    case "runs":
      return whole(hull([wide, hull(extents)]));
    case "fixed":
      return Array<Limits>(tiles.count).fill({ low: choice.low, high: choice.high });
    case "symmetric":
      return whole(symmetric(hull(extents)));
    case "percentile":
      return whole(percentileLimits(tiles, choice.clip));
    case "summary":
      return Array<Limits>(tiles.count).fill({ low: 0, high: 1 });
  }
}

function finish(limits: Limits, centred: boolean): Limits {
  return widened(centred ? symmetric(limits) : limits);
}
