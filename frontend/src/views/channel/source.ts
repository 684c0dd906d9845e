/** What one channel's value is made from: the maps of the layer before, or the probe input, and the weights. */
import type { Api } from "../../data/api";
import type { Filters, Maps } from "../../data/picture";
import { shownName } from "../../model/names";
import { findSeries, kernelOf } from "../../model/network";
import { denseFilter, type Filter, filterOf, type Source, separableFilter, whyWhole } from "../../model/products";
import { mapTiles, pixelsOf, valueAt } from "../../model/tiles";
import { TOP_CODE } from "../../schema.gen";
import { shownStep } from "../../state/steps";
import type { Layer, Run } from "../../types.gen";

const PASSES_ON = /dropout|input|identity/;
const PASSES_ON_TO_DENSE = /dropout|input|identity|flatten/;
const DENSE = /dense|linear/;

export interface Origin {
  readonly maps: Maps;
  /** The kernel; of a separable convolution the depthwise one. */
  readonly kernel: Filters;
  readonly pointwise: Filters | null;
}

/** Names of the layers whose maps are what comes in, the nearest first, "" for the probe input; or a sentence why there is none. */
function findOrigins(run: Run, layer: Layer): readonly string[] | string {
  const why = whyWhole(layer);
  if (why) return why;
  const known = new Map(run.record?.layers.map((candidate) => [candidate.name, candidate]));
  const passesOn = DENSE.test(layer.kind ?? "") ? PASSES_ON_TO_DENSE : PASSES_ON;
  const found: string[] = [];
  let sources = layer.inputs.filter((name) => known.has(name));
  while (sources.length === 1) {
    const before = known.get(sources[0]!)!;
    if (findSeries(run, "maps", before.name)) found.push(before.name);
    if (!passesOn.test(before.kind ?? ""))
      return found.length ? found : `The maps of ${shownName(before.name)}, which come in here, are not logged`;
    sources = before.inputs.filter((name) => known.has(name));
  }
  if (sources.length === 0) return [...found, ""];
  return found.length ? found : "Several layers come in here";
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
  const origins = findOrigins(run, layer);
  if (typeof origins === "string") throw new Error(origins);
  const names = kernelsOf(run, layer, variable);
  if (!names.every((name) => findSeries(run, "filters", name)?.steps.includes(step)))
    throw new Error("The filters are not kept at this step");
  const [before, kernel, pointwise] = await Promise.all([
    loadBefore(api, run, origins, maps, step, signal),
    ...names.map((name) => api.picture(run, "filters", name, step, signal) as Promise<Filters>),
  ]);
  return { maps: before, kernel: kernel!, pointwise: pointwise ?? null };
}

/** The first that is stored as a whole of what may have come in. */
async function loadBefore(
  api: Api,
  run: Run,
  origins: readonly string[],
  maps: Maps,
  step: number,
  signal: AbortSignal,
): Promise<Maps> {
  let why = "";
  for (const origin of origins) {
    const kind = origin ? "maps" : "inputs";
    const name = origin || maps.inputs || "";
    const at = shownStep(findSeries(run, kind, name)?.steps ?? [], step);
    if (at === null) why ||= "The inputs are not logged";
    else if (origin && at !== step) why ||= `The maps of ${shownName(name)} are not kept at this step`;
    else {
      const before = (await api.picture(run, kind, name, at, signal)) as Maps;
      const missing = whyIncomplete(before);
      if (!missing) return before;
      why ||= missing;
    }
  }
  throw new Error(why);
}

function whyIncomplete(maps: Maps): string {
  if (maps.reduced > 1) return `The maps of ${shownName(maps.name)}, which come in here, are stored reduced`;
  return maps.channels.length < maps.shape[1]!
    ? `Not all channels of ${shownName(maps.name)}, which come in here, are stored`
    : "";
}

/** A layer's kernel, or the depthwise and the pointwise kernel of a separable convolution. */
function kernelsOf(run: Run, layer: Layer, variable: string): readonly string[] {
  if (!/separable/.test(layer.kind ?? "")) return [variable];
  const both = ["depthwise", "pointwise"].map((part) => layer.weights.find((name) => name.includes(part)));
  if (!both.every((name) => name && findSeries(run, "filters", name)))
    throw new Error("Of this separable convolution not both kernels are logged");
  return both as string[];
}

/** The kernel whose filters make a layer's channels, if it is logged. */
export function kernelOfChannels(runs: readonly Run[], layer: string): string | null {
  const names = runs.flatMap((run) => kernelOf(run, layer) ?? []);
  return names.find((name) => runs.some((run) => findSeries(run, "filters", name))) ?? null;
}

/** One image of what comes in; a sentence where it is not stored. */
export function sourceOf(maps: Maps, image: number): Source | string {
  const place = maps.images.indexOf(image);
  if (place < 0) return "The image that comes in is not stored";
  const tiles = mapTiles(maps, place);
  return {
    channels: tiles.count,
    space: maps.shape.slice(2),
    at: (channel, at) => (at < pixelsOf(tiles) ? valueAt(tiles, channel, at) : 0),
    halfLevel: (channel) =>
      tiles.lows && tiles.highs ? (tiles.highs[channel]! - tiles.lows[channel]!) / (2 * TOP_CODE) : 0,
  };
}

/** The weights that make a channel; a sentence where they are not stored, or are for something else. */
export function ownFilter(
  layer: Layer,
  { maps, kernel, pointwise }: Origin,
  channel: number,
  source: Source,
): Filter | string {
  const row = (pointwise ?? kernel).filters.indexOf(channel);
  const stored = kernel.values && (!pointwise || (pointwise.values && kernel.filters.length === kernel.shape[0]));
  if (!stored || row < 0) return "The weights of this filter are not stored one by one";
  const { channels } = source;
  if (pointwise) return separableFilter(kernel.values, pointwise.values!, row, channels);
  const fits = channels % kernel.shape[1]! === 0;
  const filter = DENSE.test(layer.kind ?? "")
    ? denseFilter(kernel.values, row, source, maps.layout.endsWith("C"))
    : fits && filterOf(kernel.values, row, channel, kernel.shape[0]!, channels);
  return filter || "What comes in has another shape than the kernel is for";
}
