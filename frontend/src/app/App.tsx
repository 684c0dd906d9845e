/** The frame: tabs, the step cursor, the lists at the left, and the view. */
import { Filters } from "../filters/Filters";
import { FeatureMaps } from "../maps/FeatureMaps";
import { Overview } from "../overview/Overview";
import type { View } from "../state";
import { useStore } from "../store";
import { WeightChange } from "../weights/WeightChange";
import { EmptyState, Failure, Loading } from "./States";
import { Tabs } from "./Tabs";

const COMPONENTS: Record<View, () => preact.JSX.Element> = {
  overview: Overview,
  maps: FeatureMaps,
  filters: Filters,
  weights: WeightChange,
};

export function App() {
  const store = useStore();
  const { status, message } = store.index.value;
  const runs = store.runs.value;
  if (status === "failed" && runs.length === 0) return <Failure message={message} retry={() => void store.reload()} />;
  if (status === "loading") return <Loading what="runs" />;
  if (runs.length === 0) return <EmptyState />;
  const { view } = store.state.value;
  const Current = COMPONENTS[view];
  return (
    <>
      <header class="top">
        <Tabs />
      </header>
      <div id={`view-${view}`} role="tabpanel" aria-labelledby={`tab-${view}`} class="view">
        <Current />
      </div>
    </>
  );
}
