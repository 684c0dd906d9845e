/** Fetches all that one mosaic needs at one step: the picture, what is subtracted from it, and what its range spans. */
import type { Api } from "../../data/api";
import type { Picture } from "../../data/picture";
import { findLayer, findSeries } from "../../model/network";
import { extentOverSteps, hull, type Limits, NO_LIMITS } from "../../model/range";
import type { ViewState } from "../../state/state";
import { shownStep } from "../../state/steps";
import type { PictureKind, Run } from "../../types.gen";

export interface PictureData {
  readonly step: number;
  readonly picture: Picture;
  /** What is subtracted; null where nothing is. */
  readonly baseline: Picture | null;
  readonly baselineStep: number | null;
  readonly first: Picture | null;
  /** Over all steps, or all steps of all chosen runs, where the range needs it. */
  readonly wide: Limits;
}

export interface PictureRequest {
  readonly run: Run;
  readonly chosen: readonly Run[];
  readonly kind: PictureKind;
  readonly name: string;
  /** Where the cursor stands. */
  readonly step: number;
  readonly state: ViewState;
}

/** Everything on which the picture depends, so that it is fetched again when that changes and not otherwise. */
export function pictureKey({ run, chosen, kind, name, step, state }: PictureRequest, generation: number): string {
  const range = kind === "filters" ? state.filterRange : state.range;
  const wide = range === "runs" ? chosen.map((other) => other.run) : range === "steps" ? run.run : "";
  const { difference, differenceStep, differenceRun, order } = state;
  const shown = shownStep(findSeries(run, kind, name)?.steps ?? [], step);
  const baseline =
    difference === "run" ? [differenceRun, step] : difference === "step" ? [differenceStep] : [difference];
  return JSON.stringify([run.run, kind, name, shown, wide, baseline, order === "change", generation]);
}

export async function loadPictureData(
  api: Api,
  request: PictureRequest,
  signal: AbortSignal,
): Promise<PictureData | null> {
  const { run, kind, name, state } = request;
  const steps = findSeries(run, kind, name)?.steps ?? [];
  const step = shownStep(steps, request.step);
  if (step === null) return null;
  const before = baselineOf(request, steps, step);
  const [picture, baseline, first, wide] = await Promise.all([
    api.picture(run, kind, name, step, signal),
    before && api.picture(before.run, kind, name, before.step, signal),
    state.order === "change" ? api.picture(run, kind, name, steps[0]!, signal) : null,
    wideLimits(api, request, signal),
  ]);
  return {
    step,
    picture: described(run, picture),
    baseline,
    baselineStep: before?.step ?? null,
    first,
    wide,
  };
}

/** Maps with the activation that the run record says, or else the picture. */
function described(run: Run, picture: Picture): Picture {
  const layer = picture.kind === "maps" && findLayer([run], picture.name);
  return layer ? { ...picture, activation: layer.activation } : picture;
}

/** Fetches the neighbouring steps while there is nothing else to do, so that the cursor can move at once. */
export function prefetchNeighbours(api: Api, { run, kind, name }: PictureRequest, step: number): void {
  const steps = findSeries(run, kind, name)?.steps ?? [];
  const at = steps.indexOf(step);
  for (const neighbour of [steps[at + 1], steps[at - 1]]) {
    if (neighbour !== undefined) api.picture(run, kind, name, neighbour).catch(() => undefined);
  }
}

function baselineOf(
  { run, chosen, kind, name, step, state }: PictureRequest,
  steps: readonly number[],
  shown: number,
): { run: Run; step: number } | null {
  switch (state.difference) {
    case "none":
      return null;
    case "first":
      return { run, step: steps[0]! };
    case "previous":
      return { run, step: steps[Math.max(0, steps.indexOf(shown) - 1)]! };
    case "step":
      return { run, step: shownStep(steps, state.differenceStep)! };
    case "run": {
      const other = chosen.find((candidate) => candidate.run === state.differenceRun);
      const at = other && shownStep(findSeries(other, kind, name)?.steps ?? [], step);
      return other && typeof at === "number" ? { run: other, step: at } : null;
    }
  }
}

async function wideLimits(
  api: Api,
  { run, chosen, kind, name, state }: PictureRequest,
  signal: AbortSignal,
): Promise<Limits> {
  const range = kind === "filters" ? state.filterRange : state.range;
  if (range !== "steps" && range !== "runs") return NO_LIMITS;
  const runs = (range === "runs" ? chosen : [run]).filter((candidate) => findSeries(candidate, kind, name));
  const statistics = await Promise.all(runs.map((candidate) => api.channels(candidate.run, kind, name, signal)));
  return hull(statistics.map(extentOverSteps));
}
