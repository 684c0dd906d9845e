/** How the table is sorted, as it stands in the URL: a column, with a minus before it for the largest first. */

import type { Sorting, SortKey } from "./rows";

export interface Column {
  readonly key: SortKey | "history";
  readonly label: string;
  readonly explanation: string;
}

export const COLUMNS: readonly Column[] = [
  { key: "variable", label: "Variable", explanation: "In the order of the network" },
  { key: "verdict", label: "Verdict", explanation: "Over the whole run" },
  {
    key: "ratio",
    label: "Update ratio",
    explanation: "Length of one update over the length of the weights, on a logarithmic axis",
  },
  {
    key: "moved",
    label: "Moved since start",
    explanation:
      "Distance from the first value (of a resumed run: from the one it resumed with) over its length; in brackets what as many updates in random directions would give",
  },
  {
    key: "cosine",
    label: "Direction",
    explanation: "Cosine between this update and the one before: 1 straight on, 0 unrelated, -1 straight back",
  },
  {
    key: "shrinking",
    label: "Shrinking",
    explanation: "Share of the squared update that only makes the weights shorter, as weight decay does",
  },
  { key: "rate", label: "Learning rate", explanation: "As the optimizer had it at this step" },
  {
    key: "history",
    label: "Over the steps",
    explanation: "Update ratio over the steps, logarithmic, each on a scale of its own",
  },
];

export function readSorting(text: string): Sorting {
  const descending = text.startsWith("-");
  const name = descending ? text.slice(1) : text;
  const found = COLUMNS.find(({ key }) => key === name && key !== "history");
  return found ? { key: found.key as SortKey, descending } : { key: "variable", descending: false };
}

export function writeSorting({ key, descending }: Sorting): string {
  return key === "variable" && !descending ? "" : `${descending ? "-" : ""}${key}`;
}

/** What a click on a column's head leads to: the other direction, or a new column, numbers from the largest. */
export function sortBy(key: SortKey, { key: current, descending }: Sorting): Sorting {
  if (key === current) return { key, descending: !descending };
  return { key, descending: key !== "variable" && key !== "verdict" };
}
