/** The charts of one variable, as plain values. */

import type { Area, ChartSpec, Line } from "../../charts/spec";
import { count } from "../../model/number_format";
import { statistic, statisticSeries, UPDATE_RATIO, unitOf } from "../../model/statistics";
import { column, type NumberTable } from "../../model/table";
import { randomWalk, resumes } from "./random_walk";

/** A variable in one run, with all that its charts need. */
export interface Traced {
  readonly name: string;
  readonly color: string;
  readonly variable: string;
  readonly table: NumberTable;
}

export const CHART_COLUMNS = [
  "size",
  "gap",
  "update_norm",
  "update_ratio",
  "cosine",
  "radial",
  "displacement",
  "initial_norm",
  "first_step",
] as const;
export const BAND_COLUMNS = ["min", "p07", "p16", "p31", "p50", "p69", "p84", "p93", "max"] as const;

/** Bands of TensorBoard's distributions: pairs of percentiles about the median, the inner ones darker. */
const BAND_AREAS: readonly Area[] = [
  { upper: 8, lower: 0, opacity: 0.12 },
  { upper: 7, lower: 1, opacity: 0.16 },
  { upper: 6, lower: 2, opacity: 0.22 },
  { upper: 5, lower: 3, opacity: 0.3 },
];

export function ratioChart(all: readonly Traced[]): ChartSpec {
  return {
    title: "Update ratio",
    lines: all.map(({ name, color, variable, table }) => ({
      name,
      color,
      series: { steps: table.steps, values: statisticSeries(table, variable, UPDATE_RATIO) },
    })),
    unit: UPDATE_RATIO.unit,
    log: UPDATE_RATIO.log,
    usual: UPDATE_RATIO.usual,
  };
}

/** Displacement over the norm at the start, with the 95 % band of a random walk of the same updates. */
export function movedChart(all: readonly Traced[]): ChartSpec {
  const lines: Line[] = [];
  const areas: Area[] = [];
  for (const traced of all) {
    const { table, variable, name, color } = traced;
    const initial = column(table, variable, "initial_norm");
    const relative = (values: ArrayLike<number>) => ({
      steps: table.steps,
      values: Float64Array.from(values, (value, i) => value / (initial[i] as number)),
    });
    const updates = { steps: table.steps, values: column(table, variable, "update_norm") };
    const [gaps, starts] = [column(table, variable, "gap"), column(table, variable, "first_step")];
    const walk = randomWalk(updates, gaps, column(table, variable, "size").at(-1) ?? 1, starts);
    areas.push({ upper: lines.length + 3, lower: lines.length + 1, opacity: 0.25 });
    lines.push(
      { name, color, series: relative(column(table, variable, "displacement")) },
      { name: `${name}, random walk low`, color, series: relative(walk.low), faint: true },
      { name: `${name}, random walk`, color, series: relative(walk.expected), dashed: true },
      { name: `${name}, random walk high`, color, series: relative(walk.high), faint: true },
    );
  }
  return { title: "Moved since start", lines, areas, unit: statistic("moved").unit };
}

/** Steps from which displacement is measured anew, because a run was resumed there. */
export function resumedAt(all: readonly Traced[]): readonly number[] {
  const found = all.flatMap(({ table, variable }) => {
    const starts = column(table, variable, "first_step");
    return [...starts].filter((_, i) => resumes(starts, i));
  });
  return [...new Set(found)].sort((a, b) => a - b);
}

/** What a reader of the distances has to know of them; empty where no run was resumed. */
export function resumeWords(steps: readonly number[]): string {
  if (steps.length === 0) return "";
  const where =
    steps.length > SHOWN_RESUMES ? `each of ${steps.length} resumes` : `step ${steps.map(count).join(" and ")}`;
  return `; measured anew from ${where}, where it was resumed`;
}

const SHOWN_RESUMES = 3;

export function directionChart(all: readonly Traced[]): ChartSpec {
  return {
    title: "Direction",
    lines: all.map((traced) => line(traced, "cosine")),
    unit: unitOf({ table: "variables", column: "cosine" }),
    ends: [-1.05, 1.05],
  };
}

export function distributionChart(title: string, { table, variable, color }: Traced): ChartSpec {
  const lines = BAND_COLUMNS.map((name): Line => {
    const shown = name === "p50" || name === "min" || name === "max";
    return {
      name: BAND_NAMES[name] ?? name,
      color,
      series: { steps: table.steps, values: column(table, variable, name) },
      faint: !shown,
    };
  });
  return { title, lines, areas: BAND_AREAS, unit: "number" };
}

const BAND_NAMES: Readonly<Record<string, string>> = { p50: "median" };

function line({ name, color, variable, table }: Traced, statistic: string): Line {
  return { name, color, series: { steps: table.steps, values: column(table, variable, statistic) } };
}
