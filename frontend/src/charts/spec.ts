/** What a chart shows, as plain values, and the arithmetic between that and a drawing. */

import { shownName } from "../model/names";
import type { Unit } from "../schema.gen";
import type { HealthyRange } from "../types.gen";
import { extent, type Mark, type Plotted, plotted, type Series, thin } from "./series";

export interface Line {
  readonly name: string;
  /** A CSS colour or the name of a custom property: "--run-0". */
  readonly color: string;
  readonly series: Series;
  /** What NaN means: a number that is not known, or a value that is not a number. */
  readonly unknown?: "gap" | "mark";
  readonly dashed?: boolean;
  /** Drawn pale, and not read out at the cursor. */
  readonly faint?: boolean;
  /** Follows from another line, and is not handed out as data. */
  readonly derived?: boolean;
  /** Measured on the axis at the right. */
  readonly right?: boolean;
}

/** A filled area between two lines, given by their places in `lines`. */
export interface Area {
  readonly upper: number;
  readonly lower: number;
  readonly opacity: number;
}

export interface ChartSpec {
  readonly title: string;
  readonly lines: readonly Line[];
  readonly unit: Unit;
  readonly rightUnit?: Unit;
  readonly log?: boolean;
  readonly areas?: readonly Area[];
  /** The range within which nothing is unusual, shaded; null is open. */
  readonly usual?: HealthyRange | undefined;
  /** Ends of the axis where they are given by what is drawn. */
  readonly ends?: readonly [number, number];
}

export interface Drawable {
  readonly steps: number[];
  /** One array a line; null is a gap, undefined a step that this line does not have. */
  readonly values: (number | null | undefined)[][];
  readonly marks: readonly (readonly Mark[])[];
  readonly range: readonly [number, number];
  readonly rightRange: readonly [number, number];
}

const MOST_POINTS = 1000;

export function drawable(spec: ChartSpec): Drawable {
  const drawn = spec.lines.map(({ series, unknown, right }) =>
    plotted(thin(series, MOST_POINTS), spec.log === true && !right, unknown ?? "gap"),
  );
  const steps = union(drawn);
  const side = (right: boolean) => drawn.filter((_, index) => (spec.lines[index]?.right === true) === right);
  return {
    steps,
    values: drawn.map((one) => aligned(one, steps)),
    marks: drawn.map(({ marks }) => marks),
    range: spec.ends ?? axisRange(extent(side(false)), spec.log === true, spec.usual),
    rightRange: axisRange(extent(side(true)), false),
  };
}

/** The range of an axis: all that is drawn, the nearest end of the usual range, and some air. */
export function axisRange(
  drawn: readonly [number, number] | null,
  log: boolean,
  usual?: HealthyRange,
): readonly [number, number] {
  const bounds = (usual ?? []).filter((bound) => bound !== null && (!log || bound > 0)) as number[];
  const [low, high] = drawn ?? [bounds[0] ?? (log ? 0.1 : 0), bounds[bounds.length - 1] ?? 1];
  const least = Math.min(low, ...bounds.filter((bound) => bound < high || bounds.length === 1));
  const most = Math.max(high, ...bounds.filter((bound) => bound > low || bounds.length === 1));
  return log ? logRange(least, most) : linearRange(least, most);
}

/** A sentence for those who do not see the drawing: what is drawn, over which steps, and where each line ends. */
export function describe(spec: ChartSpec, word: (value: number, right: boolean) => string): string {
  const shown = spec.lines.filter(({ faint }) => !faint).slice(0, 8);
  const ends = shown.map(({ name, series, right }) => {
    const last = series.values.length - 1;
    if (last < 0) return `${shownName(name)}: nothing logged`;
    return `${shownName(name)}: ${word(series.values[last] as number, right === true)} at step ${series.steps[last]}`;
  });
  return [`${shownName(spec.title)}, chart over steps`, ...ends].join("; ");
}

function union(drawn: readonly Plotted[]): number[] {
  return [...new Set(drawn.flatMap(({ steps }) => steps))].sort((a, b) => a - b);
}

function aligned({ steps, values }: Plotted, all: readonly number[]): (number | null | undefined)[] {
  const byStep = new Map(steps.map((step, index) => [step, values[index]]));
  return all.map((step) => byStep.get(step));
}

function linearRange(low: number, high: number): [number, number] {
  const air = (high - low) * 0.06 || Math.max(Math.abs(high), 1e-12) * 0.1;
  const bottom = low >= 0 && low < (high - low) * 0.5 ? 0 : low - air;
  return [bottom, high + air];
}

function logRange(low: number, high: number): [number, number] {
  return low * 1.5 > high ? [low / 3, high * 3] : [low / 1.4, high * 1.4];
}
