/** The numbers of the weight-change table, fetched for the rows that are in sight or that decide their order. */

import type { Api, TableParts } from "../../data/api";
import type { Table } from "../../data/frames";
import { type Resource, useResource } from "../../data/resource";
import { RequestError } from "../../data/source";
import type { NumberTable } from "../../model/table";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { networkOrder, TABLE_COLUMNS } from "./rows";

/** Rows that are fetched together, in the order of the network: about a screen of them. */
const BLOCK_ROWS = 24;
const NOTHING: NumberTable = { rows: [], columns: [], steps: new Float64Array(), values: new Float32Array() };

export interface RunNumbers {
  readonly run: Run;
  readonly blocks: readonly Table[];
  readonly progress: Table | null;
}

/** The table that holds a variable; an empty one while it is not loaded. */
export function tableOf(numbers: RunNumbers | undefined, variable: string): NumberTable {
  return numbers?.blocks.find(({ rows }) => rows.includes(variable)) ?? NOTHING;
}

/** Numbers of at least the wanted variables; null: of all. */
export function useRunNumbers(
  runs: readonly Run[],
  wanted: ((run: Run) => ReadonlySet<string>) | null,
): Resource<readonly RunNumbers[]> {
  const { api, generation } = useStore();
  const asked = runs.map((run) => [run, blocksOf(run, wanted?.(run))] as const);
  const key = JSON.stringify([
    generation.value,
    asked.map(([{ run }, blocks]) => [run, blocks.map(([first]) => first)]),
  ]);
  return useResource(key, (signal) => Promise.all(asked.map(([run, blocks]) => load(api, run, blocks, signal)))).value;
}

function blocksOf(run: Run, wanted: ReadonlySet<string> | undefined): readonly (readonly string[])[] {
  const names = networkOrder(run, run.variable_rows);
  return Array.from({ length: Math.ceil(names.length / BLOCK_ROWS) }, (_, i) =>
    names.slice(i * BLOCK_ROWS, (i + 1) * BLOCK_ROWS),
  ).filter((block) => !wanted || block.some((name) => wanted.has(name)));
}

async function load(
  api: Api,
  run: Run,
  blocks: readonly (readonly string[])[],
  signal: AbortSignal,
): Promise<RunNumbers> {
  const table = (parts: TableParts) => api.table(run.run, "variables", { columns: TABLE_COLUMNS, ...parts }, signal);
  const rates = api.table(run.run, "progress", { columns: ["learning_rate"] }, signal).catch(() => null);
  const loaded = blocks.map((rows) =>
    table({ rows }).catch((error) => {
      // Rows that were announced and could not be read after all: whatever rows there are.
      if (error instanceof RequestError && error.status === 404) return table({});
      throw error;
    }),
  );
  return { run, blocks: await Promise.all(loaded), progress: await rates };
}
