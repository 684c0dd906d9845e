/** From a fetched scene and the state to what is drawn: tiles, their limits, their order and how values become colours. */
import { countMarks, type MarkCounts, type Style } from "../draw";
import { lut } from "../lut";
import type { Filters, Maps } from "../picture";
import { hull, type Limits, limitsOfTiles, NO_LIMITS, tileExtents } from "../range";
import { sizeOf } from "../record";
import type { ColourMap, Range, ViewState } from "../state";
import { difference, inputTiles, mapTiles, type Tiles } from "../tiles";
import { tileOrder } from "./order";
import type { Scene } from "./scene";

export interface PictureView {
  readonly tiles: Tiles;
  readonly limits: readonly Limits[];
  readonly order: readonly number[];
  readonly style: Style;
  readonly counts: MarkCounts;
  /** All tiles have the same limits. */
  readonly shared: boolean;
  /** The values are differences. */
  readonly differs: boolean;
}

/** The maps of one scene; null where the two pictures of a difference cannot be compared. */
export function mapsView(scene: Scene, state: ViewState): PictureView | null {
  const picture = scene.picture as Maps;
  const image = Math.min(Math.max(0, state.image), picture.images.length - 1);
  const own = mapTiles(picture, image);
  const base = scene.baseline as Maps | null;
  const tiles = base ? subtract(own, base.images.length > image ? mapTiles(base, image) : null) : own;
  if (!tiles) return null;
  const first = scene.first ? mapTiles(scene.first as Maps, image) : null;
  const order = tileOrder(own, picture, state.order, state.only, first);
  const extents = base ? tileExtents(tiles) : storedExtents(picture);
  return finish(tiles, order, extents, state, { range: state.range, colours: state.colours }, scene);
}

/** One input of each filter of a kernel. */
export function filtersView(scene: Scene, state: ViewState, input: number): PictureView | null {
  const picture = scene.picture as Filters;
  const own = inputTiles(picture, input);
  const base = scene.baseline && inputTiles(scene.baseline as Filters, input);
  const tiles = own && (scene.baseline ? subtract(own, base) : own);
  if (!own || !tiles) return null;
  const first = scene.first ? inputTiles(scene.first as Filters, input) : null;
  const order = tileOrder(own, picture, state.order, state.only, first);
  return finish(
    tiles,
    order,
    tileExtents(tiles),
    state,
    { range: state.filterRange, colours: state.filterColours, signed: true },
    scene,
  );
}

interface Look {
  readonly range: Range;
  readonly colours: ColourMap;
  readonly signed?: boolean;
}

export function finish(
  tiles: Tiles,
  order: readonly number[],
  extents: readonly Limits[],
  state: ViewState,
  look: Look,
  scene: Scene,
): PictureView {
  const differs = scene.baseline !== null;
  const colours = differs ? "diverging" : look.range === "summary" ? "grey" : look.colours;
  const centred = differs || look.signed === true || colours === "diverging";
  const range =
    differs && (look.range === "steps" || look.range === "runs" || look.range === "summary") ? "layer" : look.range;
  const limits = limitsOfTiles(
    tiles,
    extents,
    { range, low: state.low, high: state.high, clip: state.clip, centred },
    scene.wide,
  );
  const style: Style = { lut: lut(colours), asSummary: range === "summary" };
  return { tiles, limits, order, style, counts: countMarks(tiles, limits), shared: range !== "channel", differs };
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

function subtract(after: Tiles, before: Tiles | null): Tiles | null {
  return before && difference(after, before);
}

/** How many axes of space the logged array has. */
export function spaceAxes(shape: readonly number[]): number {
  return shape.length - 2;
}

export function stridedSize(shape: readonly number[]): number {
  return sizeOf(shape.slice(2));
}
