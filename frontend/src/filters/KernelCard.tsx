import { useMemo } from "preact/hooks";
import { count } from "../charts/format";
import { choices } from "../kernel";
import { findLayer, findSeries } from "../network";
import type { Filters } from "../picture";
import { Card, SceneState, useScene } from "../pictures/Card";
import { useWidth } from "../pictures/hooks";
import { Panel } from "../pictures/Panel";
import { RunName } from "../pictures/RunName";
import type { Scene } from "../pictures/scene";
import { Select } from "../pictures/Toolbar";
import { useStore } from "../store";
import type { Run } from "../types";
import { shapeName } from "../words";
import { kernelView } from "./view";

/** One kernel: every chosen run's filters, one above the other. */
export function KernelCard({ variable, layer }: { variable: string; layer: string }) {
  const store = useStore();
  const runs = store.chosen.value.filter((run) => findSeries(run, "filters", variable));
  const kind = findLayer(runs, layer)?.kind;
  return (
    <Card
      name={variable}
      layer={layer}
      title={`Filters of ${variable}`}
      body={(nearby) => (
        <>
          <h3>
            <span class="muted">Filters of</span> {variable}
            {kind && <small> · {kind}</small>}
          </h3>
          {runs.map((run) => (
            <RunFilters key={run.run} run={run} variable={variable} nearby={nearby} />
          ))}
        </>
      )}
    />
  );
}

function RunFilters({ run, variable, nearby }: { run: Run; variable: string; nearby: boolean }) {
  const store = useStore();
  const chosen = store.chosen.value;
  const scene = useScene(
    { run, chosen, kind: "filters", name: variable, step: store.step.value ?? 0, state: store.state.value },
    nearby,
  );
  const [element, width] = useWidth<HTMLDivElement>();
  return (
    <div class="run-row room" ref={element}>
      <SceneState scene={scene}>
        {(loaded) => (
          <>
            <KernelHeading run={run} scene={loaded} />
            {width > 0 && <KernelPanel run={run} scene={loaded} width={width} />}
          </>
        )}
      </SceneState>
    </div>
  );
}

const CHOICE_NAMES: Record<string, string> = {
  rgb: "inputs as red, green, blue",
  matrix: "in by out",
  inputs: "a row an input",
  largest: "input with the largest norm",
};

function KernelHeading({ run, scene }: { run: Run; scene: Scene }) {
  const store = useStore();
  const filters = scene.picture as Filters;
  const [outputs = 0, inputs = 0, ...space] = filters.shape;
  const possible = choices(filters);
  const { inputShown } = store.state.value;
  return (
    <p class="facts">
      <RunName run={run} />
      <span>{`${shapeName([...space, inputs])} → ${count(outputs)}`}</span>
      {filters.filters.length < outputs && (
        <span>{`${count(filters.filters.length)} of ${count(outputs)} filters stored`}</span>
      )}
      {!filters.values && <span>norms and chosen slices, since the kernel is above 1 MB</span>}
      {scene.step !== store.step.value && <span>picture of step {count(scene.step)}</span>}
      {scene.baselineStep !== null && <span>minus step {count(scene.baselineStep)}</span>}
      {possible.length > 1 && (
        <Select
          label="Show"
          value={possible.includes(inputShown) ? inputShown : possible[0]!}
          options={possible.map((name) => [name, CHOICE_NAMES[name] ?? `input ${name}`])}
          change={(value) => store.update({ inputShown: value })}
        />
      )}
    </p>
  );
}

function KernelPanel({ run, scene, width }: { run: Run; scene: Scene; width: number }) {
  const { value: state } = useStore().state;
  const { filterRange, low, high, clip, filterColours, order, inputShown, difference } = state;
  const view = useMemo(
    () => kernelView(scene, state),
    [scene, filterRange, low, high, clip, filterColours, order, inputShown, difference],
  );
  if (!view)
    return (
      <p class="state muted">
        This difference was not kept: large kernels have differences to the first and the previous step
      </p>
    );
  return (
    <Panel
      run={run}
      picture={scene.picture}
      view={view}
      step={scene.step}
      width={width}
      label={`Filters of ${scene.picture.name}`}
    >
      {view.inNorms && <span class="muted">{view.inNorms}</span>}
    </Panel>
  );
}
