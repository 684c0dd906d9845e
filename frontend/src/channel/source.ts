/** What one channel's value is made from: the maps of the layer before, or the probe input. */
import type { Api } from "../api";
import { findSeries } from "../network";
import type { Filters, Maps } from "../picture";
import type { Source } from "../products";
import { isPlainConvolution } from "../products";
import { shownStep } from "../steps";
import { mapTiles, pixelsOf, TOP_CODE, valueAt } from "../tiles";
import type { Layer, Run } from "../types";

const PASSES_ON = /dropout|input|identity/;

export interface Origin {
  readonly maps: Maps;
  readonly filters: Filters;
}

/** The name of the layer whose maps come in, "" for the probe input, or a sentence why that is not known. */
export function findOrigin(run: Run, layer: Layer): { readonly name: string } | { readonly why: string } {
  if (!isPlainConvolution(layer)) return { why: "Only values of plain convolutions are taken apart" };
  const known = new Map(run.record?.layers.map((candidate) => [candidate.name, candidate]));
  let sources = layer.inputs.filter((name) => known.has(name));
  while (sources.length === 1) {
    const name = sources[0]!;
    if (findSeries(run, "maps", name)) return { name };
    const before = known.get(name)!;
    if (!PASSES_ON.test(before.kind ?? "")) return { why: `The maps of ${name}, which come in here, are not logged` };
    sources = before.inputs.filter((source) => known.has(source));
  }
  return sources.length ? { why: "Several layers come in here" } : { name: "" };
}

/** Fetches what comes in and the kernel, at the step that the maps are of. Rejects with a sentence where one of them is not there. */
export async function loadOrigin(
  api: Api,
  run: Run,
  layer: Layer,
  maps: Maps,
  variable: string,
  step: number,
  signal: AbortSignal,
): Promise<Origin> {
  const origin = findOrigin(run, layer);
  if ("why" in origin) throw new Error(origin.why);
  const kind = origin.name ? "maps" : "inputs";
  const name = origin.name || maps.inputs || "";
  const at = shownStep(findSeries(run, kind, name)?.steps ?? [], step);
  if (at === null) throw new Error("The inputs are not logged");
  if (kind === "maps" && at !== step) throw new Error(`The maps of ${name} are not kept at this step`);
  if (!findSeries(run, "filters", variable)?.steps.includes(step))
    throw new Error("The filters are not kept at this step");
  const [before, filters] = await Promise.all([
    api.picture(run, kind, name, at, signal),
    api.picture(run, "filters", variable, step, signal),
  ]);
  return { maps: before as Maps, filters: filters as Filters };
}

/** One image of what comes in; a sentence where not all of it is stored. */
export function sourceOf(maps: Maps, image: number): Source | string {
  const place = maps.images.indexOf(image);
  if (place < 0) return "The image that comes in is not stored";
  if (maps.reduced > 1) return "What comes in is stored reduced";
  if (maps.channels.length < maps.shape[1]!) return "Not all channels that come in are stored";
  const tiles = mapTiles(maps, place);
  return {
    channels: tiles.count,
    space: maps.shape.slice(2),
    at: (channel, at) => (at < pixelsOf(tiles) ? valueAt(tiles, channel, at) : 0),
    halfLevel: (channel) =>
      tiles.lows && tiles.highs ? (tiles.highs[channel]! - tiles.lows[channel]!) / (2 * TOP_CODE) : 0,
  };
}
