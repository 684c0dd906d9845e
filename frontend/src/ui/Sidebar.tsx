/** What there is to look at: runs to choose, and the network from input to output. */
import { useSignal } from "@preact/signals";
import { useEffect } from "preact/hooks";
import { shownName } from "../model/names";
import { layerKinds } from "../model/network";
import { counted } from "../model/number_format";
import { useStore } from "../state/store";
import type { Run } from "../types.gen";
import { LayerList } from "./LayerList";

const POLL_MS = 15_000;

export function Sidebar() {
  const store = useStore();
  const { layerFilter, kind } = store.state.value;
  const shown = store.layersShown.value;
  const kinds = layerKinds(store.chosen.value);
  return (
    <nav class="sidebar" aria-label="Runs and layers">
      <RunList />
      <section aria-labelledby="layers-title">
        <h2 id="layers-title">
          Layers{" "}
          <span class="muted">
            {shown.length === store.layers.value.length
              ? shown.length
              : `${shown.length} of ${store.layers.value.length}`}
          </span>
        </h2>
        <SearchBox
          label="Filter layers (regex)"
          value={layerFilter}
          valid={store.layerFilter.valid}
          change={(text) => store.update({ layerFilter: text })}
        />
        {kinds.length > 1 && (
          <select
            aria-label="Kind of layer"
            value={kind}
            onChange={(event) => store.update({ kind: event.currentTarget.value })}
          >
            <option value="">All kinds</option>
            {kinds.map((name) => (
              <option key={name} value={name}>
                {shownName(name)}
              </option>
            ))}
          </select>
        )}
        <LayerList names={shown} />
      </section>
      {store.api.source.live && <Polling />}
    </nav>
  );
}

function RunList() {
  const store = useStore();
  const { runFilter } = store.state.value;
  store.runFilter.set(runFilter);
  const runs = store.runs.value.filter((run) => store.runFilter.accepts(run.title));
  const chosen = new Set(store.chosen.value.map((run) => run.run));
  const choose = (names: readonly string[]) => store.update({ runs: names });
  const toggle = (run: Run) =>
    choose(chosen.has(run.run) ? [...chosen].filter((name) => name !== run.run) : [...chosen, run.run]);
  return (
    <section aria-labelledby="runs-title">
      <h2 id="runs-title">
        Runs <span class="muted">{`${chosen.size} of ${store.runs.value.length}`}</span>
      </h2>
      <SearchBox
        label="Filter runs (regex)"
        value={runFilter}
        valid={store.runFilter.valid}
        change={(text) => store.update({ runFilter: text })}
      />
      <ul class="runs">
        {runs.map((run) => (
          <li key={run.run}>
            <label title={shownName(run.run)}>
              <input
                type="checkbox"
                aria-label={shownName(run.title)}
                checked={chosen.has(run.run)}
                onChange={() => toggle(run)}
                style={{ accentColor: store.colourOf(run) }}
              />
              <span class="dot" style={{ background: store.colourOf(run) }} />
              <span class="name">{breakable(shownName(run.title))}</span>
            </label>
            <button
              type="button"
              class="quiet only"
              aria-label={`Only ${shownName(run.title)}`}
              onClick={() => choose([run.run])}
            >
              only
            </button>
          </li>
        ))}
        {runs.length === 0 && <li class="muted">No run matches</li>}
      </ul>
      {store.runs.value.length > 1 && store.api.source.live && <CompareButton />}
      <RunProblems />
    </section>
  );
}

/** Compares the first two of the chosen runs; where fewer are chosen, with the next one that there is. */
function CompareButton() {
  const store = useStore();
  const chosen = store.chosen.value;
  const two = [...new Set([...chosen, ...store.runs.value])].slice(0, 2);
  return (
    <button
      type="button"
      class="compare"
      title="At which step, in which layer and channel two runs part first"
      onClick={() => store.open("overview", { compare: two.map(({ run }) => run) })}
    >
      Compare two runs
    </button>
  );
}

/** A name that a line may break after a slash or an underscore. */
function breakable(name: string) {
  return name.split(/(?<=[/_])/).map((part, i) => [i > 0 && <wbr key={i} />, part]);
}

/** What could not be read, and what the logger wants to be known, of the chosen runs. */
function RunProblems() {
  const runs = useStore().chosen.value;
  const problems = runs.flatMap(({ title, problems }) =>
    problems.map(({ tag, message }) => `${shownName(title)}: ${shownName(tag)}: ${message}`),
  );
  const notes = runs.flatMap(({ title, record }) => record?.notes.map((note) => `${shownName(title)}: ${note}`) ?? []);
  return (
    <>
      <Told title={`${counted(problems.length, "series", "series")} could not be read`} lines={problems} />
      <Told title={counted(notes.length, "note")} lines={notes} />
    </>
  );
}

function Told({ title, lines }: { title: string; lines: readonly string[] }) {
  if (lines.length === 0) return null;
  return (
    <details class="problems">
      <summary>{title}</summary>
      <ul>
        {lines.map((line) => (
          <li key={line}>{line}</li>
        ))}
      </ul>
    </details>
  );
}

interface SearchBoxProps {
  readonly label: string;
  readonly value: string;
  readonly valid: boolean;
  readonly change: (text: string) => void;
}

function SearchBox({ label, value, valid, change }: SearchBoxProps) {
  return (
    <div class="search">
      <input
        type="search"
        aria-label={label}
        placeholder={label}
        value={value}
        aria-invalid={!valid}
        spellcheck={false}
        onInput={(event) => change(event.currentTarget.value)}
      />
      {!valid && <span role="status">Not a regular expression: the last good one holds</span>}
    </div>
  );
}

/** TensorBoard reloads only when told to, so the tab can look for news by itself. */
function Polling() {
  const store = useStore();
  const on = useSignal(false);
  useEffect(() => {
    if (!on.value) return;
    const timer = setInterval(() => store.visible.value && void store.reload(), POLL_MS);
    return () => clearInterval(timer);
  }, [on.value, store]);
  return (
    <label class="polling">
      <input type="checkbox" checked={on.value} onChange={() => (on.value = !on.value)} /> Look for new steps
    </label>
  );
}
