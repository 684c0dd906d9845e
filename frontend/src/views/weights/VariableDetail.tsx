/** Everything about one variable over the steps, for every chosen run, on the shared step cursor. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../charts/Chart";
import type { ChartSpec } from "../../charts/spec";
import type { Api } from "../../data/api";
import type { Table } from "../../data/frames";
import { useResource } from "../../data/resource";
import { shownName } from "../../model/names";
import { count } from "../../model/number_format";
import { useStore } from "../../state/store";
import { Failure, Loading } from "../../ui/States";
import { LossChart } from "../overview/LossChart";
import {
  BAND_COLUMNS,
  CHART_COLUMNS,
  directionChart,
  distributionChart,
  movedChart,
  ratioChart,
  resumedAt,
  resumeWords,
  type Traced,
} from "./detail_specs";
import type { VariableRow } from "./rows";
import { VerdictMark } from "./verdicts";

const HEIGHT = 150;

export function VariableDetail({ rows, close }: { rows: readonly VariableRow[]; close: () => void }) {
  const store = useStore();
  const variable = rows[0]?.series.variable as string;
  const runs = rows.map(({ series }) => series.run.run);
  const key = JSON.stringify([store.generation.value, variable, runs]);
  const loaded = useResource(key, (signal) => load(store.api, variable, runs, signal));
  const { status, value, message } = loaded.value;
  return (
    <section class="variable-detail" aria-label={`${shownName(variable)} over the steps`}>
      <DetailHead rows={rows} close={close} />
      {status === "failed" && <Failure message={message} />}
      {value && value.variable === variable ? (
        <DetailCharts rows={rows} tables={value.tables} />
      ) : (
        status === "loading" && <Loading what={shownName(variable)} />
      )}
    </section>
  );
}

function DetailHead({ rows, close }: { rows: readonly VariableRow[]; close: () => void }) {
  const store = useStore();
  const { run, variable, layer, size } = (rows[0] as VariableRow).series;
  const shape = run.record?.variable_shapes[variable];
  const dtype = run.record?.variable_dtypes[variable];
  const described = [shape?.join("×"), dtype, `${count(size)} entries`].filter(Boolean).join(" · ");
  const hasFilter = run.pictures.some(({ kind, name }) => kind === "filters" && name === variable);
  return (
    <header>
      <h2>{shownName(variable)}</h2>
      <span class="variable-size">{described}</span>
      {hasFilter && (
        <button type="button" onClick={() => store.open("filters", { variable, layer })}>
          See its filters
        </button>
      )}
      <button type="button" class="quiet close" onClick={close}>
        Close
      </button>
      {rows.map(({ series }) => (
        <p key={series.run.run}>
          {rows.length > 1 && <span class="run-dot" style={{ background: store.colourOf(series.run) }} />}
          {rows.length > 1 && `${shownName(series.run.title)}: `}
          <VerdictMark verdict={series.verdict} />
          {series.verdictMessage && ` ${series.verdictMessage}`}
        </p>
      ))}
    </header>
  );
}

function DetailCharts({ rows, tables }: { rows: readonly VariableRow[]; tables: readonly Table[] }) {
  const store = useStore();
  const dark = store.dark.value;
  const { charts, resumes } = useMemo(() => {
    const traced = rows.map(
      ({ series: { run, variable } }, i): Traced => ({
        name: run.title,
        color: store.colourOf(run),
        variable,
        table: tables[i] as Table,
      }),
    );
    const spread = traced.map((one) => distributionChart(traced.length > 1 ? `Values, ${one.name}` : "Values", one));
    const charts = [ratioChart(traced), movedChart(traced), directionChart(traced), ...spread];
    return { charts, resumes: resumeWords(resumedAt(traced)) };
  }, [tables, dark]);
  const show = (spec: ChartSpec, note?: string) => (
    <Chart
      key={spec.title}
      spec={spec}
      step={store.step.value}
      onStep={(step) => store.goTo(step)}
      dark={dark}
      height={HEIGHT}
      {...(note ? { note } : {})}
    />
  );
  const [ratio, moved, direction, ...distributions] = charts as [ChartSpec, ChartSpec, ChartSpec, ...ChartSpec[]];
  return (
    <div class="chart-row">
      {show(ratio)}
      {show(moved, `dashed: what as many updates in random directions would give${resumes}`)}
      {show(direction, "1 straight on, 0 unrelated, -1 straight back")}
      {distributions.map((spec) => show(spec, "bands: 7 to 93 %, 16 to 84 %, 31 to 69 % of the weights"))}
      <LossChart height={HEIGHT} />
    </div>
  );
}

async function load(api: Api, variable: string, runs: readonly string[], signal: AbortSignal) {
  const columns = [...CHART_COLUMNS, ...BAND_COLUMNS];
  const tables = await Promise.all(
    runs.map((run) => api.table(run, "variables", { columns, rows: [variable] }, signal)),
  );
  return { variable, tables };
}
