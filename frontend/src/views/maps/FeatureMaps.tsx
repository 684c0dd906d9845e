/** The view of feature maps: a card a layer, in the order of the network. */
import { useEffect } from "preact/hooks";
import { findSeries } from "../../model/network";
import { useStore } from "../../state/store";
import { LeftOut } from "../../ui/LeftOut";
import { Nothing } from "../../ui/States";
import { scrollToCard } from "../../ui/scroll";
import { PictureToolbar } from "../pictures/Toolbar";
import { MapsCard } from "./MapsCard";

const CODE = `fm.summary.feature_maps("conv1", activations, step=step)`;

export function FeatureMaps() {
  const store = useStore();
  useEffect(() => scrollToCard(store.state.peek().layer ?? ""), []);
  const runs = store.chosen.value;
  const withMaps = store.layers.value.filter((name) => runs.some((run) => findSeries(run, "maps", name)));
  if (withMaps.length === 0) return <Nothing title="The chosen runs have no feature maps" code={CODE} />;
  const shown = store.layersShown.value.filter((name) => withMaps.includes(name));
  return (
    <section class="pictures" aria-label="Feature maps">
      <PictureToolbar kind="maps" />
      {shown.length === 0 && <p class="state">No layer with feature maps matches the filter</p>}
      {shown.map((name) => (
        <MapsCard key={name} name={name} />
      ))}
      <LeftOut parts={["maps", "activations", "inputs", "pictures"]} />
    </section>
  );
}
