/** Signs for values that have no place on an axis. */

import type { MarkKind } from "./series";
import type { Drawable } from "./spec";

export const MARK_TEXT: Readonly<Record<MarkKind, string>> = {
  nan: "✕",
  "+inf": "▲",
  "-inf": "▼",
  zero: "○",
  negative: "▿",
};
const MARK_WORDS: Readonly<Record<MarkKind, string>> = {
  nan: "not a number",
  "+inf": "+infinity",
  "-inf": "-infinity",
  zero: "zero",
  negative: "below zero",
};
/** "✕ not a number, ○ zero": what the marks of this chart mean. */
export function markLegend({ marks }: Drawable): string {
  const kinds = [...new Set(marks.flat().map(({ kind }) => kind))];
  return kinds.map((kind) => `${MARK_TEXT[kind]} ${MARK_WORDS[kind]}`).join(", ");
}
