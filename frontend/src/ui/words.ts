/** Words for values and places in pictures, and a question about keys. Counts and shares have theirs in charts/format. */
import { number } from "../model/number_format";

/** A value for reading off, in as many digits as float32 holds. */
export function exactNumber(value: number): string {
  if (Number.isNaN(value)) return "NaN";
  return Number.isFinite(value) ? String(Number(value.toPrecision(7))) : number(value);
}

/** Whether keys pressed there belong to a control that uses them. */
export function isTyping(target: EventTarget | null): boolean {
  return target instanceof Element && target.closest("input, select, textarea, [contenteditable]") !== null;
}

/** "(y 3, x 7)": a place within a space of as many axes as the layer has. */
export function placeName(
  axes: number,
  { slice, row, column }: { slice: number; row: number; column: number },
): string {
  const parts = [`z ${slice}`, `y ${row}`, `x ${column}`].slice(3 - axes);
  return parts.length ? `(${parts.join(", ")})` : "";
}

export function shapeName(shape: readonly number[]): string {
  return shape.join("×");
}
