/** Why a finding is believed: its numbers, and the statistic over the steps with the usual range shaded. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../charts/Chart";
import { isBounded } from "../../charts/scale";
import type { Series } from "../../charts/series";
import type { ChartSpec } from "../../charts/spec";
import type { Api } from "../../data/api";
import { useResource } from "../../data/resource";
import { evidencePhrases } from "../../model/number_format";
import { columnLabel, quantityOf } from "../../model/statistics";
import { column, updateRatio } from "../../model/table";
import { useStore } from "../../state/store";
import type { Evidence, Finding, FindingChart, Run } from "../../types";
import { Failure, Loading } from "../../ui/States";

export function EvidenceView({ run, finding }: { run: Run; finding: Finding }) {
  return (
    <div class="evidence">
      {finding.chart && <EvidenceChart run={run} chart={finding.chart} />}
      <Numbers evidence={finding.evidence} />
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

function Numbers({ evidence }: { evidence: Evidence }) {
  return (
    <dl class="evidence-numbers">
      {evidencePhrases(evidence).map(([name, words]) => (
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
  const columns = name === "update_ratio" ? [name, "gap"] : [name];
  const numbers = await api.table(run.run, table, { columns, rows: table === "progress" ? [] : [row] }, signal);
  const from = numbers.rows.includes(row) ? row : (numbers.rows[0] ?? row);
  const values = name === "update_ratio" ? updateRatio(numbers, from) : column(numbers, from, name);
  return { steps: numbers.steps, values };
}

function evidenceSpec(chart: FindingChart, series: Series, color: string, name: string): ChartSpec {
  return {
    title: chart.label ?? columnLabel(chart.column),
    lines: [{ name, color, series, unknown: chart.table === "losses" ? "mark" : "gap" }],
    quantity: quantityOf(chart.column),
    log: chart.log ?? false,
    ...(chart.healthy && isBounded(chart.healthy) ? { healthy: chart.healthy } : {}),
  };
}
