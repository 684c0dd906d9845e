/** The loss of every step, smoothed if wanted, with another scalar of the runs beside it. */

import { useMemo } from "preact/hooks";
import { Chart } from "../../charts/Chart";
import { type Series, smooth } from "../../charts/series";
import type { ChartSpec, Line } from "../../charts/spec";
import type { Api } from "../../data/api";
import { useResource } from "../../data/resource";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";
import { Failure, Loading } from "../../ui/States";
import { choiceKey, choiceLabel, holder, readChoice, type ScalarChoice, scalarChoices } from "./scalars";

const MOST_SMOOTHING = 0.99;
const NONE: Series = { steps: [], values: [] };

interface LossOfRun {
  readonly name: string;
  readonly color: string;
  readonly loss: Series;
  readonly beside: Series;
}

export function LossChart({ height = 180 }: { height?: number }) {
  const store = useStore();
  const runs = store.chosen.value;
  const { smoothing, logLoss, beside: besideKey } = store.state.value;
  const beside = readChoice(besideKey);
  const key = JSON.stringify([store.generation.value, runs.map(({ run }) => run), besideKey]);
  const loaded = useResource(key, (signal) => load(store.api, runs, beside, signal));
  const choices = useChoices(runs);
  const { status, value, message } = loaded.value;
  const dark = store.dark.value;
  const spec = useMemo(() => {
    const named = (value ?? []).map((one) => ({
      ...one,
      name: one.run.title,
      color: store.colourOf(one.run),
    }));
    return lossSpec(named, beside && choiceLabel(beside), Math.min(MOST_SMOOTHING, smoothing), logLoss);
  }, [value, dark, smoothing, logLoss]);
  if (status === "failed") return <Failure message={message} />;
  if (!value) return <Loading what="loss" />;
  return (
    <Chart spec={spec} step={store.step.value} onStep={(step) => store.goTo(step)} dark={dark} height={height}>
      <label>
        Smoothing{" "}
        <input
          type="range"
          min="0"
          max={MOST_SMOOTHING}
          step="0.01"
          value={smoothing}
          onInput={(event) => store.update({ smoothing: Number(event.currentTarget.value) })}
        />
      </label>
      <label>
        <input
          type="checkbox"
          checked={logLoss}
          onChange={(event) => store.update({ logLoss: event.currentTarget.checked })}
        />{" "}
        Log scale
      </label>
      <BesideSelect choices={choices} chosen={besideKey} choose={(choice) => store.update({ beside: choice })} />
    </Chart>
  );
}

/** The loss of each run, and beside it, dashed and measured at the right, another scalar. */
export function lossSpec(
  runs: readonly LossOfRun[],
  besideName: string | null,
  smoothing: number,
  log: boolean,
): ChartSpec {
  const losses = runs.flatMap(({ name, color, loss }): Line[] => {
    const line: Line = { name, color, series: loss, unknown: "mark" };
    return smoothing > 0
      ? [
          { ...line, faint: true },
          { ...line, series: smooth(loss, smoothing), derived: true },
        ]
      : [line];
  });
  const others = runs
    .filter(({ beside }) => beside.steps.length > 0)
    .map(
      ({ name, color, beside }): Line => ({
        name: `${name}, ${besideName}`,
        color,
        series: beside,
        unknown: "mark",
        dashed: true,
        right: true,
      }),
    );
  return { title: "Loss", lines: [...losses, ...others], unit: "number", log };
}

/** What can be laid beside the loss, asked for at the same time as the losses. */
function useChoices(runs: readonly Run[]): readonly ScalarChoice[] {
  const { api, generation } = useStore();
  const key = JSON.stringify([generation.value, runs.map(({ run }) => run)]);
  const loaded = useResource(key, (signal) =>
    Promise.all(runs.map(async (run) => ({ run, names: (await api.scalarNames(run.run, signal)).scalars }))),
  );
  return scalarChoices(loaded.value.value ?? []);
}

interface BesideProps {
  readonly choices: readonly ScalarChoice[];
  /** Key of a choice, or empty. */
  readonly chosen: string;
  readonly choose: (key: string) => void;
}

function BesideSelect({ choices, chosen, choose }: BesideProps) {
  if (choices.length === 0) return null;
  return (
    <label>
      Beside it{" "}
      <select value={chosen} onChange={(event) => choose(event.currentTarget.value)}>
        <option value="">nothing</option>
        {choices.map((choice) => (
          <option key={choiceKey(choice)} value={choiceKey(choice)}>
            {choiceLabel(choice)}
          </option>
        ))}
      </select>
    </label>
  );
}

async function load(api: Api, runs: readonly Run[], beside: ScalarChoice | null, signal: AbortSignal) {
  return Promise.all(
    runs.map(async (run) => ({
      run,
      loss: await api.losses(run.run, signal),
      beside: beside ? await api.scalar(run.run, beside.tag, holder(run, beside), signal).catch(() => NONE) : NONE,
    })),
  );
}
