/** The numbers behind a comparison, causes first. */

import { useSignal } from "@preact/signals";
import { rowName, shownName } from "../../model/names";
import { count, share } from "../../model/number_format";
import { useStore } from "../../state/store";
import type { Difference, Run } from "../../types.gen";
import { exactNumber } from "../../ui/words";

const FEW = 8;

const TABLES: Readonly<Record<string, string>> = {
  filters: "weights",
  variables: "weights",
  layers: "output",
  maps: "output",
  losses: "loss",
  progress: "run",
};

interface DifferenceTableProps {
  readonly pair: readonly [Run, Run];
  readonly rows: readonly Difference[];
  /** Where the runs part; rows of other steps say theirs. */
  readonly step: number | null;
}

export function DifferenceTable({ pair, rows, step }: DifferenceTableProps) {
  const all = useSignal(false);
  const withSteps = step === null || rows.some((row) => row.step !== step);
  const shown = all.value ? rows : rows.slice(0, FEW);
  return (
    <>
      {/* biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard */}
      <section class="differences" tabIndex={0} aria-label="What differs, table">
        <table>
          <thead>
            <tr>
              <th scope="col">Where</th>
              <th scope="col">Of</th>
              <th scope="col">What</th>
              <th scope="col" class="numeric">
                Channel
              </th>
              <th scope="col" class="numeric">
                <RunLetter letter="a" run={pair[0]} />
              </th>
              <th scope="col" class="numeric">
                <RunLetter letter="b" run={pair[1]} />
              </th>
              <th scope="col" class="numeric" title="Over the size of the row: what is held against noise">
                Difference
              </th>
              {withSteps && (
                <th scope="col" class="numeric">
                  Step
                </th>
              )}
            </tr>
          </thead>
          <tbody>
            {shown.map((row, index) => (
              <Row key={index} row={row} withStep={withSteps} />
            ))}
          </tbody>
        </table>
      </section>
      {rows.length > FEW && (
        <button type="button" class="quiet" aria-expanded={all.value} onClick={() => (all.value = !all.value)}>
          {all.value ? "Fewer" : `All ${count(rows.length)} that differ`}
        </button>
      )}
    </>
  );
}

function RunLetter({ letter, run }: { letter: string; run: Run }) {
  return (
    <>
      <span class="run-dot" style={{ background: useStore().colourOf(run) }} />
      {letter}
    </>
  );
}

interface RowProps {
  readonly row: Difference;
  readonly withStep: boolean;
}

function Row({ row: { step, table, row, column, channel, a, b, difference }, withStep }: RowProps) {
  return (
    <tr>
      <th scope="row">{table === "losses" || table === "progress" ? "the run" : rowName(row)}</th>
      <td>{TABLES[table] ?? table}</td>
      <td>{shownName(column)}</td>
      <td class="numeric">{channel ?? ""}</td>
      <td class="numeric">{exact(a)}</td>
      <td class="numeric">{exact(b)}</td>
      <td class="numeric">{difference === null ? "∞" : share(difference)}</td>
      {withStep && <td class="numeric">{step === null ? "all" : count(step)}</td>}
    </tr>
  );
}

/** JSON has no NaN and no infinity. */
function exact(value: number | null): string {
  return value === null ? "not finite" : exactNumber(value);
}
