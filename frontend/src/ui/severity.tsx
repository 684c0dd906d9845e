/** How bad something is, as a shape and a colour; the word stands beside it or is its accessible name. */

import type { Severity } from "../types.gen";

export const SEVERITY_WORD: Readonly<Record<Severity, string>> = { error: "Error", warning: "Warning", info: "Note" };

const SHAPES: Readonly<Record<Severity, string>> = {
  error: "M5 1h6l4 4v6l-4 4H5l-4-4V5z",
  warning: "M8 1.2 15.4 14.5H.6z",
  info: "M8 1a7 7 0 1 1 0 14A7 7 0 0 1 8 1z",
};
const SIGNS: Readonly<Record<Severity, string>> = {
  error: "M8 4v5m0 2v1.4",
  warning: "M8 6v4m0 1.4v1.4",
  info: "M8 3.6V5m0 2v5.4",
};

/** Its word is the accessible name, unless it stands beside the shape anyway. */
export function SeverityIcon({
  severity,
  named = false,
  size = 16,
}: {
  severity: Severity;
  named?: boolean;
  size?: number;
}) {
  return (
    <svg class={`severity ${severity}`} viewBox="0 0 16 16" width={size} height={size} role="img" aria-hidden={!named}>
      <title>{SEVERITY_WORD[severity]}</title>
      <path d={SHAPES[severity]} fill="currentColor" />
      <path d={SIGNS[severity]} stroke="var(--ground)" stroke-width="1.7" fill="none" />
    </svg>
  );
}
