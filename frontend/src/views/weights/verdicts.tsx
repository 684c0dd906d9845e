/** Verdicts in words and shapes. The words and how alarming they are the catalogue says; here is only how they are spelt and marked. */

import { verdicts } from "../../schema.gen";
import { SeverityIcon } from "../../ui/severity";

export function VerdictMark({ verdict }: { verdict: string }) {
  const severity = verdicts.find(({ word }) => word === verdict)?.severity;
  return (
    <span class={`verdict ${verdict}`}>
      {severity === "fine" ? <FineIcon /> : severity ? <SeverityIcon severity={severity} size={12} /> : <OpenIcon />}
      {verdict.replaceAll("_", " ")}
    </span>
  );
}

function FineIcon() {
  return (
    <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
      <path d="M2 8.5 6.2 12.5 14 4" fill="none" stroke="currentColor" stroke-width="1.8" />
    </svg>
  );
}

function OpenIcon() {
  return (
    <svg viewBox="0 0 16 16" width="12" height="12" aria-hidden="true">
      <circle cx="8" cy="8" r="5.5" fill="none" stroke="currentColor" stroke-width="1.4" stroke-dasharray="2.5 2" />
    </svg>
  );
}
