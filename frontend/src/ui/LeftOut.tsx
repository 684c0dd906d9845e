/** What a run could not log or did not picture, by reason, as its record says it. */
import { shownName } from "../model/names";
import { counted } from "../model/number_format";
import { useStore } from "../state/store";
import type { Run } from "../types.gen";

/** Names that are written out for each reason; of more their number is said. */
const MOST_NAMES = 8;

/** Of the chosen runs what is called one of `parts` or stands below it, as `maps/conv1` below `maps`; everything without `parts`. */
export function LeftOut({ parts }: { parts?: readonly string[] }) {
  const runs = useStore().chosen.value;
  const groups = runs.flatMap((run) => groupedByReason(run, parts).map((group) => ({ run, ...group })));
  if (groups.length === 0) return null;
  const amount = groups.reduce((sum, { names }) => sum + names.length, 0);
  return (
    <details class="left-out">
      <summary>{`${counted(amount, "thing")} not logged or not shown, and why`}</summary>
      <ul>
        {groups.map(({ run, reason, names }) => (
          <li key={`${run.run} ${reason}`}>
            {runs.length > 1 && <span class="muted">{`${run.title}: `}</span>}
            <b>{listed(names)}</b>: {reason}
          </li>
        ))}
      </ul>
    </details>
  );
}

/** Names that share a reason stand together. */
export function groupedByReason(
  run: Pick<Run, "record">,
  parts?: readonly string[],
): { reason: string; names: string[] }[] {
  const groups = new Map<string, string[]>();
  for (const [name, reason] of Object.entries(run.record?.left_out ?? {})) {
    if (parts && !parts.some((part) => name === part || name.startsWith(`${part}/`))) continue;
    groups.set(reason, [...(groups.get(reason) ?? []), name]);
  }
  return [...groups].map(([reason, names]) => ({ reason, names }));
}

function listed(names: readonly string[]): string {
  const shown = names.slice(0, MOST_NAMES).map(shownName).join(", ");
  return names.length > MOST_NAMES ? `${shown} and ${names.length - MOST_NAMES} more` : shown;
}
