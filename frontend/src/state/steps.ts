/** Steps are sorted lists of numbers that exist; a cursor always stands on one of them. */

/** The index of the last step that is not after `step`; -1 where all are. */
export function indexAtOrBefore(steps: ArrayLike<number>, step: number): number {
  let low = 0;
  let high = steps.length;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (steps[middle]! <= step) low = middle + 1;
    else high = middle;
  }
  return low - 1;
}

/** The step a series shows while the cursor is at `step`: the last one not after it, or the first. Null where there is none. */
export function shownStep(steps: readonly number[], step: number | null): number | null {
  if (steps.length === 0) return null;
  return step === null ? steps[steps.length - 1]! : steps[Math.max(0, indexAtOrBefore(steps, step))]!;
}

export function union(lists: readonly (readonly number[])[]): readonly number[] {
  return lists.length === 1 ? lists[0]! : [...new Set(lists.flat())].sort((a, b) => a - b);
}
