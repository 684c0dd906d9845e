/** A channel over the steps: what became of it, its statistics, and its map again and again. */

import type { Channels } from "../../data/frames";
import { useResource } from "../../data/resource";
import { drawTiles } from "../../draw/draw";
import { lut } from "../../draw/lut";
import { layOut } from "../../draw/mosaic";
import { channelSeries, conditions, healthChanges } from "../../model/channel_health";
import { shownName } from "../../model/names";
import { findSeries } from "../../model/network";
import { count, counted, number } from "../../model/number_format";
import { extentOf, type Limits, widened } from "../../model/range";
import { indexAtOrBefore } from "../../state/steps";
import { useStore } from "../../state/store";
import type { Condition, Run } from "../../types.gen";
import { MosaicCanvas } from "../pictures/MosaicCanvas";
import { ORDER_NAMES } from "../pictures/order";
import { ScaleBar } from "../pictures/ScaleBar";
import { Strip } from "./Strip";
import type { Subject } from "./subject";

const WIDTH = 352;
const STATISTICS = ["mean", "max", "std", "zeros"] as const;

export function ChannelHealth({ run, subject }: { run: Run; subject: Subject }) {
  const store = useStore();
  const { layer } = subject;
  const channels = useResource(JSON.stringify([run.run, layer, store.generation.value]), (signal) =>
    store.api.channels(run.run, "maps", layer, signal),
  ).value;
  if (!channels.value) return null;
  return (
    <>
      <h3>
        Over the steps{" "}
        <span class="muted">{counted(findSeries(run, "maps", layer)?.steps.length ?? 0, "map")} kept</span>
      </h3>
      <Strip run={run} subject={subject} />
      <Changes channels={channels.value} channel={subject.channel} />
      {STATISTICS.map((name) => (
        <Sparkline key={name} name={name} channels={channels.value!} channel={subject.channel} />
      ))}
      <TimeMap run={run} channels={channels.value} subject={subject} />
    </>
  );
}

function Changes({ channels, channel }: { channels: Channels; channel: number }) {
  const states = conditions(channels, channel);
  const changes = healthChanges(channels.steps, states);
  const name = (state: Condition) => <b class={state === "alive" ? undefined : "warned"}>{state}</b>;
  if (changes.length === 0) return <p>{states[0] ? <>{name(states[0])} at every step</> : "No statistics are kept"}</p>;
  return (
    <p>
      {name(states[0]!)} at first
      {changes.map(({ step, to }) => (
        <span key={step}>
          , {name(to)} from step {count(step)}
        </span>
      ))}
    </p>
  );
}

/** One statistic as a line, with its value at the cursor. */
function Sparkline({ name, channels, channel }: { name: string; channels: Channels; channel: number }) {
  const step = useStore().step.value ?? 0;
  const series = channelSeries(channels, name, channel);
  const { low, high } = widened(extentOf(series));
  const x = (i: number) => (series.length > 1 ? (i * 200) / (series.length - 1) : 0);
  const points = [...series]
    .map((value, i) => [x(i), 22 - (20 * (value - low)) / (high - low)] as const)
    .filter(([, y]) => Number.isFinite(y));
  const at = Math.max(0, indexAtOrBefore(channels.steps, step));
  return (
    <p class="spark">
      <span class="muted">{name}</span>
      <svg
        width="200"
        height="24"
        role="img"
        aria-label={`${name} over the steps, from ${number(low)} to ${number(high)}`}
      >
        <polyline points={points.join(" ")} fill="none" stroke="currentColor" />
        <line x1={x(at)} x2={x(at)} y1="0" y2="24" stroke="var(--selected)" />
      </svg>
      <span>{number(series[at] ?? Number.NaN)}</span>
    </p>
  );
}

/** All channels of the layer over the steps: a row a channel, a column a step, the colour the statistic that channels are sorted by. */
function TimeMap({ run, channels, subject }: { run: Run; channels: Channels; subject: Subject }) {
  const store = useStore();
  const { order } = store.state.value;
  const statistic = channels.stats.includes(order) ? order : "mean";
  const [rows, columns] = [channels.channels, channels.steps.length];
  const values = new Float32Array(rows * columns);
  for (let row = 0; row < rows; row++) values.set(channelSeries(channels, statistic, row), row * columns);
  const limits: Limits = widened(extentOf(values));
  const size = { slices: 1, rows, columns };
  const mosaic = { ...layOut({ ...size, count: 1 }, WIDTH, 160) };
  const tiles = { ...size, count: 1, values, lows: null, highs: null, labels: [0] };
  return (
    <details class="time-map">
      <summary>
        All channels of {shownName(subject.layer)} by steps: {ORDER_NAMES[statistic]}
      </summary>
      <MosaicCanvas
        mosaic={mosaic}
        paint={(target) => drawTiles(target, mosaic, tiles, [0], [limits], { lut: lut("cividis"), asSummary: false })}
        inputs={[channels, statistic]}
        label={`${ORDER_NAMES[statistic]} of the channels of ${shownName(subject.layer)} by steps, ${shownName(run.title)}`}
        data={{ "data-kind": "time", "data-name": subject.layer, "data-run": run.run }}
        describe={({ row, column }) =>
          `ch ${row}, step ${count(channels.steps[column]!)}: ${number(values[row * columns + column]!)}`
        }
        hovered={() => undefined}
        chosen={({ row, column }) => store.update({ channel: row, step: channels.steps[column]! })}
        outlined={null}
      />
      <ScaleBar lut={lut("cividis")} limits={limits} caption="channels down, steps across" />
    </details>
  );
}
