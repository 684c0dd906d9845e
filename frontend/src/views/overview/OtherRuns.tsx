/** What was found in the runs that are not chosen, a line each: nothing wrong should stay unseen for want of a tick. */

import { useResource } from "../../data/resource";
import { shownName } from "../../model/names";
import { counted } from "../../model/number_format";
import { reports } from "../../model/reports";
import { useStore } from "../../state/store";
import { SeverityIcon } from "../../ui/severity";
import { dismissed } from "./dismissed";

const MOST_LISTED = 12;

export function OtherRuns() {
  const store = useStore();
  const chosen = new Set(store.chosen.value);
  const others = store.runs.value.filter((run) => !chosen.has(run));
  const names = others.map(({ run }) => run);
  const key = names.length ? JSON.stringify([store.generation.value, names]) : null;
  const { value } = useResource(key, (signal) => store.api.diagnosis(names, signal)).value;
  if (!value || !names.length) return null;
  const all = reports(others, value, (name) => dismissed.value.has(name));
  const alarming = all.filter(({ headlines }) => headlines[0] && headlines[0].finding.severity !== "info");
  const listed = alarming.slice(0, MOST_LISTED);
  return (
    <section class="other-runs" aria-label="Other runs">
      <p>
        In {counted(names.length, "run")} not chosen: {alarming.length ? "" : "nothing unusual found"}
      </p>
      <ul>
        {listed.map(({ run, headlines: [worst] }) => (
          <li key={run.run}>
            <SeverityIcon severity={worst?.finding.severity ?? "info"} size={12} named />{" "}
            <button type="button" class="quiet" onClick={() => store.update({ runs: [run.run] })}>
              {worst?.finding.title}
            </button>{" "}
            <span class="of-run">
              <span class="run-dot" style={{ background: store.colourOf(run) }} />
              {shownName(run.title)}
            </span>
          </li>
        ))}
      </ul>
      {alarming.length > listed.length && (
        <p>and {counted(alarming.length - listed.length, "run")} more with findings</p>
      )}
    </section>
  );
}
