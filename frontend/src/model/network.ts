/** The network as the chosen runs describe it: its layers from input to output, and which pictures belong to which. */

import type { Layer, PictureKind, Run, Series } from "../types.gen";
import { isProbeRow } from "./names";
import { naturalCompare } from "./natural";

export function findLayer(runs: readonly Run[], name: string): Layer | null {
  for (const run of runs) {
    const layer = run.record?.layers.find((candidate) => candidate.name === name);
    if (layer) return layer;
  }
  return null;
}

/** Layers in the order of the first run that knows them; what only single calls logged follows by natural order. */
export function layerNames(runs: readonly Run[]): readonly string[] {
  const known = runs.flatMap((run) => run.record?.layers.map((layer) => layer.name) ?? []);
  const inRecord = new Set(known);
  const logged = runs.flatMap((run) => [
    ...run.pictures.filter((series) => series.kind === "maps").map((series) => series.name),
    ...run.pictures.filter((series) => series.kind === "filters" && series.layer).map((series) => series.layer!),
    ...run.layer_rows.filter((row) => !isProbeRow(row)),
  ]);
  const rest = [...new Set(logged)].filter((name) => !inRecord.has(name)).sort(naturalCompare);
  return [...inRecord, ...rest];
}

export function layerKinds(runs: readonly Run[]): readonly string[] {
  const kinds = runs.flatMap((run) => run.record?.layers.map((layer) => layer.kind) ?? []);
  return [...new Set(kinds)].filter((kind) => kind !== null).sort(naturalCompare);
}

export function matchesKind(runs: readonly Run[], name: string, kind: string): boolean {
  return findLayer(runs, name)?.kind === kind;
}

export function findSeries(run: Run, kind: PictureKind, name: string): Series | null {
  return run.pictures.find((series) => series.kind === kind && series.name === name) ?? null;
}

/** The kernel of a layer, as the run says; null where it has none. */
export function kernelOf({ kernels }: Run, layer: string): string | null {
  return Object.hasOwn(kernels, layer) ? kernels[layer]! : null;
}

/** The layer that a kernel belongs to: as the picture says, or as the run record does. */
export function layerOfVariable(runs: readonly Run[], variable: string): string | null {
  for (const run of runs) {
    const said = findSeries(run, "filters", variable)?.layer;
    if (said) return said;
    const owner = run.record?.layers.find(
      (layer) => layer.weights.includes(variable) || layer.state.includes(variable),
    );
    if (owner) return owner.name;
  }
  return null;
}
