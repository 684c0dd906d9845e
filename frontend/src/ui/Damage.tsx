/** What of the chosen runs was logged and cannot be read or trusted, above every view: nothing below it is the whole of a run. */
import { shownName } from "../model/names";
import { useDiagnosis, useStore } from "../state/store";
import { SeverityIcon } from "./severity";

/** Sentences that are written out for each run; of more their number is said. */
const MOST_SENTENCES = 3;

export function Damage() {
  const chosen = useStore().chosen.value;
  const found = useDiagnosis().value.value?.runs ?? [];
  const damaged = found.filter(({ run, damage }) => damage.length > 0 && chosen.some((one) => one.run === run));
  if (damaged.length === 0) return null;
  return (
    <section class="damage" role="alert">
      <SeverityIcon severity="error" />
      <div>
        <b>Not all that was logged can be read</b>
        {damaged.map(({ run, title, damage }) => (
          <p key={run}>
            {found.length > 1 && `${shownName(title)}: `}
            {damage.slice(0, MOST_SENTENCES).join(". ")}.
            {damage.length > MOST_SENTENCES && ` And ${damage.length - MOST_SENTENCES} more places.`}
          </p>
        ))}
      </div>
    </section>
  );
}
