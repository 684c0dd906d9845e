/** The frame: tabs, the step cursor, the lists at the left, and the view. */

import { signal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { LOADING, type Resource, ready } from "./data/resource";
import type { View } from "./state/state";
import { useStore } from "./state/store";
import { Damage } from "./ui/Damage";
import { Sidebar } from "./ui/Sidebar";
import { EmptyState, Failure, Loading } from "./ui/States";
import { StepCursor } from "./ui/StepCursor";
import { Tabs } from "./ui/Tabs";
import { Filters } from "./views/filters/Filters";
import { FeatureMaps } from "./views/maps/FeatureMaps";
import { Overview } from "./views/overview/Overview";

/** Parts of the dashboard whose code is loaded when they are first shown. */
type Parts = typeof import("./lazy");

const parts = signal<Resource<Parts>>(LOADING);

async function load(): Promise<void> {
  try {
    parts.value = ready(await import("./lazy"));
  } catch {
    parts.value = { status: "failed", value: null, message: "A part of the page could not be loaded; reload it" };
  }
}

const COMPONENTS: Record<View, () => preact.JSX.Element> = {
  overview: () => <Overview comparison={<Comparison />} />,
  maps: FeatureMaps,
  filters: Filters,
  weights: () => <Lazy name="WeightChange" what="weight change" />,
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
            <Damage />
            {store.chosen.value.length === 0 ? (
              <p class="state">Choose a run at the left to see it here</p>
            ) : (
              <Current />
            )}
          </div>
        </div>
        {channel !== null && (view === "maps" || view === "filters") && <Lazy name="ChannelDrawer" />}
      </div>
    </>
  );
}

/** Only where two runs are compared. */
function Comparison() {
  return useStore().state.value.compare ? <Lazy name="ComparisonPanel" what="comparison" /> : null;
}

/** `what` names the part while it is on its way; without it there is nothing to see. */
function Lazy({ name, what }: { name: keyof Parts; what?: string }) {
  const { value, status, message } = parts.value;
  useEffect(() => {
    if (!value) void load();
  }, []);
  if (status === "failed") return <Failure message={message} />;
  if (!value) return what ? <Loading what={what} /> : null;
  const Part = value[name];
  return <Part />;
}
