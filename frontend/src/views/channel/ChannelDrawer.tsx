/** The page of one channel: its map, its filter, what it looks at, and its health over the steps. */
import { useEffect, useRef } from "preact/hooks";
import { shownName } from "../../model/names";
import { findSeries, layerOfVariable } from "../../model/network";
import { type Store, useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { RunName } from "../pictures/RunName";
import { ChannelFilter } from "./ChannelFilter";
import { ChannelHealth } from "./ChannelHealth";
import { ChannelMap } from "./ChannelMap";
import { kernelOfChannels } from "./source";
import type { Subject } from "./subject";

export function ChannelDrawer() {
  const store = useStore();
  const subject = subjectOf(store);
  const drawer = useRef<HTMLElement>(null);
  const close = () => store.update({ channel: null, pixel: null });
  useEffect(() => drawer.current?.focus(), []);
  if (!subject) return null;
  const { layer, channel } = subject;
  const last = channelCount(store, subject) - 1;
  const go = (to: number) => store.update({ channel: Math.min(last, Math.max(0, to)) });
  const onKeyDown = (event: KeyboardEvent) => {
    if (event.key === "Escape") close();
    else if (event.key === "ArrowLeft") go(channel - 1);
    else if (event.key === "ArrowRight") go(channel + 1);
    else return;
    event.preventDefault();
  };
  const runs = store.chosen.value.filter(
    (run) => findSeries(run, "maps", layer) || (subject.variable && findSeries(run, "filters", subject.variable)),
  );
  return (
    <aside
      class="drawer"
      ref={drawer}
      tabIndex={-1}
      aria-label={`Channel ${channel} of ${shownName(layer)}`}
      onKeyDown={onKeyDown}
    >
      <header>
        <button
          type="button"
          class="quiet"
          aria-label="Previous channel"
          disabled={channel === 0}
          onClick={() => go(channel - 1)}
        >
          ‹
        </button>
        <h2>
          {shownName(layer)} <span class="muted">channel</span> {channel}
        </h2>
        <button
          type="button"
          class="quiet"
          aria-label="Next channel"
          disabled={channel >= last}
          onClick={() => go(channel + 1)}
        >
          ›
        </button>
        <button type="button" class="quiet" onClick={close}>
          Close
        </button>
      </header>
      {runs.length === 0 && <p class="state muted">The chosen runs have not logged this</p>}
      {runs.map((run) => (
        <RunChannel key={`${run.run} ${layer}`} run={run} subject={subject} />
      ))}
    </aside>
  );
}

function RunChannel({ run, subject }: { run: Run; subject: Subject }) {
  const { layer, variable } = subject;
  return (
    <section>
      <RunName run={run} />
      {findSeries(run, "maps", layer) && <ChannelMap run={run} subject={subject} />}
      {variable && findSeries(run, "filters", variable) && (
        <ChannelFilter run={run} variable={variable} filter={subject.channel} />
      )}
      {findSeries(run, "maps", layer) && <ChannelHealth run={run} subject={subject} />}
    </section>
  );
}

/** The channel that the state names, as layer and kernel together; null where it names none. */
function subjectOf(store: Store): Subject | null {
  const { layer, variable, channel, view } = store.state.value;
  const runs = store.chosen.value;
  if (channel === null) return null;
  if (view !== "filters" || !variable)
    return layer === null ? null : { layer, variable: kernelOfChannels(runs, layer), channel };
  const owner = layerOfVariable(runs, variable);
  // A layer's other kernels have no filter a channel: they have pages without a map.
  return { layer: owner && kernelOfChannels(runs, owner) === variable ? owner : variable, variable, channel };
}

/** How many channels the layer has, as far as a run says: bounded by what was logged. */
function channelCount(store: Store, { layer, variable, channel }: Subject): number {
  const sizes = store.sizes.value;
  return Math.max(channel + 1, sizes.get(`maps ${layer}`) ?? 0, sizes.get(`filters ${variable}`) ?? 0);
}
