/** Filters that are nearly copies of each other. */
import type { NdArray } from "../data/record";
import { sizeOf } from "../data/record";
import { DUPLICATE_COSINE } from "../schema.gen";

const MOST_PRODUCTS = 3e8;

/**
 * Groups filters whose weights have a cosine above `DUPLICATE_COSINE` with the first of the group.
 *
 * @returns for each filter the index of the first of its group, which is itself where it is alone; null where that takes too long.
 */
export function groupNearCopies({ shape, values }: NdArray): readonly number[] | null {
  const [count = 0, ...rest] = shape;
  const size = sizeOf(rest);
  if (count * count * size > MOST_PRODUCTS) return null;
  const norms = Array.from({ length: count }, (_, filter) =>
    Math.sqrt(dot(values, filter * size, filter * size, size)),
  );
  const leaders: number[] = [];
  return Array.from({ length: count }, (_, filter) => {
    const alike = (leader: number) =>
      dot(values, leader * size, filter * size, size) > DUPLICATE_COSINE * norms[leader]! * norms[filter]!;
    const found = leaders.find(alike);
    if (found === undefined) leaders.push(filter);
    return found ?? filter;
  });
}

/** Indices with groups of several first, their members side by side. */
export function groupedOrder(groups: readonly number[]): number[] {
  const sizes = new Map<number, number>();
  for (const leader of groups) sizes.set(leader, (sizes.get(leader) ?? 0) + 1);
  const rank = (index: number) => (sizes.get(groups[index]!)! > 1 ? 0 : 1);
  return groups.map((_, index) => index).sort((a, b) => rank(a) - rank(b) || groups[a]! - groups[b]! || a - b);
}

function dot(values: ArrayLike<number>, a: number, b: number, size: number): number {
  let sum = 0;
  for (let i = 0; i < size; i++) sum += values[a + i]! * values[b + i]!;
  return sum;
}
