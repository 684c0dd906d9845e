/** The update ratio of every kernel over the steps, and what logging costs. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../charts/Chart";
import { type Grid, toGrid } from "../../charts/grid";
import type { ChartSpec } from "../../charts/spec";
import { useResource } from "../../data/resource";
import { cssColour, ENTRIES, type Lut, lut } from "../../draw/lut";
import { shownName } from "../../model/names";
import { UPDATE_RATIO } from "../../model/statistics";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { Failure } from "../../ui/States";
import { costSentence } from "./cost";

export function RatioCharts() {
  return (
    <>
      {useStore().chosen.value.map((run) => (
        <RatioChart key={run.run} run={run} />
      ))}
    </>
  );
}

function RatioChart({ run }: { run: Run }) {
  const store = useStore();
  const dark = store.dark.value;
  const several = store.chosen.value.length > 1;
  const key = run.variable_rows.length ? JSON.stringify([store.generation.value, run.run]) : null;
  const loaded = useResource(key, async (signal) =>
    toGrid(run, await store.api.table(run.run, "variables", { columns: UPDATE_RATIO.columns }, signal), UPDATE_RATIO),
  );
  const { status, value, message } = loaded.value;
  const title = several ? `Update ratio by layer, ${run.title}` : "Update ratio by layer";
  const spec = useMemo(() => (value ? ratioSpec(title, value, lut("viridis"), dark) : null), [value, title, dark]);
  if (status === "failed") return <Failure message={message} />;
  if (!spec || spec.lines.length === 0) return null;
  return (
    <Chart
      spec={spec}
      step={store.step.value}
      onStep={(step) => store.goTo(step)}
      dark={dark}
      height={180}
      note="dark to bright: from input to output"
    />
  );
}

/** A line a kernel, coloured by depth from input to output, leaving out colours too near to the ground. */
function ratioSpec(title: string, grid: Grid, colours: Lut, dark: boolean): ChartSpec {
  const width = grid.steps.length;
  const [first, last] = dark ? [0.25, 1] : [0, 0.85];
  const lines = grid.rows.map(({ layer }, row) => {
    const depth = grid.rows.length < 2 ? 0 : row / (grid.rows.length - 1);
    return {
      name: layer,
      color: cssColour(colours[Math.round((first + depth * (last - first)) * (ENTRIES - 1))] as number),
      series: { steps: grid.steps, values: grid.values.subarray(row * width, (row + 1) * width) },
    };
  });
  return { title, lines, unit: UPDATE_RATIO.unit, log: UPDATE_RATIO.log, usual: UPDATE_RATIO.usual };
}

export function Cost() {
  const store = useStore();
  return (
    <section class="costs" aria-label="What logging costs">
      {store.chosen.value.map((run) => (
        <CostOf key={run.run} run={run} named={store.chosen.value.length > 1} />
      ))}
    </section>
  );
}

function CostOf({ run, named }: { run: Run; named: boolean }) {
  const { api, generation } = useStore();
  const loaded = useResource(JSON.stringify([generation.value, run.run]), (signal) =>
    api.table(run.run, "progress", {}, signal),
  );
  const sentence = loaded.value.value && costSentence(loaded.value.value);
  if (!sentence) return null;
  return (
    <p>
      What logging costs{named ? ` in ${shownName(run.title)}` : ""}: {sentence}
    </p>
  );
}
