/** The channel's map at every kept step, in a strip that scrolls: only the tiles in sight are built and fetched. */
import { useSignal } from "@preact/signals";
import { useLayoutEffect, useMemo, useRef } from "preact/hooks";
import type { Maps } from "../../data/picture";
import { useResource } from "../../data/resource";
import { findSeries } from "../../model/network";
import { count } from "../../model/number_format";
import { shownStep } from "../../state/steps";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { useWidth } from "../../ui/hooks";
import { StillCanvas, singleTile } from "../pictures/MosaicCanvas";
import { loadPictureData } from "../pictures/picture_data";
import { mapsView } from "../pictures/view";
import type { Subject } from "./subject";

const SIDE = 40;
/** Width of a tile with its frame, as in the style sheet. */
const PITCH = 46;
const MOVES: Readonly<Record<string, (index: number, last: number) => number>> = {
  ArrowLeft: (index) => Math.max(0, index - 1),
  ArrowRight: (index, last) => Math.min(last, index + 1),
  Home: () => 0,
  End: (_, last) => last,
};

export function Strip({ run, subject }: { run: Run; subject: Subject }) {
  const store = useStore();
  const steps = findSeries(run, "maps", subject.layer)?.steps ?? [];
  const current = steps.indexOf(shownStep(steps, store.step.value) ?? Number.NaN);
  const [scroller, width] = useWidth<HTMLUListElement>();
  const scrolled = useSignal(0);
  const byKey = useRef(false);
  useLayoutEffect(() => {
    const place = scroller.current!;
    place.scrollLeft = Math.min(current * PITCH, Math.max((current + 1) * PITCH - width, place.scrollLeft));
    if (byKey.current) place.querySelector<HTMLElement>("[aria-current=true]")?.focus();
    byKey.current = false;
  }, [current, width]);
  const onKeyDown = (event: KeyboardEvent) => {
    const to = MOVES[event.key]?.(current, steps.length - 1);
    if (to === undefined) return;
    event.preventDefault();
    event.stopPropagation();
    byKey.current = true;
    store.goTo(steps[to]!);
  };
  const first = Math.max(0, Math.floor(scrolled.value / PITCH) - 1);
  const shown = steps.slice(first, Math.ceil((scrolled.value + width) / PITCH) + 1);
  return (
    <ul
      class="strip"
      aria-label={`Maps at ${count(steps.length)} steps`}
      ref={scroller}
      onScroll={(event) => (scrolled.value = event.currentTarget.scrollLeft)}
      onKeyDown={onKeyDown}
    >
      <li aria-hidden="true" style={{ flex: `0 0 ${first * PITCH}px` }} />
      {shown.map((step) => (
        <StripTile key={step} run={run} subject={subject} step={step} current={step === steps[current]} />
      ))}
      <li aria-hidden="true" style={{ flex: `0 0 ${(steps.length - first - shown.length) * PITCH}px` }} />
    </ul>
  );
}

function StripTile({ run, subject, step, current }: { run: Run; subject: Subject; step: number; current: boolean }) {
  const store = useStore();
  const { layer, channel } = subject;
  const request = {
    run,
    chosen: store.chosen.value,
    kind: "maps",
    name: layer,
    step,
    state: { ...store.state.value, difference: "none", order: "channel", only: "" },
  } as const;
  const key = JSON.stringify([run.run, layer, step, request.state.range, store.generation.value]);
  const data = useResource(key, (signal) => loadPictureData(store.api, request, signal)).value.value;
  const { image, range, low, high, clip, colours } = request.state;
  const view = useMemo(() => data && mapsView(data, request.state), [data, image, range, low, high, clip, colours]);
  const tile = data ? (data.picture as Maps).channels.indexOf(channel) : -1;
  const mosaic = view && tile >= 0 && singleTile(view.tiles, SIDE);
  return (
    <li>
      <button
        type="button"
        class="quiet"
        aria-label={`Step ${count(step)}`}
        aria-current={current}
        tabIndex={current ? 0 : -1}
        onClick={() => store.goTo(step)}
      >
        {mosaic && (
          <StillCanvas
            mosaic={mosaic}
            paint={(target) => view.paint(target, mosaic, [tile])}
            inputs={[view, tile]}
            label={`step ${step}`}
            data={{ "data-step": step }}
          />
        )}
        <span>{count(step)}</span>
      </button>
    </li>
  );
}
