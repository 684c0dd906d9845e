/** Layers by steps for one statistic, every chosen run on the same colour scale; a click goes to that layer and step. */

import { useMemo } from "preact/hooks";
import type { Api } from "../api";
import { Failure, Loading } from "../app/States";
import type { Bounds } from "../charts/scale";
import { type Lut, lut } from "../lut";
import { useResource } from "../resource";
import { useStore } from "../store";
import type { Diagnosis, Run } from "../types";
import { type Grid, gridScale, toGrid } from "./grid";
import { RunGrid } from "./RunGrid";
import { reports } from "./reports";
import { ScaleBar } from "./ScaleBar";
import { type Statistic, statistic as statisticOf, statistics } from "./statistics";

interface Loaded {
  readonly statistic: Statistic;
  readonly grids: readonly { readonly run: Run; readonly grid: Grid }[];
}

export function HeatMap({ diagnosis }: { diagnosis: Diagnosis | null }) {
  const store = useStore();
  const runs = store.chosen.value;
  const wanted = statisticOf(store.state.value.statistic || defaultStatistic(runs, diagnosis));
  const key = runs.length ? JSON.stringify([store.generation.value, wanted.id, runs.map(({ run }) => run)]) : null;
  const { status, value, message } = useResource(key, (signal) => load(store.api, runs, wanted, signal)).value;
  return (
    <section class="heat-map" aria-label="Layers by steps">
      {value && <Drawn loaded={value} diagnosis={diagnosis} wanted={wanted} />}
      {status === "failed" && <Failure message={message} />}
      {!value && status === "loading" && <Loading what="statistics" />}
    </section>
  );
}

interface DrawnProps {
  readonly loaded: Loaded;
  readonly diagnosis: Diagnosis | null;
  readonly wanted: Statistic;
}

function Drawn({ loaded: { statistic, grids }, diagnosis, wanted }: DrawnProps) {
  const healthy = healthyOf(diagnosis, statistic);
  const scale = useMemo(
    () =>
      gridScale(
        grids.map(({ grid }) => grid),
        statistic,
        healthy,
      ),
    [grids, statistic, healthy],
  );
  const colours = useColours(statistic);
  return (
    <>
      <header>
        <StatisticSelect chosen={wanted} />
        <ScaleBar scale={scale} quantity={statistic.quantity} colours={colours} {...(healthy ? { healthy } : {})} />
      </header>
      {grids.map(({ run, grid }) => {
        const findings = diagnosis?.runs.find((one) => one.run === run.run)?.findings ?? [];
        return (
          <RunGrid key={run.run} {...{ run, grid, scale, colours, statistic, findings }} titled={grids.length > 1} />
        );
      })}
    </>
  );
}

function StatisticSelect({ chosen }: { chosen: Statistic }) {
  const store = useStore();
  return (
    <select
      aria-label="Statistic"
      value={chosen.id}
      onChange={(event) => store.update({ statistic: event.currentTarget.value })}
    >
      {statistics.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}

/** Signed statistics are always diverging; others take the chosen colour map, unless that is for signed values. */
function useColours({ ends }: Statistic): Lut {
  const { colours } = useStore().state.value;
  if (ends && ends[0] < 0) return lut("diverging");
  return lut(colours === "diverging" ? "viridis" : colours);
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

async function load(api: Api, runs: readonly Run[], statistic: Statistic, signal: AbortSignal): Promise<Loaded> {
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
