/** What is drawn of a kernel. */
import { groupAlike, groupedOrder } from "../alike";
import { number, share } from "../charts/format";
import { drawRgb } from "../draw";
import { filtersAcross, kernelDifference, kernelNorm, kernelTiles, normsTile, type Shown, shownOf } from "../kernel";
import { type Hit, placeOf } from "../mosaic";
import type { Filters } from "../picture";
import { largestFirst, tileOrder } from "../pictures/order";
import type { Scene } from "../pictures/scene";
import { compose, type Look, type PictureView } from "../pictures/view";
import { extentOf, hull, type Limits, symmetric, tileExtents } from "../range";
import type { ViewState } from "../state";
import { inputTiles, type Tiles, valueAt } from "../tiles";
import { exactNumber, placeName } from "../words";

export interface KernelView extends PictureView {
  readonly shown: Shown;
  /** What the limits are worth in the kernel's norm; empty where nothing is subtracted. */
  readonly inNorms: string;
}

/** A kernel, or its difference; null where the difference is not known. */
export function kernelView(scene: Scene, state: ViewState): KernelView | null {
  const own = scene.picture as Filters;
  const shown = shownOf(own, state.inputShown);
  const base = scene.baseline as Filters | null;
  if (base && !own.values) return storedDifference(own, state, scene);
  const filters = base ? kernelDifference(own, base) : own;
  if (!filters) return null;
  const view = shown === "rgb" ? rgbView(filters, own, scene, state) : tilesView(filters, own, shown, scene, state);
  return view && { ...view, shown, inNorms: base ? inNorms(view.limits, kernelNorm(base)) : "" };
}

/** Differences of a large kernel were computed when it was logged: to its first value, and to the one before. */
function storedDifference(filters: Filters, state: ViewState, scene: Scene): KernelView | null {
  const stored =
    state.difference === "first"
      ? filters.firstDifference
      : state.difference === "previous"
        ? filters.previousDifference
        : null;
  if (!stored) return null;
  const tiles = normsTile(stored, filters.filters);
  const view = {
    ...compose(tiles, [0], tileExtents(tiles), state, { ...look(state, scene, false), colours: "cividis" }),
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
function look(state: ViewState, scene: Scene, signed: boolean): Look {
  const wide = state.filterRange === "steps" || state.filterRange === "runs";
  return {
    range: wide && !signed ? "layer" : state.filterRange,
    colours: state.filterColours,
    signed,
    differs: signed && scene.baseline !== null,
    wide: scene.wide,
  };
}

function tilesView(filters: Filters, own: Filters, shown: Shown, scene: Scene, state: ViewState): PictureView | null {
  const tiles = kernelTiles(filters, shown);
  if (!tiles) return null;
  const signed = shown !== "matrix" || own.shape.length === 2;
  const order = shown === "matrix" ? [0] : filterOrder(tiles, own, scene, state, shown);
  const colours = signed || state.filterColours !== "diverging" ? state.filterColours : "cividis";
  const extents = signed ? tileExtents(tiles) : tileExtents(tiles).map(({ high }) => ({ low: 0, high }));
  const view = compose(tiles, order, extents, state, { ...look(state, scene, signed), colours });
  const caption = view.caption.replace("layer", "kernel").replace("channel", "filter");
  if (shown === "matrix") {
    const norm = signed ? "" : scene.baseline ? "norm of the difference " : "norm ";
    return { ...view, caption: `${norm}${caption}; ${axesName(own)}`, ...matrixWords(own, tiles) };
  }
  const input = shown === "largest" || shown === "inputs" ? "" : own.shape[1]! > 1 ? `, input ${shown}` : "";
  const read = (tile: number, hit: Hit) =>
    `${own.name} [filter ${tiles.labels[tile]}${input}] ${filterPlace(own, shown, hit)} = ${exactNumber(valueAt(tiles, tile, placeOf(tiles, hit)))}`;
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
      `${own.name} [filter ${filterOf(hit)}, input ${inputOf(hit)}] = ${exactNumber(valueAt(tiles, tile, placeOf(tiles, hit)))}`,
  };
}

/** Three inputs as colour: zero is mid-grey, the largest weight in size a full colour. */
function rgbView(filters: Filters, own: Filters, scene: Scene, state: ViewState): PictureView | null {
  const planes = [0, 1, 2].map((input) => inputTiles(filters, input)) as [Tiles, Tiles, Tiles];
  const extents = tripleExtents(planes);
  const order = filterOrder(planes[0], own, scene, state, "rgb");
  const view = compose(planes[0], order, extents, state, look(state, scene, true));
  const bounds = view.limits.map(({ high }) => high);
  const read = (tile: number, hit: Hit) => {
    const triple = planes.map((plane) => exactNumber(valueAt(plane, tile, placeOf(plane, hit))));
    return `${own.name} [filter ${planes[0].labels[tile]}] ${placeName(2, hit)} = ${triple.join(", ")}`;
  };
  const caption = `${scene.baseline ? "difference, " : ""}red, green, blue; zero is grey`;
  return { ...view, caption, read, paint: (target, mosaic, shown) => drawRgb(target, mosaic, planes, shown, bounds) };
}

function tripleExtents(planes: readonly Tiles[]): readonly Limits[] {
  const each = planes.map(tileExtents);
  return each[0]!.map((_, tile) => symmetric(hull(each.map((extents) => extents[tile]!))));
}

function filterOrder(tiles: Tiles, own: Filters, scene: Scene, state: ViewState, shown: Shown): readonly number[] {
  if (state.order === "alike") {
    const groups = own.values && groupAlike(own.values);
    return groups ? groupedOrder(groups) : tiles.labels.map((_, i) => i);
  }
  if (state.order === "change") return largestFirst(filterChanges(own, scene.first as Filters | null));
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
