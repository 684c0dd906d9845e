/** Where two runs part first: in words, with ways to the place, and the numbers behind it. */

import { type Resource, useResource } from "../../data/resource";
import { shownName } from "../../model/names";
import { spans } from "../../model/reports";
import { type Store, useStore } from "../../state/store";
import type { Comparison, Run } from "../../types.gen";
import { Failure, Loading } from "../../ui/States";
import { DifferenceTable } from "./DifferenceTable";
import { PlaceActions } from "./PlaceActions";

type Pair = readonly [Run, Run];

interface Compared {
  readonly pair: Pair;
  readonly found: Comparison;
}

export function ComparisonPanel() {
  const store = useStore();
  const names = store.state.value.compare ?? [];
  const [a, b] = store.compared.value;
  const pair: Pair | null = a && b && a !== b ? [a, b] : null;
  const key = pair && JSON.stringify([store.generation.value, a?.run, b?.run]);
  const compared = useResource(key, (signal) => compare(store, pair as Pair, signal)).value;
  const choose = (first: Run | undefined, second: Run | undefined) => {
    const compare = [first?.run ?? "", second?.run ?? ""];
    const chosen = store.chosen.value.map(({ run }) => run);
    const areShown = compare.every((name) => chosen.includes(name));
    store.update({ compare, runs: areShown ? chosen : compare.filter(Boolean) });
  };
  return (
    <section class="comparison" aria-label="Comparison of two runs">
      <header>
        <h2>Compare</h2>
        <RunSelect letter="a" run={a} wanted={names[0]} choose={(run) => choose(run, b)} />
        <RunSelect letter="b" run={b} wanted={names[1]} choose={(run) => choose(a, run)} />
        <button type="button" class="quiet close" onClick={() => store.update({ compare: null })}>
          Close
        </button>
      </header>
      {pair ? <Answer pair={pair} compared={compared} /> : <p class="muted">Choose two {a && "different "}runs</p>}
    </section>
  );
}

async function compare(store: Store, pair: Pair, signal: AbortSignal): Promise<Compared> {
  return { pair, found: await store.api.comparison(pair[0].run, pair[1].run, signal) };
}

interface RunSelectProps {
  readonly letter: "a" | "b";
  readonly run: Run | undefined;
  /** What the address asks for, whether it is there or not. */
  readonly wanted: string | undefined;
  readonly choose: (run: Run | undefined) => void;
}

function RunSelect({ letter, run, wanted, choose }: RunSelectProps) {
  const store = useStore();
  return (
    <label class="compared-run">
      <span class="letter">{letter}</span>
      {run && <span class="dot" style={{ background: store.colourOf(run) }} />}
      <select
        aria-label={`Run ${letter}`}
        value={run?.run ?? ""}
        onChange={(event) => choose(store.runs.value.find((one) => one.run === event.currentTarget.value))}
      >
        {!run && <option value="">{wanted ? `${shownName(wanted)} is not there` : "a run"}</option>}
        {store.runs.value.map((one) => (
          <option key={one.run} value={one.run}>
            {shownName(one.title)}
          </option>
        ))}
      </select>
    </label>
  );
}

function Answer({ pair, compared: { status, value, message } }: { pair: Pair; compared: Resource<Compared> }) {
  if (status === "failed") return <Failure message={message} />;
  // What was found of other runs stays away while these are on their way; of the same ones, with fewer steps, it stays.
  if (!value || value.pair.some(({ run }, place) => run !== pair[place]?.run)) return <Loading what="comparison" />;
  const { found } = value;
  return (
    <>
      <div role="status">
        <h3>
          <Fork pair={pair} same={found.same} />
          {found.kind.charAt(0).toUpperCase() + found.kind.slice(1)}
        </h3>
        <p class="comparison-words">
          <Words text={found.message} />
        </p>
        {found.notes.map((note) => (
          <p key={note} class="comparison-words muted">
            <Words text={note} />
          </p>
        ))}
      </div>
      <PlaceActions pair={pair} found={found} />
      {found.rows.length > 0 && <DifferenceTable pair={pair} rows={found.rows} step={found.step} />}
    </>
  );
}

/** Two lines in the colours of the runs: side by side to the end, or parting. */
function Fork({ pair, same }: { pair: Pair; same: boolean }) {
  const store = useStore();
  const paths = same ? ["M1 6H19", "M1 10H19"] : ["M1 7H7Q11 7 13 4T19 1", "M1 9H7Q11 9 13 12T19 15"];
  return (
    <svg class="fork" viewBox="0 0 20 16" width="20" height="16" aria-hidden="true">
      {paths.map((path, place) => (
        <path key={path} d={path} stroke={store.colourOf(pair[place] as Run)} stroke-width="2" fill="none" />
      ))}
    </svg>
  );
}

/** Text in which names stand in backticks. */
function Words({ text }: { text: string }) {
  return <>{spans(text).map((part, index) => (index % 2 ? <code key={index}>{shownName(part)}</code> : part))}</>;
}
