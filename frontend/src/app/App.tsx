/** The frame: tabs, the step cursor, the lists at the left, and the view. */
import { Filters } from "../filters/Filters";
import { FeatureMaps } from "../maps/FeatureMaps";
import { Overview } from "../overview/Overview";
import type { View } from "../state";
import { useStore } from "../store";
import { Late } from "./Late";
import { Sidebar } from "./Sidebar";
import { EmptyState, Failure, Loading } from "./States";
import { StepCursor } from "./StepCursor";
import { Tabs } from "./Tabs";

const COMPONENTS: Record<View, () => preact.JSX.Element> = {
  overview: Overview,
  maps: FeatureMaps,
  filters: Filters,
  weights: () => <Late name="WeightChange" what="weight change" />,
};

export function App() {
  const store = useStore();
  const { status, message } = store.index.value;
  const runs = store.runs.value;
  if (status === "failed" && runs.length === 0) return <Failure message={message} retry={() => void store.reload()} />;
  if (status === "loading" || !store.prepared.value) return <Loading what="runs" />;
  if (runs.length === 0) return <EmptyState />;
  const { view, channel } = store.state.value;
  const Current = COMPONENTS[view];
  return (
    <>
      <header class="top">
        <Tabs />
        <StepCursor />
      </header>
      <div class="body">
        <div class="panes">
          <Sidebar />
          <div id={`view-${view}`} role="tabpanel" aria-labelledby={`tab-${view}`} class="view">
            {status === "failed" && (
              <Failure message={`Not up to date: ${message}`} retry={() => void store.reload()} />
            )}
            {store.chosen.value.length === 0 ? (
              <p class="state">Choose a run at the left to see it here</p>
            ) : (
              <Current />
            )}
          </div>
        </div>
        {channel !== null && (view === "maps" || view === "filters") && <Late name="ChannelDrawer" />}
      </div>
    </>
  );
}
