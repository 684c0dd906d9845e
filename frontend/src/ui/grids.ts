/** The chosen statistic of every layer over the steps, for every chosen run: what the heat map paints and what the bars beside the layers measure. */

import { useMemo } from "preact/hooks";
import { type Grid, gridScale, toGrid } from "../charts/grid";
import type { Bounds, Scale } from "../charts/scale";
import type { Api } from "../data/api";
import { type Resource, useResource } from "../data/resource";
import { reports } from "../model/reports";
import { type Statistic, statistic as statisticOf, statistics } from "../model/statistics";
import { useDiagnosis, useStore } from "../state/store";
import type { Diagnosis, Run } from "../types";

export interface RunNumbers {
  readonly run: Run;
  readonly grid: Grid;
}

export interface Grids {
  readonly statistic: Statistic;
  readonly grids: readonly RunNumbers[];
}

export interface ChosenGrids {
  /** What is asked for; while it is on its way, `loaded` still holds the statistic before. */
  readonly wanted: Statistic;
  readonly loaded: Resource<Grids>;
  readonly scale: Scale | null;
  readonly healthy: Bounds | undefined;
}

/** Waits for the diagnosis, which says what to show first. */
export function useGrids(): ChosenGrids {
  const store = useStore();
  const { status, value: diagnosis } = useDiagnosis().value;
  const runs = store.chosen.value;
  const wanted = statisticOf(store.state.value.statistic || defaultStatistic(runs, diagnosis));
  const settled = diagnosis !== null || status === "failed";
  const key = runs.length && settled ? [store.generation.value, wanted.id, runs.map(({ run }) => run)] : null;
  const loaded = useResource(key && JSON.stringify(key), (signal) => load(store.api, runs, wanted, signal)).value;
  const shown = loaded.value;
  const healthy = shown ? healthyOf(diagnosis, shown.statistic) : undefined;
  const scale = useMemo(() => (shown ? scaleOf(shown, healthy) : null), [shown, healthy]);
  return { wanted, loaded, scale, healthy };
}

function scaleOf({ statistic, grids }: Grids, healthy: Bounds | undefined): Scale {
  return gridScale(
    grids.map(({ grid }) => grid),
    statistic,
    healthy,
  );
}

/** What the worst headline was told by; else the first statistic. */
function defaultStatistic(runs: readonly Run[], diagnosis: Diagnosis | null): string {
  const worst = diagnosis && reports(runs, diagnosis, () => false)[0]?.headlines[0]?.finding.chart;
  return (worst && statistics.find(({ id, table }) => id === worst.column && table === worst.table)?.id) || "";
}

function healthyOf(diagnosis: Diagnosis | null, { table, columns, id }: Statistic): Bounds | undefined {
  const ranges = diagnosis?.healthy?.[table];
  return ranges?.[id] ?? (columns.length === 1 ? ranges?.[columns[0] as string] : undefined);
}

async function load(api: Api, runs: readonly Run[], statistic: Statistic, signal: AbortSignal): Promise<Grids> {
  const grids = await Promise.all(
    runs.map(async (run) => {
      const rows = statistic.table === "layers" ? run.layer_rows : run.variable_rows;
      const table =
        rows.length === 0 ? NOTHING : await api.table(run.run, statistic.table, { columns: statistic.columns }, signal);
      return { run, grid: toGrid(run, table, statistic) };
    }),
  );
  return { statistic, grids };
}

const NOTHING = { rows: [], columns: [], steps: new Float64Array(), values: new Float32Array() };
