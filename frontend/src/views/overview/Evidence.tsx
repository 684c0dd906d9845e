/** Why a finding is believed: its numbers, and the statistic over the steps with the usual range shaded. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../charts/Chart";
import type { Series } from "../../charts/series";
import type { ChartSpec } from "../../charts/spec";
import type { Api } from "../../data/api";
import { useResource } from "../../data/resource";
import { columnStatistic, statisticSeries, unitOf } from "../../model/statistics";
import { useStore } from "../../state/store";
import type { Finding, Chart as FindingChart, Run } from "../../types.gen";
import { Failure, Loading } from "../../ui/States";

export function EvidenceView({ run, finding }: { run: Run; finding: Finding }) {
  return (
    <div class="evidence">
      {finding.chart && <EvidenceChart run={run} chart={finding.chart} />}
      <Numbers shown={finding.shown} />
    </div>
  );
}

function EvidenceChart({ run, chart }: { run: Run; chart: FindingChart }) {
  const store = useStore();
  const key = JSON.stringify([store.generation.value, run.run, chart]);
  const series = useResource(key, (signal) => loadSeries(store.api, run, chart, signal));
  const { status, value, message } = series.value;
  const color = store.colourOf(run);
  const spec = useMemo(() => (value ? evidenceSpec(chart, value, color, run.title) : null), [value, color, run.title]);
  if (status === "failed") return <Failure message={message} />;
  if (!spec) return <Loading what="evidence" />;
  return (
    <Chart
      spec={spec}
      step={store.step.value}
      onStep={(step) => store.goTo(step)}
      dark={store.dark.value}
      height={140}
    />
  );
}

function Numbers({ shown }: Pick<Finding, "shown">) {
  return (
    <dl class="evidence-numbers">
      {shown.map(([name, words]) => (
        <div key={name}>
          <dt>{name}</dt>
          <dd>{words}</dd>
        </div>
      ))}
    </dl>
  );
}

async function loadSeries(
  api: Api,
  run: Run,
  { table, row, column: name }: FindingChart,
  signal: AbortSignal,
): Promise<Series> {
  if (table === "losses") return api.losses(run.run, signal);
  const statistic = columnStatistic(table, name);
  const numbers = await api.table(run.run, table, { columns: statistic.columns, rows: [row] }, signal);
  return { steps: numbers.steps, values: statisticSeries(numbers, row, statistic) };
}

function evidenceSpec(chart: FindingChart, series: Series, color: string, name: string): ChartSpec {
  return {
    title: chart.label,
    lines: [{ name, color, series, unknown: chart.table === "losses" ? "mark" : "gap" }],
    unit: unitOf(chart),
    log: chart.log,
    usual: chart.healthy ?? undefined,
  };
}
