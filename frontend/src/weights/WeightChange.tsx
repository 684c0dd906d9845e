/** Is every weight really changing: a row a variable, and a chart of the one that is chosen. */

import { useMemo } from "preact/hooks";
import { Failure, Loading } from "../app/States";
import { useDiagnosis } from "../overview/diagnosis";
import { useStore } from "../store";
import { type RunNumbers, useRunNumbers } from "./data";
import { rowAt, type Sorting, sorted, type VariableRow, variableSeries } from "./rows";
import { readSorting, writeSorting } from "./sorting";
import { VariableDetail } from "./VariableDetail";
import { VariableTable } from "./VariableTable";

export function WeightChange() {
  const store = useStore();
  const { status, value, message } = useRunNumbers();
  const rows = useRows(value ?? []);
  const { variable, sort } = store.state.value;
  const opened = rows.filter(({ series }) => series.variable === variable);
  const sorting = readSorting(sort);
  if (status === "failed") return <Failure message={message} />;
  if (!value) return <Loading what="weight change" />;
  if (value.length === 0) return <NoVariables />;
  return (
    <div class={`weights${opened.length ? " with-detail" : ""}`}>
      <VariableTable
        rows={sorted(rows, sorting)}
        sorting={sorting}
        onSort={(next: Sorting) => store.update({ sort: writeSorting(next) })}
        opened={opened.length ? variable : null}
        open={(name) => store.update({ variable: name === variable ? null : name })}
      />
      {opened.length > 0 && <VariableDetail rows={opened} close={() => store.update({ variable: null })} />}
    </div>
  );
}

/** All rows that the filter of layers lets through, at the step cursor. */
function useRows(numbers: readonly RunNumbers[]): VariableRow[] {
  const store = useStore();
  const diagnosis = useDiagnosis().value.value;
  const all = useMemo(
    () =>
      numbers.flatMap(({ run, variables, progress }) => {
        const found = diagnosis?.runs.find((one) => one.run === run.run);
        return variableSeries(run, variables, found).map((series) => ({ series, progress }));
      }),
    [numbers, diagnosis],
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
