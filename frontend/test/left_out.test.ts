import { expect, it } from "vitest";
import type { RunRecord } from "../src/types.gen";
import { groupedByReason } from "../src/ui/LeftOut";

const record = {
  left_out: {
    "maps/conv1": "its axes are unknown",
    "maps/conv2": "its axes are unknown",
    "filters/conv1/kernel": "no picture, max_bytes=16000000 is used up",
    "mapsy/other": "another thing",
    loss: "TypeError: a string",
  },
} as unknown as RunRecord;

it("puts names that share a reason together, and keeps to the parts that are asked for", () => {
  expect(groupedByReason({ record }, ["maps"])).toEqual([
    { reason: "its axes are unknown", names: ["maps/conv1", "maps/conv2"] },
  ]);
  expect(groupedByReason({ record }, ["loss"])).toEqual([{ reason: "TypeError: a string", names: ["loss"] }]);
  expect(groupedByReason({ record }).map(({ names }) => names.length)).toEqual([2, 1, 1, 1]);
});

it("says nothing of a run without a record", () => {
  expect(groupedByReason({ record: null })).toEqual([]);
});
