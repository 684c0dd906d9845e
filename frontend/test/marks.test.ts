import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countMarks, type Mark } from "../src/draw/marks";
import { valueAt } from "../src/model/tiles";
import { coded } from "./tiles";

/** Ends of a tile and limits that often touch each other. */
const end = fc.constantFrom(-3, -1, -0.5, 0, 0.25, 1, 2, Number.NaN);
const tile = fc.record({
  codes: fc.array(fc.integer({ min: 0, max: 255 }), { minLength: 6, maxLength: 6 }),
  low: end,
  high: end,
});

describe("countMarks of codes", () => {
  it("agrees with looking at each value", () => {
    fc.assert(
      fc.property(fc.array(tile, { minLength: 1, maxLength: 3 }), end, end, (all, low, high) => {
        const tiles = coded(
          all.map(({ codes }) => codes),
          all.map((one) => Math.min(one.low, one.high)),
          all.map((one) => Math.max(one.low, one.high)),
        );
        const limits = all.map(() => ({ low, high }));
        const expected = { nan: 0, posInf: 0, negInf: 0, high: 0, low: 0, values: tiles.values.length };
        for (let place = 0; place < tiles.values.length; place++) {
          const mark = slowMark(valueAt(tiles, Math.floor(place / 6), place % 6), low, high);
          if (mark) expected[mark]++;
        }
        expect(countMarks(tiles, limits)).toEqual(expected);
      }),
      { numRuns: 500 },
    );
  });
});

function slowMark(value: number, low: number, high: number): Mark | null {
  if (Number.isNaN(value)) return "nan";
  if (!Number.isFinite(value)) return value > 0 ? "posInf" : "negInf";
  if (value < low) return "low";
  return value > high ? "high" : null;
}
