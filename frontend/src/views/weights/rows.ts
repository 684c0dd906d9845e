/** The rows of the weight-change table: one a variable and run, in the order of the network. */

import { indexAt } from "../../charts/series";
import { naturalCompare } from "../../model/natural";
import { layerOfVariable } from "../../model/network";
import { statisticSeries, UPDATE_RATIO } from "../../model/statistics";
import { cell, column, type NumberTable } from "../../model/table";
import { UNJUDGED_VERDICT, UNKNOWN_VERDICT, verdicts } from "../../schema.gen";
import type { Run, RunDiagnosis } from "../../types.gen";
import { randomWalk } from "./random_walk";

/** What the table needs of each variable. */
export const TABLE_COLUMNS = [
  "size",
  "trainable",
  "gap",
  "update_norm",
  "update_ratio",
  "cosine",
  "radial",
  "displacement",
  "initial_norm",
  "first_step",
] as const;

/** What does not change with the step cursor. */
interface VariableSeries {
  readonly run: Run;
  readonly variable: string;
  readonly layer: string | null;
  readonly verdict: string;
  readonly verdictMessage: string;
  readonly order: number;
  readonly size: number;
  readonly steps: Float64Array;
  readonly ratio: Float32Array;
  readonly cosine: Float32Array;
  readonly shrinking: Float32Array;
  readonly gap: Float32Array;
  /** Displacement since the start, or since the run was resumed, over the norm there, and what a random walk would give. */
  readonly moved: Float32Array;
  readonly noise: Float64Array;
}

/** A variable at one step; NaN is not known. */
export interface VariableRow extends VariableSeriesOnly {
  readonly series: VariableSeries;
}

interface VariableSeriesOnly {
  readonly ratioNow: number;
  readonly movedNow: number;
  readonly noiseNow: number;
  readonly cosineNow: number;
  readonly shrinkingNow: number;
  readonly gapNow: number;
  readonly learningRate: number;
}

export type SortKey = "variable" | "verdict" | "ratio" | "moved" | "cosine" | "shrinking" | "rate";

export interface Sorting {
  readonly key: SortKey;
  readonly descending: boolean;
}

/** All variables of a run. Those in whose table they do not stand have no numbers yet. */
export function variableSeries(
  run: Run,
  names: readonly string[],
  tableOf: (variable: string) => NumberTable,
  diagnosis: RunDiagnosis | undefined,
): VariableSeries[] {
  const judged = new Map(diagnosis?.verdicts.map((one) => [one.variable, one]));
  return networkOrder(run, names).map((variable, order) => {
    const table = tableOf(variable);
    const read = (name: (typeof TABLE_COLUMNS)[number]) => column(table, variable, name);
    const last = table.steps.length - 1;
    const size = cell(table, last, variable, "size");
    const initial = read("initial_norm");
    const walk = randomWalk({ steps: table.steps, values: read("update_norm") }, read("gap"), size, read("first_step"));
    return {
      run,
      variable,
      layer: layerOfVariable([run], variable),
      verdict: judged.get(variable)?.verdict ?? (diagnosis ? UNJUDGED_VERDICT : UNKNOWN_VERDICT),
      verdictMessage: judged.get(variable)?.message ?? "",
      order,
      size,
      steps: table.steps,
      ratio: statisticSeries(table, variable, UPDATE_RATIO),
      cosine: read("cosine"),
      shrinking: read("radial").map((radial) => (radial < 0 ? radial ** 2 : Number.isNaN(radial) ? radial : 0)),
      gap: read("gap"),
      moved: read("displacement").map((distance, i) => distance / (initial[i] as number)),
      noise: walk.expected.map((distance, i) => distance / (initial[i] as number)),
    };
  });
}

/** The numbers at a step; of updates the last one that can be compared with the others. */
export function rowAt(series: VariableSeries, step: number | null, rates: NumberTable | null): VariableRow {
  const index = step === null ? -1 : indexAt(series.steps, step);
  const updated = lastKnown(series.ratio, index);
  const at = (values: ArrayLike<number>) => values[index] ?? Number.NaN;
  const before = (values: ArrayLike<number>) => values[updated] ?? Number.NaN;
  return {
    series,
    ratioNow: before(series.ratio),
    movedNow: at(series.moved),
    noiseNow: at(series.noise),
    cosineNow: before(series.cosine),
    shrinkingNow: before(series.shrinking),
    gapNow: before(series.gap),
    learningRate:
      rates && step !== null
        ? cell(rates, indexAt(rates.steps, step), rates.rows[0] ?? "", "learning_rate")
        : Number.NaN,
  };
}

/** Sorted rows; what is not known stands last in either direction, and equals keep the order of the network. */
export function sorted(rows: readonly VariableRow[], { key, descending }: Sorting): VariableRow[] {
  const direction = descending ? -1 : 1;
  const byNetwork = (a: VariableRow, b: VariableRow) => a.series.order - b.series.order;
  if (key === "variable") return [...rows].sort((a, b) => direction * byNetwork(a, b) || runOrder(a, b));
  const value = (row: VariableRow) => sortValue(row, key);
  return [...rows].sort((a, b) => compareKnown(value(a), value(b), direction) || byNetwork(a, b));
}

/** Whether the order of rows follows from their names and verdicts alone. */
export function needsNumbers({ key }: Sorting): boolean {
  return key !== "variable" && key !== "verdict";
}

function lastKnown(values: Float32Array, index: number): number {
  let known = index;
  while (known >= 0 && Number.isNaN(values[known])) known--;
  return known;
}

function sortValue(row: VariableRow, key: Exclude<SortKey, "variable">): number {
  if (key === "verdict") return verdicts.findIndex(({ word }) => word === row.series.verdict);
  const { ratioNow, movedNow, cosineNow, shrinkingNow, learningRate } = row;
  return { ratio: ratioNow, moved: movedNow, cosine: cosineNow, shrinking: shrinkingNow, rate: learningRate }[key];
}

function compareKnown(a: number, b: number, direction: number): number {
  if (Number.isNaN(a) || Number.isNaN(b)) return Number(Number.isNaN(a)) - Number(Number.isNaN(b));
  return direction * (a - b);
}

function runOrder(a: VariableRow, b: VariableRow): number {
  return naturalCompare(a.series.run.title, b.series.run.title);
}

/** How many characters of the path all names share, leaving each its layer: Keras writes "sequential/" before every one. */
export function sharedPrefix(names: readonly string[]): number {
  const [first = ""] = names;
  let shared = first.lastIndexOf("/") + 1;
  const fits = (name: string) => name.startsWith(first.slice(0, shared)) && name.includes("/", shared);
  while (shared > 0 && !names.every(fits)) shared = first.lastIndexOf("/", shared - 2) + 1;
  return shared;
}

/** Variables in the order in which the layers use them; those of no layer follow by natural order. */
export function networkOrder(run: Run, rows: readonly string[]): string[] {
  const existing = new Set(rows);
  const known = (run.record?.layers ?? [])
    .flatMap(({ weights, state }) => [...weights, ...state])
    .filter((name) => existing.has(name));
  const listed = new Set(known);
  return [...listed, ...rows.filter((name) => !listed.has(name)).sort(naturalCompare)];
}
