/** The view of filters: a card a kernel, in the order of the network. */
import { useEffect } from "preact/hooks";
import { layerOfVariable } from "../../model/network";
import { type Store, useStore } from "../../state/store";
import { LeftOut } from "../../ui/LeftOut";
import { Nothing } from "../../ui/States";
import { scrollToCard } from "../../ui/scroll";
import { PictureToolbar } from "../pictures/Toolbar";
import { KernelCard } from "./KernelCard";

const CODE = `fm.summary.filters("conv1/kernel", kernel, step=step, layer="conv1")`;

export function Filters() {
  const store = useStore();
  useEffect(() => scrollToCard(store.state.peek().layer ?? ""), []);
  const all = kernels(store);
  if (all.length === 0) return <Nothing title="The chosen runs have no filters" code={CODE} />;
  const layers = new Set(store.layersShown.value);
  const shown = all.filter(
    ({ variable, layer }) => layers.has(layer) || (!store.state.value.kind && store.layerFilter.accepts(variable)),
  );
  return (
    <section class="pictures" aria-label="Filters">
      <PictureToolbar kind="filters" />
      {shown.length === 0 && <p class="state">No kernel matches the filter</p>}
      {shown.map(({ variable, layer }) => (
        <KernelCard key={variable} variable={variable} layer={layer} />
      ))}
      <LeftOut parts={["filters", "pictures"]} />
    </section>
  );
}

/** Kernels in the order of their layers. */
function kernels(store: Store): readonly { variable: string; layer: string }[] {
  const runs = store.chosen.value;
  const names = new Set(
    runs.flatMap((run) => run.pictures.filter((series) => series.kind === "filters").map((series) => series.name)),
  );
  const found = [...names].map((variable) => ({ variable, layer: layerOfVariable(runs, variable) ?? variable }));
  const place = new Map(store.layers.value.map((name, index) => [name, index]));
  return found.sort((a, b) => (place.get(a.layer) ?? 1e9) - (place.get(b.layer) ?? 1e9));
}
