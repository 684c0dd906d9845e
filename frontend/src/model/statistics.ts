/** The statistics that the heat map can show, each with how it is read from the packed tables and how its numbers are worded. */

import type { Quantity } from "./number_format";

export type Read = (column: string) => number;

export interface Statistic {
  readonly id: string;
  readonly label: string;
  /** Where it is read: a row a layer, or the row of the layer's kernel among the variables. */
  readonly table: "layers" | "variables";
  readonly columns: readonly string[];
  readonly quantity: Quantity;
  readonly log: boolean;
  /** Both ends of the scale where they are given by what it is. */
  readonly ends?: readonly [number, number];
  readonly read?: (read: Read) => number;
}

export const statistics: readonly Statistic[] = [
  layer("input_share", "Share that depends on the input", "share", { log: true }),
  layer("rms", "Size of the output (root mean square)", "number", { log: true }),
  layer("std", "Standard deviation of the output", "number", { log: true }),
  layer("dead_units", "Units that are never active", "share", { ends: [0, 1] }),
  layer("constant_units", "Units that answer every input alike", "share", { ends: [0, 1] }),
  layer("zeros", "Zeros in the output", "share", { ends: [0, 1] }),
  layer("saturated", "Values at the activation's limits", "share", { ends: [0, 1] }),
  layer("nonfinite", "NaN and infinite values", "count", {
    columns: ["nan", "pos_inf", "neg_inf"],
    read: (read) => read("nan") + read("pos_inf") + read("neg_inf"),
  }),
  kernel("update_ratio", "Update ratio of the kernel", "ratio", { log: true, columns: ["update_ratio", "gap"] }),
  kernel("gradient_norm", "Gradient norm of the kernel", "ratio", { log: true }),
  kernel("moved", "Kernel moved since start", "share", {
    log: true,
    columns: ["displacement", "initial_norm"],
    read: (read) => read("displacement") / read("initial_norm"),
  }),
  kernel("cosine", "Direction of successive updates (cosine)", "number", { ends: [-1, 1] }),
  kernel("norm", "Norm of the kernel", "number", { log: true }),
];

export function statistic(id: string): Statistic {
  return statistics.find((one) => one.id === id) ?? (statistics[0] as Statistic);
}

type Options = Partial<Pick<Statistic, "columns" | "log" | "ends" | "read">>;

function layer(id: string, label: string, quantity: Quantity, options: Options): Statistic {
  return { id, label, quantity, table: "layers", columns: [id], log: false, ...options };
}

function kernel(id: string, label: string, quantity: Quantity, options: Options): Statistic {
  return { ...layer(id, label, quantity, options), table: "variables" };
}

const SHARE_COLUMNS = [
  "below_zero",
  "above_one",
  "saturated_units",
  "integers",
  "top_share",
  "changed",
  "lost",
  "duplicates",
  "gradient_zeros",
];

/** How numbers of a column are worded. */
export function quantityOf(column: string): Quantity {
  if (SHARE_COLUMNS.includes(column)) return "share";
  return statistics.find(({ columns }) => columns[0] === column)?.quantity ?? "number";
}

/** What a column is called: as the heat map calls it, else by its own name. */
export function columnLabel(column: string): string {
  const own = column.charAt(0).toUpperCase() + column.slice(1).replaceAll("_", " ");
  return statistics.find(({ id }) => id === column)?.label ?? own;
}
