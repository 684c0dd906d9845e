import { useMemo } from "preact/hooks";
import type { Filters } from "../../data/picture";
import { choices } from "../../model/kernel";
import { shownName } from "../../model/names";
import { findLayer } from "../../model/network";
import { count } from "../../model/number_format";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { shapeName } from "../../ui/words";
import { Panel } from "../pictures/Panel";
import type { PictureData } from "../pictures/picture_data";
import { SeriesCard } from "../pictures/SeriesCard";
import { Select } from "../pictures/Toolbar";
import { kernelView } from "./view";

export function KernelCard({ variable, layer }: { variable: string; layer: string }) {
  return (
    <SeriesCard
      kind="filters"
      name={variable}
      layer={layer}
      what="Filters"
      known={[findLayer(useStore().chosen.value, layer)?.kind]}
      facts={(data) => <KernelFacts filters={data.picture as Filters} />}
      panel={(run, data, width) => <KernelPanel run={run} data={data} width={width} />}
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

function KernelPanel({ run, data, width }: { run: Run; data: PictureData; width: number }) {
  const { value: state } = useStore().state;
  const { filterRange, low, high, clip, filterColours, order, inputShown, difference } = state;
  const view = useMemo(
    () => kernelView(data, state),
    [data, filterRange, low, high, clip, filterColours, order, inputShown, difference],
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
      picture={data.picture}
      view={view}
      step={data.step}
      width={width}
      label={`Filters of ${shownName(data.picture.name)}`}
    >
      {view.inNorms && <span class="muted">{view.inNorms}</span>}
    </Panel>
  );
}
