/** Names as they are shown. Data keep the whole name. */

import { INPUTS_ROW, MAX_NAME_CHARACTERS, TARGETS_ROW } from "../schema.gen";

/** A name, cut off with an ellipsis if it is longer than any real one. */
export function shownName(name: string): string {
  if (name.length <= MAX_NAME_CHARACTERS) return name;
  const characters = [...name];
  return characters.length > MAX_NAME_CHARACTERS ? `${characters.slice(0, MAX_NAME_CHARACTERS).join("")}…` : name;
}

/** Whether a row of the layers' table describes the probe itself. */
export function isProbeRow(row: string): boolean {
  return row === INPUTS_ROW || row === TARGETS_ROW;
}

/** What a row of the layers' table is called. */
export function rowName(row: string): string {
  return row === INPUTS_ROW ? "input" : row === TARGETS_ROW ? "targets" : shownName(row);
}
