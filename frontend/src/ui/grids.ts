/** The chosen statistic of every layer over the steps, for every chosen run: what the heat map paints and what the bars beside the layers measure. */

import { useMemo } from "preact/hooks";
import { type Grid, gridScale, toGrid } from "../charts/grid";
import type { Scale } from "../charts/scale";
import type { Api } from "../data/api";
import { type Resource, useResource } from "../data/resource";
import { reports } from "../model/reports";
import { statistic as statisticOf } from "../model/statistics";
import { heatMap, type Statistic } from "../schema.gen";
import { useDiagnosis, useStore } from "../state/store";
import type { Diagnosis, Run } from "../types.gen";

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
}

/** Waits for the diagnosis, which says what to show first. */
export function useGrids(): ChosenGrids {
  const store = useStore();
  const { status, value: diagnosis } = useDiagnosis().value;
  const runs = store.chosen.value;
  const wanted = statisticOf(store.state.value.statistic || defaultStatistic(runs, diagnosis));
  const settled = diagnosis !== null || status === "failed";
  const key = runs.length && settled ? [store.generation.value, wanted.name, runs.map(({ run }) => run)] : null;
  const loaded = useResource(key && JSON.stringify(key), (signal) => load(store.api, runs, wanted, signal)).value;
  const shown = loaded.value;
  const scale = useMemo(() => (shown ? scaleOf(shown) : null), [shown]);
  return { wanted, loaded, scale };
}

function scaleOf({ statistic, grids }: Grids): Scale {
  return gridScale(
    grids.map(({ grid }) => grid),
    statistic,
  );
}

/** What the worst headline was told by; else the first statistic. */
function defaultStatistic(runs: readonly Run[], diagnosis: Diagnosis | null): string {
  const worst = diagnosis && reports(runs, diagnosis, () => false)[0]?.headlines[0]?.finding.chart;
  return (worst && heatMap.find(({ name, table }) => name === worst.column && table === worst.table)?.name) || "";
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
