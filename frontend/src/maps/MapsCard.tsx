import { useMemo } from "preact/hooks";
import { count, number } from "../charts/format";
import { findLayer, findSeries } from "../network";
import type { Maps } from "../picture";
import { Card, SceneState, useScene } from "../pictures/Card";
import { useWidth } from "../pictures/hooks";
import { countMeeting } from "../pictures/order";
import { Panel } from "../pictures/Panel";
import { RunName } from "../pictures/RunName";
import type { Scene } from "../pictures/scene";
import { mapsView } from "../pictures/view";
import { extentOf } from "../range";
import { useStore } from "../store";
import type { Run } from "../types";
import { shapeName } from "../words";
import { ProbeImage } from "./ProbeImage";
import { SummaryNote } from "./SummaryNote";

/** One layer: the same tile of every chosen run above the same tile. */
export function MapsCard({ name }: { name: string }) {
  const store = useStore();
  const runs = store.chosen.value.filter((run) => findSeries(run, "maps", name));
  const layer = findLayer(runs, name);
  return (
    <Card
      name={name}
      layer={name}
      title={`Feature maps of ${name}`}
      body={(nearby) => (
        <>
          <h3>
            <span class="muted">Feature maps of</span> {name}
            {layer?.kind && <small> · {layer.kind}</small>}
            {layer?.activation && <small> · {layer.activation}</small>}
          </h3>
          {runs.map((run) => (
            <RunMaps key={run.run} run={run} name={name} nearby={nearby} />
          ))}
        </>
      )}
    />
  );
}

function RunMaps({ run, name, nearby }: { run: Run; name: string; nearby: boolean }) {
  const store = useStore();
  const chosen = store.chosen.value;
  const step = store.step.value ?? 0;
  const scene = useScene({ run, chosen, kind: "maps", name, step, state: store.state.value }, nearby);
  const [element, width] = useWidth<HTMLDivElement>();
  return (
    <div class="run-row">
      <SceneState scene={scene}>{(loaded) => <MapsHeading run={run} scene={loaded} />}</SceneState>
      <div class="beside">
        {scene.value && nearby && <ProbeImage run={run} maps={scene.value.picture as Maps} step={step} />}
        <div class="room" ref={element}>
          {scene.value && width > 0 && <MapsPanel run={run} scene={scene.value} width={width} />}
        </div>
      </div>
    </div>
  );
}

/** What is known of the layer at this step, in a line. */
function MapsHeading({ run, scene }: { run: Run; scene: Scene }) {
  const store = useStore();
  const maps = scene.picture as Maps;
  const [, channels, ...space] = maps.shape as [number, number, ...number[]];
  store.noteSize("inputs", "images", maps.images.length);
  const dead = countMeeting(maps, "dead");
  const highest = extentOf(maps.stats.get("max") ?? []).high;
  const cursor = store.step.value;
  return (
    <p class="facts">
      <RunName run={run} />
      <span>{shapeName([...space, channels])}</span>
      {maps.reduced > 1 && <span>shown reduced {maps.reduced} times</span>}
      {maps.channels.length < channels && (
        <span>{`${count(maps.channels.length)} of ${count(channels)} channels stored`}</span>
      )}
      {dead > 0 && <span class="warned">{count(dead)} dead</span>}
      <span>max {number(highest)}</span>
      {scene.step !== cursor && <span>picture of step {count(scene.step)}</span>}
      {scene.baselineStep !== null && <span>minus step {count(scene.baselineStep)}</span>}
    </p>
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
