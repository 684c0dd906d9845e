/** Stored or served bytes that break the format. */
export class FormatError extends Error {}

export function assert(condition: unknown, message: string): asserts condition {
  if (!condition) throw new FormatError(message);
}

export function isObject(value: unknown): value is Record<string, unknown> {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}
