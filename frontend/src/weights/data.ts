/** The numbers of the weight-change table, for every chosen run. */

import type { Api } from "../api";
import { type Resource, useResource } from "../resource";
import { useStore } from "../store";
import type { Run, Table } from "../types";
import { TABLE_COLUMNS } from "./rows";

export interface RunNumbers {
  readonly run: Run;
  readonly variables: Table;
  readonly progress: Table | null;
}

export function useRunNumbers(): Resource<readonly RunNumbers[]> {
  const { api, chosen, generation } = useStore();
  const runs = chosen.value.filter(({ variable_rows }) => variable_rows.length > 0);
  const key = JSON.stringify([generation.value, runs.map(({ run }) => run)]);
  return useResource(key, (signal) => Promise.all(runs.map((run) => load(api, run, signal)))).value;
}

async function load(api: Api, run: Run, signal: AbortSignal): Promise<RunNumbers> {
  const variables = await api.table(run.run, "variables", { columns: TABLE_COLUMNS }, signal);
  const progress = await api.table(run.run, "progress", { columns: ["learning_rate"] }, signal).catch(() => null);
  return { run, variables, progress };
}
