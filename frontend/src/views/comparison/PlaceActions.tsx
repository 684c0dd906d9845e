/** Ways from the words to the place: what parts there can be seen side by side. */

import { findSeries } from "../../model/network";
import { count } from "../../model/number_format";
import { useStore } from "../../state/store";
import type { Comparison, Run } from "../../types.gen";

export function PlaceActions({ pair, found }: { pair: readonly [Run, Run]; found: Comparison }) {
  const store = useStore();
  const { step, layer, variable, channel, what } = found;
  if (step === null) return null;
  const at = { step, runs: pair.map(({ run }) => run) };
  const hasMaps = layer !== null && pair.every((run) => findSeries(run, "maps", layer));
  const hasFilters = variable !== null && pair.every((run) => findSeries(run, "filters", variable));
  return (
    <p class="finding-actions">
      {hasFilters && (
        <button
          type="button"
          onClick={() => store.open("filters", { ...at, layer, variable, channel: null, ...subtracted(pair[0]) })}
        >
          See its filters, b − a
        </button>
      )}
      {hasMaps && (
        <button
          type="button"
          onClick={() =>
            store.open("maps", { ...at, layer, variable: null, channel: what === "output" ? channel : null })
          }
        >
          See its maps
        </button>
      )}
      {variable !== null && (
        <button type="button" onClick={() => store.open("weights", { ...at, variable })}>
          See its change
        </button>
      )}
      <button type="button" onClick={() => store.update(at)}>
        Go to step {count(step)}
      </button>
    </p>
  );
}

/** What the views of pictures subtract from each run. */
function subtracted({ run }: Run) {
  return { difference: "run", differenceRun: run } as const;
}
