import { useMemo } from "preact/hooks";
import type { Maps } from "../../data/picture";
import { countMarks } from "../../draw/marks";
import { activationName } from "../../model/activation";
import { shownName } from "../../model/names";
import { findLayer } from "../../model/network";
import { count, number, share } from "../../model/number_format";
import { extentOf } from "../../model/range";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { shapeName } from "../../ui/words";
import { countMeeting } from "../pictures/order";
import { Panel } from "../pictures/Panel";
import { ProbeImage } from "../pictures/ProbeImage";
import type { PictureData } from "../pictures/picture_data";
import { SeriesCard } from "../pictures/SeriesCard";
import { mapsView, type PictureView } from "../pictures/view";

export function MapsCard({ name }: { name: string }) {
  const store = useStore();
  const layer = findLayer(store.chosen.value, name);
  const activation = layer?.activation ?? null;
  return (
    <SeriesCard
      kind="maps"
      name={name}
      layer={name}
      what="Feature maps"
      known={[layer?.kind, activationName(activation) === "linear" ? null : activation]}
      facts={(data) => <MapsFacts maps={data.picture as Maps} />}
      aside={(run, data) => <ProbeImage run={run} maps={data.picture as Maps} step={store.step.value ?? 0} />}
      panel={(run, data, width) => <MapsPanel run={run} data={data} width={width} />}
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

function MapsPanel({ run, data, width }: { run: Run; data: PictureData; width: number }) {
  const { value: state } = useStore().state;
  const { image, range, low, high, clip, colours, order, only } = state;
  const view = useMemo(() => mapsView(data, state), [data, image, range, low, high, clip, colours, order, only]);
  if (!view)
    return <p class="state muted">The two pictures have different shapes, so there is no difference to show</p>;
  if (view.order.length === 0) return <p class="state muted">No channel matches</p>;
  return (
    <>
      <Panel
        run={run}
        picture={data.picture}
        view={view}
        step={data.step}
        width={width}
        label={`Feature maps of ${shownName(data.picture.name)}`}
      />
      {view.style.asSummary && <SummaryNote view={view} />}
    </>
  );
}

/** Why such a picture comes out white or black, in a line. */
function SummaryNote({ view }: { view: PictureView }) {
  const { low, high, values } = countMarks(view.tiles, view.limits);
  const part = (count: number) => (count === 0 ? "none" : share(count / values));
  return (
    <p class="note">
      tf.summary.image cuts values to 0…1: {part(high)} are above 1 and come out white, {part(low)} are below 0 and come
      out black. {high / values > 0.5 ? "The white is the scale of the values, not the layer." : ""}
    </p>
  );
}
