import { useMemo } from "preact/hooks";
import { count, number } from "../charts/format";
import { findLayer } from "../network";
import type { Maps } from "../picture";
import { countMeeting } from "../pictures/order";
import { Panel } from "../pictures/Panel";
import { SeriesCard } from "../pictures/SeriesCard";
import type { Scene } from "../pictures/scene";
import { mapsView } from "../pictures/view";
import { extentOf } from "../range";
import { useStore } from "../store";
import type { Run } from "../types";
import { shapeName } from "../words";
import { ProbeImage } from "./ProbeImage";
import { SummaryNote } from "./SummaryNote";

export function MapsCard({ name }: { name: string }) {
  const store = useStore();
  const layer = findLayer(store.chosen.value, name);
  const activation = layer?.activation === "linear" ? null : layer?.activation;
  return (
    <SeriesCard
      kind="maps"
      name={name}
      layer={name}
      what="Feature maps"
      known={[layer?.kind, activation]}
      facts={(scene) => <MapsFacts maps={scene.picture as Maps} />}
      aside={(run, scene) => <ProbeImage run={run} maps={scene.picture as Maps} step={store.step.value ?? 0} />}
      panel={(run, scene, width) => <MapsPanel run={run} scene={scene} width={width} />}
    />
  );
}

/** What is known of the layer at this step. */
function MapsFacts({ maps }: { maps: Maps }) {
  const [, channels, ...space] = maps.shape as [number, number, ...number[]];
  useStore().noteSize("inputs", "images", maps.images.length);
  const dead = countMeeting(maps, "dead");
  const highest = extentOf(maps.stats.get("max") ?? []).high;
  return (
    <>
      <span>{shapeName([...space, channels])}</span>
      {maps.reduced > 1 && <span>shown reduced {maps.reduced} times</span>}
      {maps.channels.length < channels && (
        <span>{`${count(maps.channels.length)} of ${count(channels)} channels stored`}</span>
      )}
      {dead > 0 && <span class="warned">{count(dead)} dead</span>}
      <span>max {number(highest)}</span>
    </>
  );
}

function MapsPanel({ run, scene, width }: { run: Run; scene: Scene; width: number }) {
  const { value: state } = useStore().state;
  const { image, range, low, high, clip, colours, order, only } = state;
  const view = useMemo(() => mapsView(scene, state), [scene, image, range, low, high, clip, colours, order, only]);
  if (!view)
    return <p class="state muted">The two pictures have different shapes, so there is no difference to show</p>;
  if (view.order.length === 0) return <p class="state muted">No channel matches</p>;
  return (
    <>
      <Panel
        run={run}
        picture={scene.picture}
        view={view}
        step={scene.step}
        width={width}
        label={`Feature maps of ${scene.picture.name}`}
      />
      {view.style.asSummary && <SummaryNote view={view} />}
    </>
  );
}
