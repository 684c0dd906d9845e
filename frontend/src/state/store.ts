/** Everything components read and do: one state, one index of what exists, and what follows from the two. */
import { batch, computed, type ReadonlySignal, type Signal, signal } from "@preact/signals";
import { createContext } from "preact";
import { useContext } from "preact/hooks";
import type { Api } from "../data/api";
import { failed, LOADING, type Resource, ready, useResource } from "../data/resource";
import type { Hit } from "../draw/mosaic";
import { runColour } from "../draw/palette";
import { RegexFilter } from "../model/natural";
import { layerNames, matchesKind } from "../model/network";
import type { Diagnosis, PictureKind, Run, Runs } from "../types.gen";
import { decodeState, encodeState, type View, type ViewState } from "./state";
import { shownStep, union } from "./steps";

const DEFAULT_RUNS = 2;

interface Hovered {
  readonly kind: PictureKind;
  readonly name: string;
  readonly channel: number;
  readonly place: Hit;
}

export class Store {
  readonly state: Signal<ViewState>;
  readonly index: Signal<Resource<Runs>> = signal(LOADING);
  /** False while the first pictures are on their way: the page is laid out when they have come. */
  readonly prepared = signal(true);
  readonly dark = signal(false);
  /** False while TensorBoard shows another tab: nothing is fetched or drawn then. */
  readonly visible = signal(true);
  /** Grows with every reload; part of the key of whatever must be fetched again. */
  readonly generation = signal(0);
  readonly playing = signal(false);
  /** Whether the step cursor was ever moved: who moves it once will move it again, so from then on neighbouring steps are fetched ahead. */
  readonly travelling = signal(false);
  /** What the pointer is on, so that partners elsewhere can be outlined. */
  readonly hovered: Signal<Hovered | null> = signal(null);

  readonly runs: ReadonlySignal<readonly Run[]> = computed(() => this.index.value.value?.runs ?? []);
  /** What stands in the address as the two runs to compare, as far as it is there: by name or, as somebody may have typed it, by title. */
  readonly compared: ReadonlySignal<readonly (Run | undefined)[]> = computed(() =>
    (this.state.value.compare ?? []).slice(0, 2).map((name) => namedRun(this.runs.value, name)),
  );
  readonly chosen: ReadonlySignal<readonly Run[]> = computed(() =>
    chosenRuns(this.runs.value, this.state.value.runs, this.compared.value),
  );
  /** Steps that the cursor can stand on in this view. */
  readonly steps: ReadonlySignal<readonly number[]> = computed(() =>
    stepsOfView(this.chosen.value, this.state.value.view),
  );
  /** Where the cursor stands; null where there is no step. */
  readonly step: ReadonlySignal<number | null> = computed(() => shownStep(this.steps.value, this.state.value.step));
  /** Names of the network's layers, from input to output, over all chosen runs. */
  readonly layers: ReadonlySignal<readonly string[]> = computed(() => layerNames(this.chosen.value));
  readonly layersShown: ReadonlySignal<readonly string[]> = computed(() => this.#filterLayers());

  /** How many channels or filters a layer or kernel has, as far as its pictures were seen: by "maps conv1". */
  readonly sizes: Signal<ReadonlyMap<string, number>> = signal(new Map());

  readonly runFilter = new RegexFilter();
  readonly layerFilter = new RegexFilter();

  constructor(
    readonly api: Api,
    texts: Readonly<Record<string, string>> = {},
  ) {
    this.state = signal(decodeState(texts));
  }

  update(patch: Partial<ViewState>): void {
    this.state.value = { ...this.state.value, ...patch };
  }

  /** The state as texts for the URL. */
  texts(): Record<string, string> {
    return encodeState(this.state.value);
  }

  /** Takes over a state from the URL, as after the back button. */
  restore(texts: Readonly<Record<string, string>>): void {
    this.state.value = decodeState(texts);
  }

  /** Remembers the largest size seen, since runs may differ. */
  noteSize(kind: PictureKind, name: string, size: number): void {
    const key = `${kind} ${name}`;
    const known = this.sizes.peek();
    if (size > (known.get(key) ?? 0)) this.sizes.value = new Map(known).set(key, size);
  }

  open(view: View, patch: Partial<ViewState> = {}): void {
    this.update({ ...patch, view });
  }

  goTo(step: number): void {
    this.travelling.value = true;
    this.update({ step });
  }

  colourOf(run: Run): string {
    return runColour(run.color, this.dark.value);
  }

  /** Reads the index (again). The last good one stays on the screen if that fails. */
  async reload(signal?: AbortSignal): Promise<void> {
    try {
      const runs = await this.api.runs(signal);
      if (this.index.value.value && JSON.stringify(runs) === JSON.stringify(this.index.value.value)) return;
      batch(() => {
        this.api.forgetNumbers();
        this.index.value = ready(runs);
        this.generation.value++;
      });
    } catch (error) {
      this.index.value = failed(error, this.index.value.value);
    }
  }

  #filterLayers(): readonly string[] {
    const { layerFilter, kind } = this.state.value;
    this.layerFilter.set(layerFilter);
    const chosen = this.chosen.value;
    return this.layers.value.filter(
      (name) => this.layerFilter.accepts(name) && (!kind || matchesKind(chosen, name, kind)),
    );
  }
}

function namedRun(runs: readonly Run[], name: string): Run | undefined {
  return runs.find(({ run }) => run === name) ?? runs.find(({ title }) => title === name);
}

/** Where the address does not say which, those that are compared, or else the first. */
function chosenRuns(
  runs: readonly Run[],
  names: readonly string[] | null,
  compared: readonly (Run | undefined)[],
): readonly Run[] {
  if (names !== null) return runs.filter((run) => names.includes(run.run));
  const pair = runs.filter((run) => compared.includes(run));
  return pair.length ? pair : runs.slice(0, DEFAULT_RUNS);
}

/** Pictures may be kept at fewer steps than numbers: in the views of pictures the cursor stands only where there is one. */
function stepsOfView(runs: readonly Run[], view: View): readonly number[] {
  if (view !== "maps" && view !== "filters") return union(runs.map((run) => run.steps));
  return union(
    runs.flatMap((run) => run.pictures.filter((series) => series.kind === view).map((series) => series.steps)),
  );
}

const StoreContext = createContext<Store | null>(null);
export const StoreProvider = StoreContext.Provider;

export function useStore(): Store {
  const store = useContext(StoreContext);
  if (!store) throw new Error("useStore is called outside of StoreProvider");
  return store;
}

/** The findings and verdicts of the chosen runs. */
export function useDiagnosis(): Signal<Resource<Diagnosis>> {
  const { api, chosen, generation } = useStore();
  const names = chosen.value.map(({ run }) => run);
  const key = names.length ? JSON.stringify([generation.value, names]) : null;
  return useResource(key, (signal) => api.diagnosis(names, signal));
}
