/** What is drawn of a kernel. */

import type { Filters } from "../../data/picture";
import { drawRgb } from "../../draw/draw";
import { mapFor } from "../../draw/lut";
import { type Hit, placeOf } from "../../draw/mosaic";
import {
  filtersAcross,
  kernelDifference,
  kernelNorm,
  kernelTiles,
  normsTile,
  type Shown,
  shownOf,
} from "../../model/kernel";
import { shownName } from "../../model/names";
import { groupedOrder, groupNearCopies } from "../../model/near_copies";
import { number, share } from "../../model/number_format";
import { extentOf, hull, type Limits, symmetric, tileExtents } from "../../model/range";
import { inputTiles, type Tiles, valueAt } from "../../model/tiles";
import type { ViewState } from "../../state/state";
import { exactNumber, placeName } from "../../ui/words";
import { largestFirst, tileOrder } from "../pictures/order";
import type { PictureData } from "../pictures/picture_data";
import { compose, type Look, type PictureView } from "../pictures/view";

interface KernelView extends PictureView {
  readonly shown: Shown;
  /** What the limits are worth in the kernel's norm; empty where nothing is subtracted. */
  readonly inNorms: string;
}

/** A kernel, or its difference; null where the difference is not known. */
export function kernelView(data: PictureData, state: ViewState): KernelView | null {
  const own = data.picture as Filters;
  const shown = shownOf(own, state.inputShown);
  const base = data.baseline as Filters | null;
  if (base && !own.values) return storedDifference(own, state, data);
  const filters = base ? kernelDifference(own, base) : own;
  if (!filters) return null;
  const view = shown === "rgb" ? rgbView(filters, own, data, state) : tilesView(filters, own, shown, data, state);
  return view && { ...view, shown, inNorms: base ? inNorms(view.limits, kernelNorm(base)) : "" };
}

/** Differences of a large kernel were computed when it was logged: to its first value, and to the one before. */
function storedDifference(filters: Filters, state: ViewState, data: PictureData): KernelView | null {
  const stored =
    state.difference === "first"
      ? filters.firstDifference
      : state.difference === "previous"
        ? filters.previousDifference
        : null;
  if (!stored) return null;
  const tiles = normsTile(stored, filters.filters);
  const view = {
    ...compose(tiles, [0], tileExtents(tiles), state, { ...look(state, data, false), colours: "cividis" }),
    caption: `norm of the difference${stored === filters.firstDifference && filters.firstStep ? ` to step ${filters.firstStep}` : ""}`,
  };
  return {
    ...view,
    ...matrixWords(filters, tiles),
    shown: "matrix",
    inNorms: inNorms(view.limits, kernelNorm(filters)),
  };
}

/** Statistics over the steps are of weights, not of norms: a picture of norms has the range of its own step. */
function look(state: ViewState, data: PictureData, signed: boolean): Look {
  const wide = state.filterRange === "steps" || state.filterRange === "runs";
  return {
    range: wide && !signed ? "layer" : state.filterRange,
    colours: state.filterColours,
    signed,
    differs: signed && data.baseline !== null,
    wide: data.wide,
  };
}

function tilesView(
  filters: Filters,
  own: Filters,
  shown: Shown,
  data: PictureData,
  state: ViewState,
): PictureView | null {
  const tiles = kernelTiles(filters, shown);
  if (!tiles) return null;
  const signed = shown !== "matrix" || own.shape.length === 2;
  const order = shown === "matrix" ? [0] : filterOrder(tiles, own, data, state, shown);
  const colours = signed ? state.filterColours : mapFor(false, state.filterColours, "cividis");
  const extents = signed ? tileExtents(tiles) : tileExtents(tiles).map(({ high }) => ({ low: 0, high }));
  const view = compose(tiles, order, extents, state, { ...look(state, data, signed), colours });
  const caption = view.caption.replace("layer", "kernel").replace("channel", "filter");
  if (shown === "matrix") {
    const norm = signed ? "" : data.baseline ? "norm of the difference " : "norm ";
    return { ...view, caption: `${norm}${caption}; ${axesName(own)}`, ...matrixWords(own, tiles) };
  }
  const input = shown === "largest" || shown === "inputs" ? "" : own.shape[1]! > 1 ? `, input ${shown}` : "";
  const read = (tile: number, hit: Hit) =>
    `${shownName(own.name)} [filter ${tiles.labels[tile]}${input}] ${filterPlace(own, shown, hit)} = ${exactNumber(valueAt(tiles, tile, placeOf(tiles, hit)))}`;
  return { ...view, caption, read };
}

function axesName(own: Filters): string {
  return filtersAcross([own.filters.length, own.shape[1]!])
    ? "filters across, inputs down"
    : "inputs across, filters down";
}

function filterPlace(own: Filters, shown: Shown, hit: Hit): string {
  return shown === "inputs" ? `(input ${hit.row}, x ${hit.column})` : placeName(own.shape.length - 2, hit);
}

/** Which filter and input stand under a place in a picture of in by out. */
function matrixWords(own: Filters, tiles: Tiles): Pick<PictureView, "read" | "channelOf" | "badge"> {
  const [filters, inputs] = [own.filters.length, own.shape[1]!];
  const lies = filtersAcross([filters, inputs]);
  const index = (at: number, size: number, count: number) => Math.floor((at * count) / size);
  const filterOf = ({ row, column }: Hit) =>
    own.filters[lies ? index(column, tiles.columns, filters) : index(row, tiles.rows, filters)] ?? 0;
  const inputOf = ({ row, column }: Hit) =>
    lies ? index(row, tiles.rows, inputs) : index(column, tiles.columns, inputs);
  return {
    badge: () => "",
    channelOf: (_, hit) => filterOf(hit),
    read: (tile, hit) =>
      `${shownName(own.name)} [filter ${filterOf(hit)}, input ${inputOf(hit)}] = ${exactNumber(valueAt(tiles, tile, placeOf(tiles, hit)))}`,
  };
}

/** Three inputs as colour: zero is mid-grey, the largest weight in size a full colour. */
function rgbView(filters: Filters, own: Filters, data: PictureData, state: ViewState): PictureView | null {
  const planes = [0, 1, 2].map((input) => inputTiles(filters, input)) as [Tiles, Tiles, Tiles];
  const extents = tripleExtents(planes);
  const order = filterOrder(planes[0], own, data, state, "rgb");
  const view = compose(planes[0], order, extents, state, look(state, data, true));
  const bounds = view.limits.map(({ high }) => high);
  const read = (tile: number, hit: Hit) => {
    const triple = planes.map((plane) => exactNumber(valueAt(plane, tile, placeOf(plane, hit))));
    return `${shownName(own.name)} [filter ${planes[0].labels[tile]}] ${placeName(2, hit)} = ${triple.join(", ")}`;
  };
  const caption = `${data.baseline ? "difference, " : ""}red, green, blue; zero is grey`;
  return { ...view, caption, read, paint: (target, mosaic, shown) => drawRgb(target, mosaic, planes, shown, bounds) };
}

function tripleExtents(planes: readonly Tiles[]): readonly Limits[] {
  const each = planes.map(tileExtents);
  return each[0]!.map((_, tile) => symmetric(hull(each.map((extents) => extents[tile]!))));
}

function filterOrder(tiles: Tiles, own: Filters, data: PictureData, state: ViewState, shown: Shown): readonly number[] {
  if (state.order === "alike") {
    const groups = own.values && groupNearCopies(own.values);
    return groups ? groupedOrder(groups) : tiles.labels.map((_, i) => i);
  }
  if (state.order === "change") return largestFirst(filterChanges(own, data.first as Filters | null));
  return tileOrder(tiles, own, shown === "matrix" ? "channel" : state.order, "", null);
}

/** Norm of each filter's change since the first kept step. */
function filterChanges(own: Filters, first: Filters | null): readonly number[] {
  const changed = first && kernelDifference(own, first);
  if (!changed?.values) return own.filters.map(() => Number.NaN);
  const size = changed.values.values.length / own.filters.length;
  return own.filters.map((_, i) =>
    Math.hypot(...(changed.values!.values as Float32Array).subarray(i * size, (i + 1) * size)),
  );
}

function inNorms(limits: readonly Limits[], norm: number): string {
  const bound = extentOf(limits.flatMap(({ low, high }) => [Math.abs(low), Math.abs(high)])).high;
  return norm > 0 && Number.isFinite(bound) ? `${number(bound)} is ${share(bound / norm)} of the kernel's norm` : "";
}
