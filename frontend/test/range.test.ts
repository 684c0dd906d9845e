import { readFileSync } from "node:fs";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  extentOverSteps,
  hull,
  type Limits,
  limitsOfTiles,
  NO_LIMITS,
  percentileLimits,
  type RANGES,
  symmetric,
  tileExtents,
  widened,
} from "../src/model/range";
import type { Tiles } from "../src/model/tiles";
import { coded, floatTiles } from "./tiles";

interface Case {
  readonly shape: [number, number, number];
  readonly values: readonly (number | string)[];
  readonly channel: readonly ([number, number] | null)[];
  readonly layer: [number, number];
  readonly symmetric: [number, number];
  readonly clip: number;
  readonly percentile: [number, number];
}

const CASES: readonly Case[] = JSON.parse(
  readFileSync(new URL("../../tests/golden/ranges.json", import.meta.url), "utf8"),
);
const WORDS: Record<string, number> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
};
const tilesOf = ({ shape, values }: Case) =>
  floatTiles(
    shape,
    values.map((value) => (typeof value === "string" ? WORDS[value]! : value)),
  );
const limits = (pair: readonly [number, number] | null): Limits => (pair ? { low: pair[0], high: pair[1] } : NO_LIMITS);
const choice = { low: 0, high: 1, clip: 0, centred: false } as const;

describe("limits of tiles agree with NumPy", () => {
  it.each(CASES.map((given, i) => [i, given] as const))("case %i", (_, given) => {
    const tiles = tilesOf(given);
    const extents = tileExtents(tiles);
    expect(extents).toEqual(given.channel.map(limits));
    const all = (range: (typeof RANGES)[number]) =>
      limitsOfTiles(tiles, extents, { ...choice, range, clip: given.clip });
    expect(all("channel")).toEqual(given.channel.map((pair) => widened(limits(pair))));
    expect(all("layer")).toEqual(Array(tiles.count).fill(widened(limits(given.layer))));
    expect(all("symmetric")).toEqual(Array(tiles.count).fill(limits(given.symmetric)));
    const { low, high } = percentileLimits(tiles, given.clip);
    expect(low).toBeCloseTo(given.percentile[0], 9);
    expect(high).toBeCloseTo(given.percentile[1], 9);
  });
});

describe("range", () => {
  it("of codes is the range of the codes that occur, its ends exact", () => {
    expect(
      tileExtents(
        coded(
          [
            [0, 126, 252],
            [126, 255, 253],
          ],
          [-1, 0],
          [3, 1],
        ),
      ),
    ).toEqual([
      { low: -1, high: 3 },
      { low: 0.5, high: 0.5 },
    ]);
    expect(tileExtents(coded([[255, 254]], [0], [1]))).toEqual([NO_LIMITS]);
  });

  it("without width is seen against zero", () => {
    expect([0, 2.5, -2].map((value) => widened({ low: value, high: value }))).toEqual([
      { low: 0, high: 1 },
      { low: 0, high: 2.5 },
      { low: -2, high: 0 },
    ]);
  });

  it("over steps takes stored ranges where there are some, and leaves out what is unknown", () => {
    const channels = {
      run: "r",
      name: "n",
      stats: ["min", "max", "low", "high"],
      channels: 2,
      steps: Float64Array.of(0, 1),
      conditions: new Uint8Array(4),
      words: ["alive"] as const,
    };
    const nan = Number.NaN;
    const values = Float32Array.of(-9, -9, 9, 9, -1, 0, 2, 3, -9, -9, 9, 9, -2, nan, 1, nan);
    expect(extentOverSteps({ ...channels, values })).toEqual({ low: -2, high: 3 });
    expect(extentOverSteps({ ...channels, values: values.map((v, i) => (i % 8 >= 4 ? nan : v)) })).toEqual({
      low: -9,
      high: 9,
    });
  });

  it("over all steps holds the layer's own, and all ranges but clipped ones hold every finite value", () => {
    const tile = fc.array(fc.float({ noNaN: true, noDefaultInfinity: true }), { minLength: 4, maxLength: 4 });
    fc.assert(
      fc.property(
        fc.array(tile, { minLength: 1, maxLength: 5 }),
        fc.float({ noNaN: true }),
        fc.boolean(),
        (rows, extra, centred) => {
          const tiles: Tiles = floatTiles([rows.length, 2, 2], rows.flat());
          const extents = tileExtents(tiles);
          for (const range of ["channel", "layer", "steps", "runs", "symmetric"] as const) {
            const found = limitsOfTiles(tiles, extents, { ...choice, range, centred }, { low: extra, high: extra });
            rows.forEach((row, i) => {
              expect(found[i]!.low).toBeLessThanOrEqual(Math.min(...row));
              expect(found[i]!.high).toBeGreaterThanOrEqual(Math.max(...row));
              if (centred && found[i]!.high !== 1) expect(found[i]!.low).toBe(-found[i]!.high);
            });
          }
        },
      ),
    );
  });

  it("hull and symmetric ignore what is unknown", () => {
    expect(hull([NO_LIMITS, { low: 1, high: 2 }, { low: -1, high: 0 }])).toEqual({ low: -1, high: 2 });
    expect(hull([])).toEqual(NO_LIMITS);
    expect(symmetric({ low: -3, high: 2 })).toEqual({ low: -3, high: 3 });
  });
});
