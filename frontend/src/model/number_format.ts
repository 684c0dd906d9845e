/** Numbers in the words of the tab: "0.4 %", "9e-4", "1,200", "3.1 ms". What is not known is an en dash. */

import type { Unit } from "../schema.gen";

export type Wording = (value: number) => string;

const UNKNOWN = "–";
const grouped = new Intl.NumberFormat("en-US", { maximumFractionDigits: 0 });

/** Adds thousands separators: 1200 -> "1,200". */
export const count: Wording = (value) => special(value) ?? grouped.format(value);

/** Rounds to three digits that matter; very large and very small numbers as powers of ten: 9e-4, 1.2e+7. */
export const number: Wording = (value) =>
  special(value) ?? (isPlain(Math.abs(value)) ? plain(value) : exponential(value, 2));

/** Ratios that span many powers of ten: below a tenth always as such: 9e-4, 5.6e-3. */
export const ratio: Wording = (value) =>
  special(value) ?? (Math.abs(value) < 0.1 ? exponential(value, 2) : number(value));

/** A share of one in per cent. What is not all or nothing is never rounded to 100 % or 0 %. */
export const share: Wording = (value) => special(value) ?? sharePhrase(value);

/** Counts of entries in short: 9400 -> "9.4 k", 4.2e6 -> "4.2 M". */
export const size: Wording = (value) =>
  special(value) ?? (value < 1000 ? grouped.format(value) : scaled(value, 1000, [" k", " M", " G", " T"]));

/** Bytes in powers of a thousand: "210 KB". */
export const bytes: Wording = (value) =>
  special(value) ?? (value < 1000 ? `${grouped.format(value)} B` : scaled(value, 1000, [" KB", " MB", " GB", " TB"]));

/** Durations: "85 µs", "3.1 ms", "1.2 s", "3 min". */
export const seconds: Wording = (value) => special(value) ?? durationPhrase(value);

/** Whether something holds. */
export const flag: Wording = (value) => (Number.isNaN(value) ? UNKNOWN : value ? "yes" : "no");

/** How numbers of each unit are written. */
export const wordings: Readonly<Record<Unit, Wording>> = {
  ...{ share, ratio, number, count, bytes, seconds, flag },
  step: count,
};

/** "1 step", "23 steps", "1,200 steps". */
export function counted(amount: number, singular: string, plural = `${singular}s`): string {
  return `${count(amount)} ${amount === 1 ? singular : plural}`;
}

function special(value: number): string | undefined {
  if (Number.isNaN(value)) return UNKNOWN;
  if (!Number.isFinite(value)) return value > 0 ? "+Inf" : "-Inf";
  return value === 0 ? "0" : undefined;
}

function isPlain(magnitude: number): boolean {
  return magnitude >= 1e-3 && magnitude < 1e6;
}

function plain(value: number): string {
  return Math.abs(value) >= 1000 ? grouped.format(value) : String(Number(value.toPrecision(3)));
}

function exponential(value: number, digits: number): string {
  return String(value.toExponential(digits - 1)).replace(/\.0+e/, "e");
}

function sharePhrase(value: number): string {
  const percent = value * 100;
  const magnitude = Math.abs(percent);
  if (magnitude < 1e-3) return exponential(value, 1);
  if (magnitude < 0.1) return `${Number(percent.toPrecision(1))} %`;
  if (magnitude > 99.5 && magnitude < 100)
    return `${Math.sign(percent) * Math.min(99.9, Number(magnitude.toFixed(1)))} %`;
  return magnitude < 10 ? `${Number(percent.toFixed(1))} %` : `${grouped.format(percent)} %`;
}

function scaled(value: number, base: number, units: readonly string[]): string {
  const power = Math.min(units.length, Math.floor(Math.log(Math.abs(value) * 1.0005) / Math.log(base)));
  return `${Number((value / base ** power).toPrecision(3))}${units[power - 1] ?? ""}`;
}

function durationPhrase(value: number): string {
  if (value < 1e-3) return `${Number((value * 1e6).toPrecision(2))} µs`;
  if (value < 1) return `${Number((value * 1e3).toPrecision(2))} ms`;
  return value < 120 ? `${Number(value.toPrecision(2))} s` : `${grouped.format(value / 60)} min`;
}
