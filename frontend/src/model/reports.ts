/** Findings as the overview shows them: per run one headline with its consequences folded under it, the worst run first. */

import { severities } from "../schema.gen";
import type { Diagnosis, Finding, Run, RunDiagnosis } from "../types.gen";
import { shownName } from "./names";

export interface Headline {
  readonly run: Run;
  readonly finding: Finding;
  /** What the finding causes, and is therefore only mentioned. */
  readonly folded: readonly Finding[];
}

export interface RunReport {
  readonly run: Run;
  readonly headlines: readonly Headline[];
  /** How many were put aside as "not a problem here". */
  readonly dismissed: number;
  readonly lookedAt: string;
  /** Whether some of what was logged cannot be read or trusted. */
  readonly damaged: boolean;
}

/** Reports of the chosen runs, worst first; runs that are equally bad keep their order. */
export function reports(
  runs: readonly Run[],
  diagnosis: Diagnosis,
  isDismissed: (key: string) => boolean,
): RunReport[] {
  return runs
    .flatMap((run) => {
      const found = diagnosis.runs.find((one) => one.run === run.run);
      return found ? [report(run, found, isDismissed)] : [];
    })
    .sort((a, b) => worst(b) - worst(a));
}

/** The key under which a finding is put aside in the browser. */
export function findingKey(run: string, { rule, target }: Finding): string {
  return JSON.stringify([run, rule, target]);
}

/** "vanishing gradient (conv11)". */
export function mention({ rule, target }: Finding): string {
  return `${rule.replaceAll("_", " ")} (${shownName(target)})`;
}

function report(run: Run, found: RunDiagnosis, isDismissed: (key: string) => boolean): RunReport {
  const open = found.findings.filter((finding) => !isDismissed(findingKey(run.run, finding)));
  const causes = open.filter((finding) => isHeadline(finding, open, found));
  const headlines = [...causes]
    .sort((a, b) => rank(b) - rank(a))
    .map((finding) => ({
      run,
      finding,
      folded: open.filter((other) => other !== finding && rootOf(other, found) === finding),
    }));
  const dismissed = found.findings.length - open.length;
  return { run, headlines, dismissed, lookedAt: found.looked_at.sentence, damaged: found.damage.length > 0 };
}

/** A finding stands for itself unless what caused it is shown. */
function isHeadline(finding: Finding, open: readonly Finding[], found: RunDiagnosis): boolean {
  const root = rootOf(finding, found);
  return root === finding || !open.includes(root);
}

function rootOf(finding: Finding, { findings }: RunDiagnosis): Finding {
  return findings[finding.because_of ?? -1] ?? finding;
}

function worst({ headlines }: RunReport): number {
  return headlines[0] ? rank(headlines[0].finding) : -1;
}

function rank({ severity }: Finding): number {
  return severities.indexOf(severity);
}

/** Text and names in backticks, in turn: even places are text. */
export function spans(text: string): readonly string[] {
  return text.split("`");
}

/** A finding that another one shown causes is marked more quietly. */
export function isConsequence({ because }: Finding): boolean {
  return because !== null;
}
