import { useMemo } from "preact/hooks";
import { count } from "../charts/format";
import { choices } from "../kernel";
import { findLayer } from "../network";
import type { Filters } from "../picture";
import { Panel } from "../pictures/Panel";
import { SeriesCard } from "../pictures/SeriesCard";
import type { Scene } from "../pictures/scene";
import { Select } from "../pictures/Toolbar";
import { useStore } from "../store";
import type { Run } from "../types";
import { shapeName } from "../words";
import { kernelView } from "./view";

export function KernelCard({ variable, layer }: { variable: string; layer: string }) {
  return (
    <SeriesCard
      kind="filters"
      name={variable}
      layer={layer}
      what="Filters"
      known={[findLayer(useStore().chosen.value, layer)?.kind]}
      facts={(scene) => <KernelFacts filters={scene.picture as Filters} />}
      panel={(run, scene, width) => <KernelPanel run={run} scene={scene} width={width} />}
    />
  );
}

const CHOICE_NAMES: Record<string, string> = {
  rgb: "inputs as red, green, blue",
  matrix: "in by out",
  inputs: "a row an input",
  largest: "input with the largest norm",
};

function KernelFacts({ filters }: { filters: Filters }) {
  const store = useStore();
  const [outputs = 0, inputs = 0, ...space] = filters.shape;
  const possible = choices(filters);
  const { inputShown } = store.state.value;
  return (
    <>
      <span>{`${shapeName([...space, inputs])} → ${count(outputs)}`}</span>
      {filters.filters.length < outputs && (
        <span>{`${count(filters.filters.length)} of ${count(outputs)} filters stored`}</span>
      )}
      {!filters.values && <span>norms and chosen slices, since the kernel is above 1 MB</span>}
      {possible.length > 1 && (
        <Select
          label="Show"
          value={possible.includes(inputShown) ? inputShown : possible[0]!}
          options={possible.map((name) => [name, CHOICE_NAMES[name] ?? `input ${name}`])}
          change={(value) => store.update({ inputShown: value })}
        />
      )}
    </>
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
