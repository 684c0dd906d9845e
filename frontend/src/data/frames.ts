/** Frames of numbers as the backend packs them, checked and by name. */

import type { Condition, TableName } from "../types.gen";
import { assert } from "./assert";
import { texts } from "./picture";
import { type Frame, float32Section, float64Section, section } from "./record";

/** Numbers over steps: `values` is [steps, rows, columns], NaN where nothing was logged. */
export interface Table {
  readonly run: string;
  readonly table: TableName;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly steps: Float64Array;
  readonly wallTimes: Float64Array;
  readonly values: Float32Array;
}

export interface Points {
  readonly steps: Float64Array;
  readonly values: Float32Array;
}

/** Statistics of every channel over the kept steps of a picture series, and what each channel is at each of them. */
export interface Channels {
  readonly run: string;
  readonly name: string;
  readonly stats: readonly string[];
  readonly channels: number;
  readonly steps: Float64Array;
  /** [steps, stats, channels]. */
  readonly values: Float32Array;
  /** [steps, channels], positions in `words`. */
  readonly conditions: Uint8Array;
  readonly words: readonly Condition[];
}

export function readTable(frame: Frame, run: string, table: TableName): Table {
  const rows = texts(frame.header, "rows");
  const columns = texts(frame.header, "columns");
  const steps = float64Section(frame, "steps");
  const { values } = float32Section(frame, "values");
  assert(
    values.length === steps.length * rows.length * columns.length,
    "the table's values do not match its rows and columns",
  );
  return { run, table, rows, columns, steps, wallTimes: float64Section(frame, "wall_times"), values };
}

export function readPoints(frame: Frame): Points {
  const steps = float64Section(frame, "steps");
  const { values } = float32Section(frame, "values");
  assert(values.length === steps.length, "the series does not have one value a step");
  return { steps, values };
}

export function readChannels(frame: Frame, run: string, name: string): Channels {
  const stats = texts(frame.header, "stats");
  const steps = float64Section(frame, "steps");
  const { shape, values } = float32Section(frame, "values");
  assert(
    shape.length === 3 && shape[0] === steps.length && shape[1] === stats.length,
    `channel statistics have shape [${shape}]`,
  );
  const channels = shape[2]!;
  const words = texts(frame.header, "conditions") as readonly Condition[];
  const { shape: counted, values: conditions } = section(frame, "conditions");
  assert(
    conditions instanceof Uint8Array && String(counted) === String([steps.length, channels]),
    `conditions of channels have shape [${counted}]`,
  );
  assert(
    conditions.every((position) => position < words.length),
    "a channel's condition has no word",
  );
  return { run, name, stats, channels, steps, values, conditions, words };
}
