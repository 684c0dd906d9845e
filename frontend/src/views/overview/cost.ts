/** What logging costs, in a sentence. */

import { bytes, count, seconds, share } from "../../model/number_format";
import { cell, type NumberTable } from "../../model/table";

/** "3.1 ms, 210 KB a step, 0.3 % of the time"; undefined where a run did not measure it. */
export function costSentence(progress: NumberTable): string | undefined {
  const [row] = progress.rows;
  const read = (name: string) =>
    row === undefined ? Number.NaN : cell(progress, progress.steps.length - 1, row, name);
  const logged = read("logged_steps");
  const spent = read("log_seconds");
  if (!(logged > 0) || !Number.isFinite(spent)) return undefined;
  const parts = [`${seconds(spent / logged)}, ${bytes(read("logged_bytes") / logged)} a step`];
  const trained = read("train_seconds");
  if (trained > 0) parts.push(`${share(spent / (spent + trained))} of the time`);
  const dropped = read("dropped_records");
  if (dropped > 0) parts.push(`${count(dropped)} records dropped`);
  const stretch = read("stretch");
  if (stretch > 1) parts.push(`interval stretched ${Number(stretch.toPrecision(2))} times to keep to its budget`);
  return parts.join(", ");
}
