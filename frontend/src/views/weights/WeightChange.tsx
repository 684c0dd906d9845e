/** Is every weight really changing: a row a variable, and a chart of the one that is chosen. */

import { useSignal } from "@preact/signals";
import { useMemo } from "preact/hooks";
import { useDiagnosis, useStore } from "../../state/store";
import type { Diagnosis, Run } from "../../types.gen";
import { Failure, Loading } from "../../ui/States";
import { type RunNumbers, tableOf, useRunNumbers } from "./data";
import { needsNumbers, rowAt, type Sorting, sorted, type VariableRow, variableSeries } from "./rows";
import { readSorting, writeSorting } from "./sorting";
import { VariableDetail } from "./VariableDetail";
import { VariableTable } from "./VariableTable";
import { type Window, windowOf } from "./window";

/** What is taken to be in sight until that is known. */
const FIRST_SIGHT = windowOf(Number.POSITIVE_INFINITY, 0, 1000);
const NO_NUMBERS: readonly RunNumbers[] = [];

export function WeightChange() {
  const store = useStore();
  const { variable, sort } = store.state.value;
  const sorting = readSorting(sort);
  const sight = useSignal(FIRST_SIGHT);
  const runs = store.chosen.value.filter(({ variable_rows }) => variable_rows.length > 0);
  const diagnosis = useDiagnosis().value.value;
  const named = sorted(useRows(runs, NO_NUMBERS, diagnosis), sorting);
  const wanted = needsNumbers(sorting) ? null : namesInSight(named, sight.value, variable);
  const { status, value, message } = useRunNumbers(runs, wanted);
  const rows = sorted(useRows(runs, value ?? NO_NUMBERS, diagnosis), sorting);
  const opened = rows.filter(({ series }) => series.variable === variable);
  if (runs.length === 0) return <NoVariables />;
  if (status === "failed") return <Failure message={message} />;
  if (!value) return <Loading what="weight change" />;
  return (
    <div class={`weights${opened.length ? " with-detail" : ""}`}>
      <VariableTable
        rows={rows}
        sorting={sorting}
        onSort={(next: Sorting) => store.update({ sort: writeSorting(next) })}
        opened={opened.length ? variable : null}
        open={(name) => store.update({ variable: name === variable ? null : name })}
        onSight={(next) => (sight.value = next)}
      />
      {opened.length > 0 && <VariableDetail rows={opened} close={() => store.update({ variable: null })} />}
    </div>
  );
}

/** Which variables of a run are in sight or opened. */
function namesInSight(rows: readonly VariableRow[], { start, stop }: Window, opened: string | null) {
  const near = rows.slice(start, stop).map(({ series }) => series);
  return (run: Run): ReadonlySet<string> =>
    new Set([opened ?? "", ...near.filter((series) => series.run === run).map((series) => series.variable)]);
}

/** All rows that the filter of layers lets through, at the step cursor; without numbers where those are not loaded. */
function useRows(
  runs: readonly Run[],
  numbers: readonly RunNumbers[],
  diagnosis: Diagnosis | null,
): readonly VariableRow[] {
  const store = useStore();
  const all = useMemo(
    () =>
      runs.flatMap((run) => {
        const found = diagnosis?.runs.find((one) => one.run === run.run);
        const own = numbers.find((one) => one.run.run === run.run);
        const series = variableSeries(run, run.variable_rows, (variable) => tableOf(own, variable), found);
        return series.map((one) => ({ series: one, progress: own?.progress ?? null }));
      }),
    [store.chosen.value, numbers, diagnosis],
  );
  const shown = new Set(store.layersShown.value);
  const accepted = all.filter(({ series: { layer, variable } }) =>
    layer === null ? store.layerFilter.accepts(variable) : shown.has(layer),
  );
  return accepted.map(({ series, progress }) => rowAt(series, store.step.value, progress));
}

function NoVariables() {
  return (
    <div class="state">
      <p>The chosen runs have logged no weights</p>
      <p>
        <code>FeatureMapCallback</code> and <code>watch</code> log them by themselves; with a monitor, hand them over at
        every step:
      </p>
      <pre>monitor.log(step, weights=lambda: model_weights())</pre>
    </div>
  );
}
