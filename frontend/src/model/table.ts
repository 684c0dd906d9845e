/** Reading of packed number tables: values are [steps, rows, columns], row-major, NaN where a number is not known. */

export interface NumberTable {
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly steps: Float64Array;
  readonly values: Float32Array;
}

/** One number; NaN where the row or the column does not exist. */
export function cell(table: NumberTable, time: number, row: string, column: string): number {
  return reader(table, row, column)(time);
}

/** One statistic of one row over the steps. */
export function column(table: NumberTable, row: string, name: string): Float32Array {
  const read = reader(table, row, name);
  return Float32Array.from(table.steps, (_, time) => read(time));
}

/** A function from the index of a step to a number: names are looked up once. */
export function reader(table: NumberTable, row: string, name: string): (time: number) => number {
  const r = table.rows.indexOf(row);
  const k = table.columns.indexOf(name);
  if (r < 0 || k < 0) return () => Number.NaN;
  const stride = table.rows.length * table.columns.length;
  const offset = r * table.columns.length + k;
  return (time) => table.values[time * stride + offset] ?? Number.NaN;
}

/**
 * Leaves out updates over more training steps than the others, such as the one before the last record of a run: they are
 * longer for that alone. Where all are over several steps, all stay.
 */
export function comparable(values: Float32Array, gaps: ArrayLike<number>): Float32Array {
  const least = Math.min(...Array.from(gaps).filter((gap) => gap > 0));
  return values.map((value, time) => ((gaps[time] as number) > least ? Number.NaN : value));
}
