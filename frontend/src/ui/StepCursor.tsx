/** One cursor over the steps that exist: a slider, keys everywhere, and play. */
import { useSignalEffect } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { count } from "../model/number_format";
import { PLUGIN_NAME } from "../schema.gen";
import { indexAtOrBefore } from "../state/steps";
import { type Store, useDiagnosis, useStore } from "../state/store";
import type { Run } from "../types.gen";
import { isTyping } from "./words";

const FRAME_MS = 400;

const MOVES: Record<string, (index: number, last: number) => number> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  Home: () => 0,
  End: (_, last) => last,
};

export function StepCursor() {
  const store = useStore();
  const steps = store.steps.value;
  const step = store.step.value;
  const last = steps.length - 1;
  const index = step === null ? 0 : indexAtOrBefore(steps, step);
  useStepKeys();
  usePlay();
  if (step === null) return <p class="steps muted">No steps to choose from</p>;
  const kept = keptSteps(store.chosen.value);
  return (
    <fieldset class="steps" aria-label="Step cursor">
      <button
        type="button"
        class="quiet"
        aria-label="Previous step"
        disabled={index === 0}
        onClick={() => move(store, (at) => at - 1)}
      >
        ‹
      </button>
      <input
        type="range"
        aria-label="Step"
        aria-valuetext={`step ${count(step)}`}
        data-step={step}
        list="finding-steps"
        min={0}
        max={last}
        value={index}
        onInput={(event) => move(store, () => Number(event.currentTarget.value))}
      />
      <FindingMarks steps={steps} />
      <button
        type="button"
        class="quiet"
        aria-label="Next step"
        disabled={index === last}
        onClick={() => move(store, (at) => at + 1)}
      >
        ›
      </button>
      <button type="button" class="quiet" aria-pressed={store.playing.value} onClick={() => togglePlay(store)}>
        {store.playing.value ? "Pause" : "Play"}
      </button>
      <output class="step-now">
        step <b>{count(step)}</b> of {count(steps[last]!)}
      </output>
      <span
        class="muted kept"
        title={`TensorBoard keeps a sample of the steps; --samples_per_plugin=${PLUGIN_NAME}=0 keeps all`}
      >
        {kept}
      </span>
    </fieldset>
  );
}

/** Ticks on the slider's track where findings begin. */
function FindingMarks({ steps }: { steps: readonly number[] }) {
  const findings = useDiagnosis().value.value?.runs.flatMap((run) => run.findings) ?? [];
  const marks = new Set(findings.map((finding) => Math.max(0, indexAtOrBefore(steps, finding.first_step))));
  return (
    <datalist id="finding-steps">
      {[...marks].map((index) => (
        <option key={index} value={index} />
      ))}
    </datalist>
  );
}

/** "23 of 400 steps kept", of the chosen run that lost most. */
function keptSteps(runs: readonly Run[]): string {
  const counts = runs.map((run) => [run.steps.length, run.logged_steps ?? run.steps.length] as const);
  if (counts.length === 0) return "";
  const [kept, logged] = counts.reduce((a, b) => (b[0] / b[1] < a[0] / a[1] ? b : a));
  return `${count(kept)} of ${count(logged)} steps kept`;
}

/** Moves the cursor from where it stands now, which may be further than what was last drawn: keys repeat faster than effects run. */
function move(store: Store, by: (index: number, last: number) => number): void {
  const steps = store.steps.value;
  const last = steps.length - 1;
  const target = steps[Math.min(last, Math.max(0, by(indexAtOrBefore(steps, store.step.value ?? 0), last)))];
  if (target !== undefined) store.goTo(target);
}

function togglePlay(store: Store): void {
  const atEnd = store.step.value === store.steps.value.at(-1);
  if (!store.playing.value && atEnd && store.steps.value[0] !== undefined) store.goTo(store.steps.value[0]);
  store.playing.value = !store.playing.value;
}

/** Arrows, Home, End and Space move the cursor wherever the focus is, unless something there uses the key itself. */
function useStepKeys(): void {
  const store = useStore();
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent) => {
      if (event.defaultPrevented || event.ctrlKey || event.metaKey || event.altKey || isTyping(event.target)) return;
      if (event.key === " " && !(event.target as Element).closest?.("button, a, summary")) togglePlay(store);
      else if (MOVES[event.key]) move(store, MOVES[event.key]!);
      else return;
      event.preventDefault();
    };
    document.addEventListener("keydown", onKeyDown);
    return () => document.removeEventListener("keydown", onKeyDown);
  }, [store]);
}

/** While playing, the next step comes after a while, until the last one. */
function usePlay(): void {
  const store = useStore();
  useSignalEffect(() => {
    if (!store.playing.value || !store.visible.value) return;
    const next = store.steps.value[indexAtOrBefore(store.steps.value, store.step.value ?? 0) + 1];
    const timer = setTimeout(() => {
      if (next === undefined) store.playing.value = false;
      else store.goTo(next);
    }, FRAME_MS);
    return () => clearTimeout(timer);
  });
}
