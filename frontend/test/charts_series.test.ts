import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { extent, indexAt, nearestIndex, plotted, smooth, thin } from "../src/charts/series";

const range = (length: number) => Array.from({ length }, (_, i) => i);

describe("thin", () => {
  it("leaves short series as they are", () => {
    const series = { steps: [0, 1, 2], values: [1, 2, 3] };
    expect(thin(series, 10)).toBe(series);
  });

  it("keeps both ends, the extremes and the order, within the limit", () => {
    fc.assert(
      fc.property(fc.array(fc.double({ noNaN: true }), { minLength: 300, maxLength: 3000 }), (values) => {
        const kept = thin({ steps: range(values.length), values }, 200);
        const finite = values.filter(Number.isFinite);
        expect(kept.steps.length).toBeLessThanOrEqual(300);
        expect([kept.steps[0], kept.steps[kept.steps.length - 1]]).toEqual([0, values.length - 1]);
        expect(Array.from(kept.steps)).toEqual(Array.from(kept.steps).sort((a, b) => a - b));
        expect(Math.max(...Array.from(kept.values).filter(Number.isFinite))).toBe(Math.max(...finite));
        expect(Math.min(...Array.from(kept.values).filter(Number.isFinite))).toBe(Math.min(...finite));
      }),
    );
  });

  it("does not lose a lone NaN", () => {
    const values = range(1000).map((i) => (i === 777 ? Number.NaN : i));
    expect(Array.from(thin({ steps: range(1000), values }, 100).values).some(Number.isNaN)).toBe(true);
  });
});

describe("plotted", () => {
  const series = { steps: [0, 1, 2, 3, 4, 5], values: [1, 0, -1, Number.NaN, Number.POSITIVE_INFINITY, 2] };

  it("marks what a logarithmic axis cannot hold", () => {
    const { values, marks } = plotted(series, true, "mark");
    expect(values).toEqual([1, null, null, null, null, 2]);
    expect(marks.map(({ step, kind }) => [step, kind])).toEqual([
      [1, "zero"],
      [2, "negative"],
      [3, "nan"],
      [4, "+inf"],
    ]);
  });

  it("takes NaN for a gap where it means that a number is not known", () => {
    const { values, marks } = plotted(series, false, "gap");
    expect(values).toEqual([1, 0, -1, null, null, 2]);
    expect(marks).toEqual([{ step: 4, kind: "+inf" }]);
  });

  it("has an extent of what is drawn only", () => {
    expect(extent([plotted(series, false, "gap")])).toEqual([-1, 2]);
    expect(extent([plotted(series, true, "gap")])).toEqual([1, 2]);
    expect(extent([plotted({ steps: [0], values: [Number.NaN] }, false, "gap")])).toBeNull();
  });
});

describe("steps", () => {
  it.each([
    [-5, 0],
    [0, 0],
    [9, 0],
    [10, 1],
    [99, 1],
    [1e9, 2],
  ])("the last step not after %d has index %d", (step, index) => expect(indexAt([0, 10, 100], step)).toBe(index));

  it("are found by distance", () => {
    expect([-1, 4, 6, 54, 56, 1000].map((step) => nearestIndex([0, 10, 100], step))).toEqual([0, 0, 1, 1, 2, 2]);
    expect(nearestIndex([], 3)).toBe(-1);
    expect(indexAt([], 3)).toBe(-1);
  });
});

describe("smooth", () => {
  it("leaves a constant as it is, and lets what is not finite through", () => {
    const values = [2, 2, Number.NaN, 2];
    expect(Array.from(smooth({ steps: range(4), values }, 0.9).values)).toEqual([2, 2, Number.NaN, 2]);
  });

  it("is the weighted mean of all values so far", () => {
    const weight = 0.6;
    const values = [3, -1, 4, 1.5];
    const weights = [weight ** 3, weight ** 2, weight, 1];
    const expected =
      values.reduce((sum, v, i) => sum + v * (weights[i] as number), 0) / weights.reduce((a, b) => a + b);
    expect(smooth({ steps: range(4), values }, weight).values[3]).toBeCloseTo(expected, 12);
  });
});
