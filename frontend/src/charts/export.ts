/** Charts as CSV and JSON: all points, not only those drawn. */

import type { Series } from "./series";

interface NamedSeries extends Series {
  readonly name: string;
}

/** One row a step, one column a series; an empty cell where a series has no such step. */
export function toCsv(all: readonly NamedSeries[]): string {
  const lines = rowsByStep(all).map(([step, values]) => [String(step), ...values.map(csvNumber)].join(","));
  return `${[["step", ...all.map(({ name }) => csvText(name))].join(","), ...lines].join("\r\n")}\r\n`;
}

/** An object of series, each with its steps and values; NaN and infinities as the strings that Python's float() reads. */
export function toJson(title: string, all: readonly NamedSeries[]): string {
  const series = all.map(({ name, steps, values }) => ({
    name,
    steps: Array.from(steps),
    values: Array.from(values, jsonNumber),
  }));
  return `${JSON.stringify({ title, series }, null, 1)}\n`;
}

/** All series side by side, in the order of steps; undefined where a series has no such step. */
export function rowsByStep(all: readonly Series[]): [number, (number | undefined)[]][] {
  const rows = new Map<number, (number | undefined)[]>();
  all.forEach(({ steps, values }, which) => {
    for (let i = 0; i < steps.length; i++) {
      const step = steps[i] as number;
      const row = rows.get(step) ?? new Array<number | undefined>(all.length).fill(undefined);
      row[which] = values[i];
      rows.set(step, row);
    }
  });
  return [...rows].sort((a, b) => a[0] - b[0]);
}

function csvNumber(value: number | undefined): string {
  return value === undefined ? "" : shortest(value);
}

function csvText(text: string): string {
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

function jsonNumber(value: number): number | string {
  return Number.isFinite(value) ? Number(shortest(value)) : shortest(value);
}

/** Values come as float32: nine digits give them back exactly. */
function shortest(value: number): string {
  return String(Number(value.toPrecision(9)))
    .replace("Infinity", "inf")
    .replace("NaN", "nan");
}
