/** Columns and statistics of the catalogue by name, and how a statistic is read from the packed tables. */

import { type Column, heatMap, layerColumns, lossColumns, type Statistic, variableColumns } from "../schema.gen";
import type { Chart } from "../types.gen";
import { column, comparable, type NumberTable } from "./table";

const COLUMNS: Readonly<Record<Chart["table"], readonly Column[]>> = {
  layers: layerColumns,
  variables: variableColumns,
  losses: lossColumns,
};

/** A statistic of the heat map; the first where there is none of this name. */
export function statistic(name: string): Statistic {
  return heatMap.find((one) => one.name === name) ?? heatMap[0]!;
}

/** One column as a statistic: as the heat map has it, else as it stands in the table. */
export function columnStatistic(table: Exclude<Chart["table"], "losses">, name: string): Statistic {
  const known = COLUMNS[table].find((one) => one.name === name) ?? { name, title: name, unit: "number", log: false };
  return (
    heatMap.find((one) => one.table === table && one.name === name) ?? {
      ...known,
      table,
      columns: [name],
      how: "value",
    }
  );
}

/** Drawn in the overview, in the table of variables and in the charts of each. */
export const UPDATE_RATIO = statistic("update_ratio");

export function unitOf({ table, column }: Pick<Chart, "table" | "column">): Column["unit"] {
  return COLUMNS[table].find(({ name }) => name === column)?.unit ?? "number";
}

/** A statistic of one row over the steps; NaN where it is not known. */
export function statisticSeries(table: NumberTable, row: string, { columns, how }: Statistic): Float32Array {
  const [first, ...others] = columns.map((name) => column(table, row, name)) as [Float32Array, ...Float32Array[]];
  switch (how) {
    case "value":
      return first;
    case "sum":
      return first.map((value, time) => others.reduce((sum, one) => sum + one[time]!, value));
    case "ratio":
      return first.map((value, time) => value / others[0]![time]!);
    case "comparable":
      return comparable(first, others[0]!);
  }
}
