/**
 * How far weights would have moved if every update pointed in a random direction.
 *
 * The squared displacement of a random walk is the sum of the squared lengths of its steps, and for an isotropic walk in d
 * dimensions that many times a chi-squared variable over d: its relative standard deviation is sqrt(2 / d).
 */

import type { Series } from "../../charts/series";

interface RandomWalk {
  /** Root of the expected squared displacement, at each step. */
  readonly expected: Float64Array;
  /** 2 standard deviations below and above. */
  readonly low: Float64Array;
  readonly high: Float64Array;
}

/**
 * The walk from the start of the run. `updates` holds lengths of updates over `gaps` training steps each, NaN where not known; between two
 * logged steps the squared length of a single step is taken to change evenly. `starts` holds the step from which each record measures:
 * where it changes the run was resumed, and the walk begins anew.
 */
export function randomWalk(
  updates: Series,
  gaps: ArrayLike<number>,
  dimensions: number,
  starts: ArrayLike<number> = [],
): RandomWalk {
  const squared = accumulate(updates, gaps, starts);
  const spread = 2 * Math.sqrt(2 / Math.max(1, dimensions));
  return {
    expected: squared.map(Math.sqrt),
    low: squared.map((value) => Math.sqrt(value * Math.max(0, 1 - spread))),
    high: squared.map((value) => Math.sqrt(value * (1 + spread))),
  };
}

/** The expected squared displacement at each logged step. A walk whose first record has no update starts there. */
function accumulate({ steps, values }: Series, gaps: ArrayLike<number>, starts: ArrayLike<number>): Float64Array {
  let sum = 0;
  let last = Number.NaN;
  let before = firstStep(steps, values, gaps);
  return Float64Array.from(steps, (step, i) => {
    if (resumes(starts, i)) [sum, last, before] = [0, Number.NaN, starts[i] as number];
    const perStep = (values[i] as number) ** 2 / (gaps[i] as number);
    if (!Number.isFinite(perStep)) return Number.isNaN(last) && step > before ? Number.NaN : sum;
    sum += sumBetween(Number.isNaN(last) ? perStep : last, perStep, step - before);
    before = step;
    last = perStep;
    return sum;
  });
}

/** Whether the record measures from another step than the one before it. */
export function resumes(starts: ArrayLike<number>, i: number): boolean {
  return i > 0 && Number.isFinite(starts[i]) && starts[i] !== starts[i - 1];
}

/** Where a walk starts: at the first record, or as far before it as its update reaches. */
function firstStep(steps: ArrayLike<number>, values: ArrayLike<number>, gaps: ArrayLike<number>): number {
  return (steps[0] ?? 0) - (Number.isFinite(values[0]) ? (gaps[0] as number) : 0);
}

/** The sum over `count` steps of what changes evenly from `start`, which is not counted, to `end`, which is. */
function sumBetween(start: number, end: number, count: number): number {
  return (count * (start + end) + end - start) / 2;
}
