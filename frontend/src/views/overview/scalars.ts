/** Scalars that can be laid beside the loss: the same choice holds for every run, so it is a tag and where it stands relative to the run. */

import type { Run, ScalarNames } from "../../types.gen";

export interface ScalarChoice {
  /** Path of the run that has it, below the parent of ours; empty is the parent itself. */
  readonly sibling: string;
  readonly tag: string;
}

/** All choices that some of the runs offer, each once. */
export function scalarChoices(
  names: readonly { readonly run: Run; readonly names: ScalarNames["scalars"] }[],
): ScalarChoice[] {
  const found = new Map<string, ScalarChoice>();
  for (const { run, names: byRun } of names)
    for (const [of, tags] of Object.entries(byRun))
      for (const tag of tags) {
        const choice = { sibling: relative(run.run, of), tag };
        found.set(choiceKey(choice), choice);
      }
  return [...found.values()];
}

export function choiceKey({ sibling, tag }: ScalarChoice): string {
  return JSON.stringify([sibling, tag]);
}

/** The choice that a key stands for; null where it stands for none. */
export function readChoice(key: string): ScalarChoice | null {
  try {
    const [sibling, tag] = JSON.parse(key);
    return typeof sibling === "string" && typeof tag === "string" ? { sibling, tag } : null;
  } catch {
    return null;
  }
}

/** "train: epoch_accuracy". */
export function choiceLabel({ sibling, tag }: ScalarChoice): string {
  return sibling ? `${sibling}: ${tag}` : tag;
}

/** The run that holds a choice for one of our runs. */
export function holder(run: Run, { sibling }: ScalarChoice): string {
  const parent = parentOf(run.run);
  return [parent, sibling].filter(Boolean).join("/") || ".";
}

function relative(run: string, of: string): string {
  const parent = parentOf(run);
  if (parent && of.startsWith(`${parent}/`)) return of.slice(parent.length + 1);
  return of === parent || of === "." ? "" : of;
}

function parentOf(run: string): string {
  const cut = run.lastIndexOf("/");
  return cut < 0 ? "" : run.slice(0, cut);
}
