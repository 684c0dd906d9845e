/** Which tiles are shown, and in which order. */
import type { Maps, Picture, Stats } from "../../data/picture";
import { activationFacts } from "../../model/activation";
import { conditionOf } from "../../model/channel_health";
import { pixelsOf, type Tiles, valueAt } from "../../model/tiles";
import type { Order } from "../../state/state";
import type { Condition } from "../../types.gen";

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

/** Conditions that a channel can be picked out by, as they stand in the address. */
export const CONDITIONS: Readonly<Record<string, Condition>> = {
  dead: "dead",
  constant: "constant",
  saturated: "saturated",
  nonfinite: "not finite",
};

/** What each channel is at the step of the picture. */
export function conditionsOf({ stats, activation }: Maps): (channel: number) => Condition {
  const facts = activationFacts(activation);
  return (channel) => conditionOf((name) => stats.get(name)?.[channel] ?? Number.NaN, facts);
}

/** The one word that a tile's badge says; empty for an ordinary channel. */
export function badge(condition: Condition): string {
  return Object.values(CONDITIONS).includes(condition) ? condition : "";
}

/** Counts channels of the whole layer that are in a condition. */
export function countMeeting(maps: Maps, condition: Condition): number {
  const channels = Array.from({ length: maps.shape[1]! }, (_, channel) => channel);
  const conditionAt = conditionsOf(maps);
  return channels.filter((channel) => conditionAt(channel) === condition).length;
}

/** Indices of tiles by a number each, largest first; what is not known comes last, equals stay as they were. */
export function largestFirst(scores: ArrayLike<number>): number[] {
  const rank = (index: number) => (Number.isNaN(scores[index]!) ? Number.NEGATIVE_INFINITY : scores[index]!);
  return Array.from({ length: scores.length }, (_, i) => i).sort((a, b) => rank(b) - rank(a) || a - b);
}

/** Tiles in order. `first` are the tiles of the first kept step, needed only for the change since then. */
export function tileOrder(tiles: Tiles, picture: Picture, order: Order, only: string, first: Tiles | null): number[] {
  const all = largestFirst(scores(tiles, picture.stats, order, first));
  const condition = Object.hasOwn(CONDITIONS, only) ? CONDITIONS[only] : undefined;
  if (!condition || picture.kind === "filters") return all;
  const conditionAt = conditionsOf(picture);
  return all.filter((tile) => conditionAt(tiles.labels[tile]!) === condition);
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
