/** Numbers over steps, made ready to be drawn: thinned, with gaps, and with marks where a value has no place on the axis. */

import { indexAtOrBefore } from "../state/steps";

export interface Series {
  readonly steps: ArrayLike<number>;
  readonly values: ArrayLike<number>;
}

/** What stands where a value cannot: NaN and infinities on any axis, zero and negative values on a logarithmic one. */
export type MarkKind = "nan" | "+inf" | "-inf" | "zero" | "negative";

export interface Mark {
  readonly step: number;
  readonly kind: MarkKind;
}

export interface Plotted {
  readonly steps: number[];
  /** null is a gap in the line. */
  readonly values: (number | null)[];
  readonly marks: Mark[];
}

/** Keeps at most about `limit` points: the least and the greatest of each stretch, so that no spike is lost, and both ends. */
export function thin(series: Series, limit: number): Series {
  const total = series.steps.length;
  if (total <= limit) return series;
  const kept = new Set<number>([0, total - 1]);
  const stretches = Math.max(1, Math.floor((limit - 2) / 2));
  for (let k = 0; k < stretches; k++) {
    const from = Math.floor((k * total) / stretches);
    for (const index of extremes(series.values, from, Math.floor(((k + 1) * total) / stretches))) kept.add(index);
  }
  const indices = [...kept].sort((a, b) => a - b);
  return {
    steps: indices.map((i) => series.steps[i] as number),
    values: indices.map((i) => series.values[i] as number),
  };
}

/** Splits values into those that the axis can hold and marks for the rest. `unknown` says what NaN means: not known, or not a number. */
export function plotted(series: Series, log: boolean, unknown: "gap" | "mark"): Plotted {
  const values: (number | null)[] = [];
  const marks: Mark[] = [];
  for (let i = 0; i < series.steps.length; i++) {
    const value = series.values[i] as number;
    const kind = markKind(value, log);
    values.push(kind === undefined ? value : null);
    if (kind !== undefined && (kind !== "nan" || unknown === "mark"))
      marks.push({ step: series.steps[i] as number, kind });
  }
  return { steps: Array.from(series.steps), values, marks };
}

/** The least and greatest drawable value of some series; null where there is none. */
export function extent(all: readonly Plotted[]): readonly [number, number] | null {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const { values } of all)
    for (const value of values) {
      if (value === null) continue;
      low = Math.min(low, value);
      high = Math.max(high, value);
    }
  return low <= high ? [low, high] : null;
}

/** The index of the last step that is not after `step`; the first where all are; -1 where there is none. */
export function indexAt(steps: ArrayLike<number>, step: number): number {
  return steps.length === 0 ? -1 : Math.max(0, indexAtOrBefore(steps, step));
}

/** The index of the step nearest to `step`; -1 where there is none. */
export function nearestIndex(steps: ArrayLike<number>, step: number): number {
  const before = indexAt(steps, step);
  if (before < 0 || before + 1 >= steps.length) return before;
  return step - (steps[before] as number) <= (steps[before + 1] as number) - step ? before : before + 1;
}

/** Exponential smoothing as in TensorBoard's scalars, without the bias towards the start; values that are not finite pass through. */
export function smooth(series: Series, weight: number): Series {
  let sum = 0;
  let mass = 0;
  const values = Array.from(series.values, (value) => {
    if (!Number.isFinite(value)) return value;
    sum = sum * weight + (1 - weight) * value;
    mass = mass * weight + (1 - weight);
    return sum / mass;
  });
  return { steps: series.steps, values };
}

function markKind(value: number, log: boolean): MarkKind | undefined {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "+inf" : "-inf";
  if (!log || value > 0) return undefined;
  return value === 0 ? "zero" : "negative";
}

/** Where the least and the greatest value of a stretch stand, and one that is not finite, if there is one. */
function extremes(values: ArrayLike<number>, from: number, to: number): number[] {
  let least = -1;
  let greatest = -1;
  let odd = -1;
  for (let i = from; i < to; i++) {
    const value = values[i] as number;
    if (!Number.isFinite(value)) odd = odd < 0 ? i : odd;
    else {
      if (least < 0 || value < (values[least] as number)) least = i;
      if (greatest < 0 || value > (values[greatest] as number)) greatest = i;
    }
  }
  return [least, greatest, odd].filter((index) => index >= 0);
}
