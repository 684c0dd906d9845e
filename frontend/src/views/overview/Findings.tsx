/** What is wrong, run by run, the worst first; or that nothing was found, and what was looked at. */

import { useSignal } from "@preact/signals";
import { useId } from "preact/hooks";
import { shownName } from "../../model/names";
import { count } from "../../model/number_format";
import { findingKey, type Headline, mention, type RunReport, reports, spans } from "../../model/reports";
import { useStore } from "../../state/store";
import type { Diagnosis, Finding, Run } from "../../types.gen";
import { SEVERITY_WORD, SeverityIcon } from "../../ui/severity";
import { dismiss, dismissed, restore } from "./dismissed";
import { EvidenceView } from "./Evidence";

export function Findings({ diagnosis }: { diagnosis: Diagnosis }) {
  const { chosen } = useStore();
  const all = reports(chosen.value, diagnosis, (key) => dismissed.value.has(key));
  return (
    <section class="findings" aria-label="Findings">
      {all.map((report) => (
        <Report key={report.run.run} report={report} />
      ))}
    </section>
  );
}

function Report({ report }: { report: RunReport }) {
  const [first, ...others] = report.headlines;
  return (
    <div class="report">
      {first ? <FindingCard headline={first} /> : <NothingFound report={report} />}
      {others.map((headline) => (
        <FindingCard key={findingKey(report.run.run, headline.finding)} headline={headline} compact />
      ))}
      {report.dismissed > 0 && <Dismissed report={report} />}
    </div>
  );
}

function NothingFound({ report: { run, lookedAt, dismissed: hidden, damaged } }: { report: RunReport }) {
  return (
    <p class={damaged ? "nothing-found damaged" : "nothing-found"}>
      {!damaged && (
        <svg viewBox="0 0 16 16" width="16" height="16" aria-hidden="true">
          <path d="M2 8.5 6.2 12.5 14 4" fill="none" stroke="currentColor" stroke-width="1.8" />
        </svg>
      )}
      <span>
        Nothing {hidden ? "else " : ""}unusual found in {damaged && "what could be read: "}
        {lookedAt}
      </span>
      <RunName run={run} />
    </p>
  );
}

function Dismissed({ report: { run, dismissed: hidden } }: { report: RunReport }) {
  return (
    <p class="dismissed">
      {count(hidden)} put aside as not a problem here{" "}
      <button type="button" class="quiet" onClick={() => restore(run.run)}>
        Show again
      </button>
    </p>
  );
}

function RunName({ run }: { run: Run }) {
  const store = useStore();
  return (
    <span class="of-run">
      <span class="run-dot" style={{ background: store.colourOf(run) }} />
      {shownName(run.title)}
    </span>
  );
}

/** Text in which names stand in backticks. */
function Words({ text }: { text: string }) {
  return <>{spans(text).map((part, index) => (index % 2 ? <code key={index}>{part}</code> : part))}</>;
}

/** A headline with all its words; a compact one unfolds them on demand. */
function FindingCard({ headline, compact = false }: { headline: Headline; compact?: boolean }) {
  const { run, finding, folded } = headline;
  const unfolded = useSignal(!compact);
  const name = useId();
  return (
    <article class={`finding ${finding.severity}${compact ? "" : " headline"}`} aria-labelledby={name}>
      <header>
        <SeverityIcon severity={finding.severity} size={compact ? 14 : 18} />
        <h3 id={name}>{finding.title}</h3>
        {compact && (
          <button
            type="button"
            class="quiet"
            aria-expanded={unfolded.value}
            onClick={() => (unfolded.value = !unfolded.value)}
          >
            {unfolded.value ? "Less" : "More"}
          </button>
        )}
        <span class="finding-where">
          {SEVERITY_WORD[finding.severity]} <RunName run={run} /> since step {count(finding.first_step)}
        </span>
      </header>
      {unfolded.value && (
        <>
          <p class="finding-body">
            <Words text={finding.message} />
          </p>
          <Advice advice={finding.advice} />
          <FindingActions run={run} finding={finding} />
          {folded.length > 0 && <p class="also-seen">Also seen because of it: {folded.map(mention).join(", ")}</p>}
        </>
      )}
    </article>
  );
}

function Advice({ advice }: { advice: readonly string[] }) {
  if (advice.length === 0) return null;
  return (
    <div class="advice">
      <b>Try:</b>
      <ul>
        {advice.map((one) => (
          <li key={one}>
            <Words text={one} />
          </li>
        ))}
      </ul>
    </div>
  );
}

function FindingActions({ run, finding }: { run: Run; finding: Finding }) {
  const store = useStore();
  const evidence = useSignal(false);
  const { layer, variable, first_step: step } = finding;
  return (
    <>
      <p class="finding-actions">
        {layer && (
          <button type="button" onClick={() => store.open("maps", { layer, step })}>
            See its maps
          </button>
        )}
        {variable && (
          <button type="button" onClick={() => store.open("weights", { variable, step })}>
            See its change
          </button>
        )}
        <button type="button" aria-expanded={evidence.value} onClick={() => (evidence.value = !evidence.value)}>
          Evidence <span aria-hidden="true">{evidence.value ? "▴" : "▾"}</span>
        </button>
        <button type="button" class="quiet" onClick={() => dismiss(findingKey(run.run, finding))}>
          Not a problem here
        </button>
      </p>
      {evidence.value && <EvidenceView run={run} finding={finding} />}
    </>
  );
}
