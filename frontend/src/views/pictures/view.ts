/** From fetched pictures and the state to what is drawn: tiles, their limits, their order and how values become colours. */

import type { Maps } from "../../data/picture";
import { drawTiles, type Style } from "../../draw/draw";
import { type ColourMap, isSigned, lut, mapFor } from "../../draw/lut";
import type { Hit, Mosaic } from "../../draw/mosaic";
import { placeOf } from "../../draw/mosaic";
import { shownName } from "../../model/names";
import { hull, type Limits, limitsOfTiles, NO_LIMITS, type Range, rangeWords, tileExtents } from "../../model/range";
import { difference, mapTiles, pixelsOf, type Tiles, valueAt } from "../../model/tiles";
import type { ViewState } from "../../state/state";
import { exactNumber, placeName } from "../../ui/words";
import { badge, conditionsOf, tileOrder } from "./order";
import type { PictureData } from "./picture_data";

export interface PictureView {
  readonly tiles: Tiles;
  readonly limits: readonly Limits[];
  readonly order: readonly number[];
  readonly style: Style;
  /** All tiles have the same limits. */
  readonly shared: boolean;
  /** What the scale's numbers are of. */
  readonly caption: string;
  readonly paint: (target: Uint32Array, mosaic: Mosaic, order: readonly number[]) => void;
  /** The value under a hit of a tile, in words. */
  readonly read: (tile: number, hit: Hit) => string;
  /** The channel or filter that a hit of a tile belongs to. */
  readonly channelOf: (tile: number, hit: Hit) => number;
  readonly badge: (tile: number) => string;
}

/** The maps at one step; null where the two pictures of a difference cannot be compared. */
export function mapsView(data: PictureData, state: ViewState): PictureView | null {
  const picture = data.picture as Maps;
  const image = Math.min(Math.max(0, state.image), picture.images.length - 1);
  const own = mapTiles(picture, image);
  const base = data.baseline as Maps | null;
  const tiles = base ? base.images.length > image && difference(own, mapTiles(base, image)) : own;
  if (!tiles) return null;
  const first = data.first ? mapTiles(data.first as Maps, image) : null;
  const order = tileOrder(own, picture, state.order, state.only, first);
  const extents = base ? tileExtents(tiles) : storedExtents(picture);
  // A single value a channel, as dense layers have, has no range of its own.
  const range = state.range === "channel" && pixelsOf(tiles) === 1 ? "layer" : state.range;
  const look = { range, colours: state.colours, differs: base !== null, wide: data.wide };
  const view = compose(tiles, order, extents, state, look);
  const conditionAt = conditionsOf(picture);
  const axes = picture.shape.length - 2;
  const read = (tile: number, hit: Hit) =>
    `${shownName(picture.name)} [ch ${tiles.labels[tile]}] ${placeName(axes, hit)} = ${exactNumber(valueAt(tiles, tile, placeOf(tiles, hit)))}`;
  return { ...view, read, badge: (tile) => badge(conditionAt(tiles.labels[tile]!)) };
}

export interface Look {
  readonly range: Range;
  readonly colours: ColourMap;
  readonly signed?: boolean;
  readonly differs: boolean;
  readonly wide: Limits;
}

/** Chooses limits and colours for tiles. Differences are signed, whatever they are of, and have no limits but their own. */
export function compose(
  tiles: Tiles,
  order: readonly number[],
  extents: readonly Limits[],
  state: ViewState,
  look: Look,
): PictureView {
  const { differs, wide } = look;
  const colours = differs ? mapFor(true, look.colours) : look.range === "summary" ? "grey" : look.colours;
  const centred = differs || look.signed === true || isSigned(colours);
  const range =
    differs && (look.range === "steps" || look.range === "runs" || look.range === "summary") ? "layer" : look.range;
  const limits = limitsOfTiles(
    tiles,
    extents,
    { range, low: state.low, high: state.high, clip: state.clip, centred },
    wide,
  );
  const style: Style = { lut: lut(colours), asSummary: range === "summary" };
  return {
    tiles,
    limits,
    order,
    style,
    shared: range !== "channel",
    caption: `${differs ? "difference, " : ""}${rangeWords(range).caption}`,
    paint: (target, mosaic, shown) => drawTiles(target, mosaic, tiles, shown, limits, style),
    read: (tile, hit) => exactNumber(valueAt(tiles, tile, placeOf(tiles, hit))),
    channelOf: (tile) => tiles.labels[tile]!,
    badge: () => "",
  };
}

/** Finite extents of each stored channel over all stored images, so that the next image has the same scale. */
export function storedExtents(maps: Maps): readonly Limits[] {
  const { images, channels } = maps;
  const low = maps.stats.get("low");
  const high = maps.stats.get("high");
  if (low && high)
    return channels.map((channel) =>
      low[channel]! <= high[channel]! ? { low: low[channel]!, high: high[channel]! } : NO_LIMITS,
    );
  const byImage = images.map((_, image) => tileExtents(mapTiles(maps, image)));
  return channels.map((_, tile) => hull(byImage.map((extents) => extents[tile]!)));
}
