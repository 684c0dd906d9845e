/** Which tiles are shown, and in which order. */
import type { Maps, Picture, Stats } from "../../data/picture";
import { pixelsOf, type Tiles, valueAt } from "../../model/tiles";
import type { Order } from "../../state/state";

export const ORDER_NAMES: Readonly<Record<Order, string>> = {
  channel: "channel",
  mean: "mean",
  max: "largest value",
  std: "standard deviation",
  zeros: "share of zeros",
  spread: "dependence on the input",
  norm: "norm",
  change: "change since first",
  alike: "near-copies together",
};

/** Conditions that a channel can be picked out by. */
export const CONDITIONS = ["dead", "constant", "nonfinite"] as const;
export type Condition = (typeof CONDITIONS)[number];

const RELU_LIKE = new Set(["relu", "relu6"]);

/** Whether a channel is 0 (or less, where the activation is ReLU-like) at every position of every sample. */
export function isDead(stats: Stats, channel: number, activation: string | null): boolean {
  const highest = stats.get("max")?.[channel] ?? Number.NaN;
  return stats.get("zeros")?.[channel] === 1 || (activation !== null && RELU_LIKE.has(activation) && highest <= 0);
}

export function meets(condition: Condition, stats: Stats, channel: number, activation: string | null): boolean {
  const stat = (name: string) => stats.get(name)?.[channel] ?? Number.NaN;
  switch (condition) {
    case "dead":
      return isDead(stats, channel, activation);
    case "constant":
      return stat("min") === stat("max");
    case "nonfinite":
      return stat("nan") + stat("pos_inf") + stat("neg_inf") > 0;
  }
}

/** The one word that a tile's badge says; empty for an ordinary channel. */
export function badge(picture: Picture, label: number): string {
  const activation = picture.kind === "maps" ? picture.activation : null;
  if (meets("nonfinite", picture.stats, label, activation)) return "not finite";
  if (picture.kind === "maps" && isDead(picture.stats, label, activation)) return "dead";
  return meets("constant", picture.stats, label, activation) && picture.kind === "maps" ? "constant" : "";
}

/** Counts channels of the whole layer that meet a condition. */
export function countMeeting(maps: Maps, condition: Condition): number {
  const channels = Array.from({ length: maps.shape[1]! }, (_, channel) => channel);
  return channels.filter((channel) => meets(condition, maps.stats, channel, maps.activation)).length;
}

/** Indices of tiles by a number each, largest first; what is not known comes last, equals stay as they were. */
export function largestFirst(scores: ArrayLike<number>): number[] {
  const rank = (index: number) => (Number.isNaN(scores[index]!) ? Number.NEGATIVE_INFINITY : scores[index]!);
  return Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => rank(b) - rank(a) || a - b);
}

/** Tiles in order. `first` are the tiles of the first kept step, needed only for the change since then. */
export function tileOrder(tiles: Tiles, picture: Picture, order: Order, only: string, first: Tiles | null): number[] {
  const all = largestFirst(scores(tiles, picture.stats, order, first));
  const condition = CONDITIONS.find((name) => name === only);
  if (!condition) return all;
  const activation = picture.kind === "maps" ? picture.activation : null;
  return all.filter((tile) => meets(condition, picture.stats, tiles.labels[tile]!, activation));
}

function scores(tiles: Tiles, stats: Stats, order: Order, first: Tiles | null): readonly number[] {
  if (order === "change") return changes(tiles, first);
  const row = order === "channel" ? undefined : stats.get(order);
  return tiles.labels.map((label) => (row ? row[label]! : 0));
}

/** Root mean square of each tile's change. */
export function changes(tiles: Tiles, first: Tiles | null): readonly number[] {
  const size = pixelsOf(tiles);
  return tiles.labels.map((_, tile) => {
    if (!first || first.values.length !== tiles.values.length) return Number.NaN;
    let squares = 0;
    for (let place = 0; place < size; place++)
      squares += (valueAt(tiles, tile, place) - valueAt(first, tile, place)) ** 2;
    return Math.sqrt(squares / size);
  });
}
