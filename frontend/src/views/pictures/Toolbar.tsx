/** How pictures are looked at: chosen here, never at logging. */
import { COLOUR_MAPS, type ColourMap } from "../../draw/lut";
import { shownName } from "../../model/names";
import { RANGES, type Range, rangeWords } from "../../model/range";
import { DIFFERENCES, type Difference, ORDERS, type Order, type ViewState } from "../../state/state";
import { useStore } from "../../state/store";
import { CONDITIONS, ORDER_NAMES } from "./order";

type PictureView = "maps" | "filters";

function rangeName(kind: PictureView, range: Range): string {
  const name = rangeWords(range).name;
  return kind === "maps" ? name : name.replace("channel", "filter").replace("layer", "kernel");
}

function orderName(kind: PictureView, order: Order): string {
  return kind === "filters" && order === "channel" ? "filter" : ORDER_NAMES[order];
}

const DIFFERENCE_NAMES: Record<Difference, string> = {
  none: "nothing",
  first: "first step",
  previous: "previous step",
  step: "a chosen step",
  run: "another run",
};

const ORDERS_OF: Record<PictureView, readonly Order[]> = {
  maps: ["channel", "mean", "max", "std", "zeros", "spread", "change"],
  filters: ["channel", "norm", "mean", "max", "std", "change", "alike"],
};

export function PictureToolbar({ kind }: { kind: PictureView }) {
  const store = useStore();
  const { state } = store;
  const isMaps = kind === "maps";
  const range = isMaps ? state.value.range : state.value.filterRange;
  const colours = isMaps ? state.value.colours : state.value.filterColours;
  const set = (patch: Partial<ViewState>) => store.update(patch);
  return (
    <div class="toolbar" role="toolbar" aria-label="How pictures are shown">
      <Select
        label="Range"
        value={range}
        options={RANGES.map((name) => [name, rangeName(kind, name)])}
        change={(value) => set(isMaps ? { range: value } : { filterRange: value })}
      />
      {range === "fixed" && <NumberBox label="Low" value={state.value.low} change={(low) => set({ low })} />}
      {range === "fixed" && <NumberBox label="High" value={state.value.high} change={(high) => set({ high })} />}
      {range === "percentile" && (
        <NumberBox label="Clip (%)" value={state.value.clip} min={0} max={49} change={(clip) => set({ clip })} />
      )}
      <Select<ColourMap>
        label="Colour map"
        value={colours}
        options={COLOUR_MAPS.map((name) => [name, name])}
        change={(value) => set(isMaps ? { colours: value } : { filterColours: value })}
      />
      <Select<Order>
        label="Sort"
        value={state.value.order}
        options={ORDERS.filter((name) => ORDERS_OF[kind].includes(name)).map((name) => [name, orderName(kind, name)])}
        change={(order) => set({ order })}
      />
      {isMaps && (
        <Select
          label="Show"
          value={state.value.only}
          options={[["", "all channels"], ...Object.entries(CONDITIONS)]}
          change={(only) => set({ only })}
        />
      )}
      <DifferenceChoice />
      {isMaps && <ImageChoice />}
      <Select
        label="Zoom"
        value={String(state.value.zoom)}
        options={[["0", "fit"], ...[1, 2, 3, 4, 6, 8, 16, 32].map((zoom) => [String(zoom), `${zoom}×`] as const)]}
        change={(zoom) => set({ zoom: Number(zoom) })}
      />
    </div>
  );
}

function DifferenceChoice() {
  const store = useStore();
  const { difference, differenceStep, differenceRun } = store.state.value;
  const others = store.chosen.value;
  const allowed = DIFFERENCES.filter((name) => name !== "run" || others.length > 1);
  return (
    <>
      <Select<Difference>
        label="Subtract"
        value={difference}
        options={allowed.map((name) => [name, DIFFERENCE_NAMES[name]])}
        change={(value) =>
          store.update({
            difference: value,
            differenceStep: differenceStep ?? store.step.value,
            differenceRun: differenceRun ?? others[0]?.run ?? null,
          })
        }
      />
      {difference === "step" && (
        <Select
          label="Step to subtract"
          value={String(differenceStep)}
          options={store.steps.value.map((step) => [String(step), String(step)])}
          change={(value) => store.update({ differenceStep: Number(value) })}
        />
      )}
      {difference === "run" && (
        <Select
          label="Run to subtract"
          value={differenceRun ?? ""}
          options={others.map((run) => [run.run, shownName(run.title)])}
          change={(value) => store.update({ differenceRun: value })}
        />
      )}
    </>
  );
}

/** Which of the probe's inputs the maps are of. */
function ImageChoice() {
  const store = useStore();
  const stored = store.sizes.value.get("inputs images") ?? 1;
  if (stored < 2) return null;
  const image = Math.min(store.state.value.image, stored - 1);
  const choices = Array.from({ length: stored }, (_, i) => [String(i), `${i + 1} of ${stored}`] as const);
  return (
    <Select
      label="Image"
      value={String(image)}
      options={choices}
      change={(value) => store.update({ image: Number(value) })}
    />
  );
}

interface SelectProps<T extends string> {
  readonly label: string;
  readonly value: T;
  readonly options: readonly (readonly [T, string])[];
  readonly change: (value: T) => void;
}

export function Select<T extends string>({ label, value, options, change }: SelectProps<T>) {
  return (
    <label class="field">
      <span>{label}</span>
      <select aria-label={label} value={value} onChange={(event) => change(event.currentTarget.value as T)}>
        {options.map(([name, words]) => (
          <option key={name} value={name}>
            {words}
          </option>
        ))}
      </select>
    </label>
  );
}

interface NumberBoxProps {
  readonly label: string;
  readonly value: number;
  readonly min?: number;
  readonly max?: number;
  readonly change: (value: number) => void;
}

function NumberBox({ label, value, min, max, change }: NumberBoxProps) {
  const take = (text: string) => {
    const next = Number(text);
    if (text !== "" && Number.isFinite(next)) change(Math.min(max ?? next, Math.max(min ?? next, next)));
  };
  return (
    <label class="field">
      <span>{label}</span>
      <input
        type="number"
        aria-label={label}
        value={value}
        min={min}
        max={max}
        step="any"
        onChange={(event) => take(event.currentTarget.value)}
      />
    </label>
  );
}
