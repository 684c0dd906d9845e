/** The numbers of a finding in words: names from their keys, numbers rounded to what matters. */

import { count, number, share } from "../charts/format";
import type { Evidence } from "../types";

const SHARES = /share|fraction|zeros|saturated|dead_units|constant_units|lost$|changed$/;
const COUNTS = /(step|steps|count|nan|pos_inf|neg_inf|units|size|samples|fan_in|fan_out)$/;

/** Pairs of a name and its words: ["dead fraction", "97 %"]. Ends of the usual range are left to the chart. */
export function evidencePhrases(evidence: Evidence): [string, string][] {
  return Object.entries(evidence)
    .filter(([key]) => !key.startsWith("healthy_"))
    .map(([key, value]) => [key.replaceAll("_", " "), phrase(key, value)]);
}

function phrase(key: string, value: unknown): string {
  if (typeof value === "number") return wordingOf(key)(value);
  if (Array.isArray(value)) return value.map((one) => phrase(key, one)).join(", ");
  if (value === null) return "not known";
  if (typeof value !== "object") return String(value);
  return Object.entries(value)
    .map(([name, one]) => `${name} ${phrase(key, one)}`)
    .join(", ");
}

function wordingOf(key: string) {
  if (SHARES.test(key)) return share;
  return COUNTS.test(key) ? count : number;
}
