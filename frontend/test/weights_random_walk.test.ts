import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { randomWalk } from "../src/views/weights/random_walk";

const ones = (length: number) => Array.from({ length }, () => 1);

/** Normal numbers from a small, seeded generator. */
function* normals(seed: number): Generator<number, never> {
  let state = seed;
  const uniform = () => {
    state = (state * 1664525 + 1013904223) % 2 ** 32;
    return (state + 0.5) / 2 ** 32;
  };
  for (;;) yield Math.sqrt(-2 * Math.log(uniform())) * Math.cos(2 * Math.PI * uniform());
}

describe("randomWalk", () => {
  it("adds squares: n steps of length u end sqrt(n) u away", () => {
    const steps = [0, 1, 2, 3, 4];
    const walk = randomWalk({ steps, values: [Number.NaN, 2, 2, 2, 2] }, [Number.NaN, 1, 1, 1, 1], 1e9);
    Array.from(walk.expected, (distance, i) => expect(distance).toBeCloseTo(2 * Math.sqrt(i), 12));
  });

  it("gives the same from few records as from all where steps change evenly", () => {
    const squared = (step: number) => 1 + step / 100;
    const all = Array.from({ length: 101 }, (_, i) => i);
    const kept = [0, 1, 5, 40, 100];
    const of = (steps: number[]) =>
      randomWalk(
        { steps, values: steps.map((s) => (s ? Math.sqrt(squared(s)) : Number.NaN)) },
        ones(steps.length),
        10,
      ).expected.at(-1);
    expect(of(kept)).toBeCloseTo(of(all) as number, 9);
  });

  it("divides an update over several steps among them", () => {
    const walk = randomWalk({ steps: [0, 10], values: [Number.NaN, 3] }, [Number.NaN, 10], 10);
    expect(walk.expected[1]).toBeCloseTo(3, 12);
  });

  it("starts where the record starts, and keeps its place where an update is not known", () => {
    const walk = randomWalk({ steps: [100, 101, 102, 103], values: [Number.NaN, 1, Number.NaN, 1] }, ones(4), 10);
    expect([...walk.expected].map((value) => value ** 2)).toEqual([0, 1, 1, expect.closeTo(3, 9)]);
    expect(randomWalk({ steps: [1], values: [2] }, [1], 10).expected[0]).toBe(2);
    expect(randomWalk({ steps: [0, 5], values: [Number.NaN, Number.NaN] }, ones(2), 10).expected[1]).toBeNaN();
  });

  it("begins anew where a run was resumed, from the step that it was resumed at", () => {
    const steps = [0, 1, 10, 100, 101, 110, 250];
    const values = [Number.NaN, 2, 2, Number.NaN, 3, 3, 3];
    const gaps = [Number.NaN, 1, 1, Number.NaN, 1, 1, 1];
    const starts = [0, 0, 0, 100, 100, 100, 200];
    const { expected } = randomWalk({ steps, values }, gaps, 10, starts);
    const squared = [0, 4, 40, 0, 9, 90, 50 * 9];
    Array.from(expected, (distance, i) => expect(distance ** 2).toBeCloseTo(squared[i] as number, 9));
  });

  it("has a band that holds 95 of 100 real walks", () => {
    const [dimensions, length, walks] = [40, 60, 400];
    const draw = normals(7);
    const u = Math.sqrt(dimensions);
    const { low, high } = randomWalk({ steps: [0, 1, length], values: [Number.NaN, u, u] }, ones(3), dimensions);
    let inside = 0;
    for (let walk = 0; walk < walks; walk++) {
      let squared = 0;
      for (let d = 0; d < dimensions; d++) {
        let place = 0;
        for (let step = 0; step < length; step++) place += draw.next().value;
        squared += place ** 2;
      }
      const distance = Math.sqrt(squared);
      if (distance >= (low[2] as number) && distance <= (high[2] as number)) inside++;
    }
    expect(inside / walks).toBeGreaterThan(0.92);
    expect(inside / walks).toBeLessThan(0.985);
  });

  it("never shrinks, and its band holds it", () => {
    fc.assert(
      fc.property(
        fc.array(fc.double({ min: 0, max: 10, noNaN: true }), { minLength: 2, maxLength: 30 }),
        fc.integer({ min: 1, max: 1000 }),
        (lengths, dimensions) => {
          const { expected, low, high } = randomWalk(
            { steps: lengths.map((_, i) => i), values: lengths },
            ones(lengths.length),
            dimensions,
          );
          expected.forEach((value, i) => {
            expect(value).toBeGreaterThanOrEqual(expected[i - 1] ?? 0);
            expect(low[i]).toBeLessThanOrEqual(value);
            expect(high[i]).toBeGreaterThanOrEqual(value);
          });
        },
      ),
    );
  });
});
