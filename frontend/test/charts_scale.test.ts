import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { STEP_INCREMENTS } from "../src/charts/options";
import { fit, position, ticks, valueAt } from "../src/charts/scale";

describe("fit", () => {
  it("ends a logarithmic scale at powers of ten and leaves out zeros", () => {
    const scale = fit([0, 0.004, 0.3, Number.NaN], true);
    expect(scale.low).toBeCloseTo(1e-3, 12);
    expect(scale.high).toBeCloseTo(1, 12);
  });

  it("spans at most eight decades, counted from the top", () => {
    const { low, high } = fit([1e-30, 1], true);
    expect(Math.log10(high / low)).toBeCloseTo(8, 9);
  });

  it("gives a constant some room, and nothing at all a range", () => {
    expect(fit([5, 5], false)).toEqual({ log: false, low: 2.5, high: 7.5 });
    expect(fit([Number.NaN], false)).toEqual({ log: false, low: 0, high: 1 });
    expect(fit([1, 1], true)).toEqual({ log: true, low: 0.1, high: 1 });
  });
});

describe("position", () => {
  it("is the inverse of valueAt", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, noNaN: true }), fc.boolean(), (place, log) => {
        const scale = { log, low: 1e-4, high: 10 };
        expect(position(scale, valueAt(scale, place))).toBeCloseTo(place, 6);
      }),
    );
  });

  it("clamps, and says of NaN that it has no place", () => {
    const scale = { log: true, low: 1e-3, high: 1 };
    expect([0, -1, 1e-9, 5].map((value) => position(scale, value))).toEqual([0, 0, 0, 1]);
    expect(position(scale, Number.NaN)).toBeNaN();
  });
});

describe("ticks", () => {
  it("are round, within the scale and not too many", () => {
    expect(ticks({ log: true, low: 1e-8, high: 1 }, 5).map(Math.log10)).toEqual([-8, -6, -4, -2, 0]);
    expect(ticks({ log: false, low: 0, high: 1 }, 6)).toEqual([0, 0.2, 0.4, 0.6, 0.8, 1]);
    fc.assert(
      fc.property(
        fc.double({ min: -1e6, max: 1e6, noNaN: true }),
        fc.double({ min: 1e-3, max: 1e6, noNaN: true }),
        (low, span) => {
          const found = ticks({ log: false, low, high: low + span }, 6);
          expect(found.length).toBeGreaterThan(1);
          expect(found.length).toBeLessThanOrEqual(7);
          for (const tick of found)
            expect(Math.abs(tick - (low + span / 2))).toBeLessThanOrEqual((span / 2) * (1 + 1e-6));
        },
      ),
    );
  });
});

describe("increments between steps", () => {
  it("ascend, as uPlot looks for the first that leaves room for the labels", () => {
    expect(STEP_INCREMENTS.slice(0, 7)).toEqual([1, 2, 5, 10, 20, 50, 100]);
    expect([...STEP_INCREMENTS].sort((a, b) => a - b)).toEqual(STEP_INCREMENTS);
  });
});
