/** Findings as the overview shows them: per run one headline with its consequences folded under it, the worst run first. */

import type { Diagnosis, Finding, Run, RunDiagnosis, Severity } from "../types";
import { counted } from "./number_format";

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
}

const RANK: Readonly<Record<Severity, number>> = { error: 0, warning: 1, info: 2 };

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
    .sort((a, b) => worst(a) - worst(b));
}

/** The key under which a finding is put aside in the browser. */
export function findingKey(run: string, { rule, target }: Finding): string {
  return JSON.stringify([run, rule, target]);
}

/** The sentence in bold: the finding's own title, else the first sentence of its message. */
export function title({ title: own, message }: Finding): string {
  return own ?? (message.split(/(?<=[.!?])\s/, 1)[0] as string).replace(/[.]$/, "");
}

/** The message without what the title already says. */
export function body(finding: Finding): string {
  return finding.title ? finding.message : finding.message.slice(title(finding).length).replace(/^[.\s]+/, "");
}

/** "vanishing gradient (conv11)". */
export function mention({ rule, target }: Finding): string {
  return `${rule.replaceAll("_", " ")} (${target})`;
}

/** The layer whose maps show a finding, if any: its own, or that of the variable it is about. */
export function layerOf(run: Run, { layer, target, target_kind }: Finding): string | undefined {
  if (layer) return layer;
  if (target_kind === "layer") return target;
  return run.record?.layers.find(({ weights }) => weights.includes(target))?.name;
}

function report(run: Run, found: RunDiagnosis, isDismissed: (key: string) => boolean): RunReport {
  const open = found.findings.filter((finding) => !isDismissed(findingKey(run.run, finding)));
  const causes = open.filter((finding) => isHeadline(finding, open, found));
  const headlines = [...causes]
    .sort((a, b) => RANK[a.severity] - RANK[b.severity])
    .map((finding) => ({
      run,
      finding,
      folded: open.filter((other) => other !== finding && rootOf(other, found) === finding),
    }));
  return { run, headlines, dismissed: found.findings.length - open.length, lookedAt: lookedAt(run, found) };
}

/** A finding stands for itself unless what caused it is shown; a run without stated causes has one headline, its first finding. */
function isHeadline(finding: Finding, open: readonly Finding[], found: RunDiagnosis): boolean {
  const root = rootOf(finding, found);
  return root === finding || !open.includes(root);
}

function rootOf(finding: Finding, { findings }: RunDiagnosis): Finding {
  const { because } = finding;
  if (because === undefined) return findings[0] as Finding;
  return findings.find(({ rule }) => rule === because) ?? finding;
}

function worst({ headlines }: RunReport): number {
  return headlines[0] ? RANK[headlines[0].finding.severity] : RANK.info + 1;
}

function lookedAt(run: Run, { steps, layers: known, looked_at }: RunDiagnosis): string {
  if (looked_at?.sentence) return looked_at.sentence;
  const layers = counted(known ?? run.layer_rows.filter((name) => !name.startsWith("@")).length, "layer");
  return `${layers} and ${counted(run.variable_rows.length, "variable")} over ${counted(steps.length, "step")}`;
}

/** Text and names in backticks, in turn: even places are text. */
export function spans(text: string): readonly string[] {
  return text.split("`");
}

/** A finding that another one shown causes is marked more quietly. */
export function isConsequence({ because }: Finding): boolean {
  return typeof because === "string";
}
