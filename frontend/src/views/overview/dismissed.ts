/** Findings that a person has put aside as "not a problem here", kept in this browser. */

import { signal } from "@preact/signals";
import { PLUGIN_NAME } from "../../schema.gen";

const STORE = `${PLUGIN_NAME}.dismissed`;

export const dismissed = signal<ReadonlySet<string>>(load());

export function dismiss(key: string): void {
  keep(new Set([...dismissed.value, key]));
}

/** Shows again all findings of a run. */
export function restore(run: string): void {
  keep(new Set([...dismissed.value].filter((key) => (JSON.parse(key) as string[])[0] !== run)));
}

function keep(keys: ReadonlySet<string>): void {
  dismissed.value = keys;
  try {
    localStorage.setItem(STORE, JSON.stringify([...keys]));
  } catch {
    // Storage is full or forbidden: the choice lasts as long as the page.
  }
}

function load(): ReadonlySet<string> {
  try {
    const stored: unknown = JSON.parse(localStorage.getItem(STORE) ?? "[]");
    return new Set(Array.isArray(stored) ? stored.filter(isKey) : []);
  } catch {
    return new Set();
  }
}

function isKey(value: unknown): value is string {
  return typeof value === "string" && value.startsWith('["');
}
