import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { hitTest, layOut, placeOf, sliceOrigin } from "../src/draw/mosaic";

const sizes = fc.record({
  count: fc.integer({ min: 1, max: 40 }),
  slices: fc.integer({ min: 1, max: 5 }),
  rows: fc.integer({ min: 1, max: 9 }),
  columns: fc.integer({ min: 1, max: 9 }),
});

describe("mosaic", () => {
  it("gives back each value under the middle of its square", () => {
    fc.assert(
      fc.property(
        sizes,
        fc.integer({ min: 1, max: 400 }),
        fc.integer({ min: 0, max: 6 }),
        fc.nat(),
        (size, width, zoom, seed) => {
          const mosaic = layOut(size, width, 200, zoom);
          const pick = (count: number, salt: number) => Math.floor(seed / salt) % count;
          const hit = {
            tile: pick(size.count, 1),
            slice: pick(size.slices, 7),
            row: pick(size.rows, 11),
            column: pick(size.columns, 13),
          };
          const { x, y } = sliceOrigin(mosaic, hit.tile, hit.slice);
          expect(hitTest(mosaic, x + (hit.column + 0.5) * mosaic.zoomX, y + (hit.row + 0.5) * mosaic.zoomY)).toEqual(
            hit,
          );
          expect(placeOf(size, hit)).toBe((hit.slice * size.rows + hit.row) * size.columns + hit.column);
        },
      ),
    );
  });

  it("has each screen pixel in at most one value, and every value somewhere", () => {
    fc.assert(
      fc.property(sizes, fc.integer({ min: 1, max: 60 }), (size, width) => {
        const mosaic = layOut(size, width, 40, 2);
        const seen = new Map<string, number>();
        for (let y = 0; y < mosaic.height; y++) {
          for (let x = 0; x < mosaic.width; x++) {
            const key = JSON.stringify(hitTest(mosaic, x, y));
            seen.set(key, (seen.get(key) ?? 0) + 1);
          }
        }
        seen.delete("null");
        expect(seen.size).toBe(size.count * size.slices * size.rows * size.columns);
        expect(new Set(seen.values())).toEqual(new Set([mosaic.zoomX * mosaic.zoomY]));
      }),
      { numRuns: 25 },
    );
  });

  it("has nothing outside, in gaps and after the last tile", () => {
    const mosaic = layOut({ count: 3, slices: 1, rows: 2, columns: 2 }, 9, 100, 2);
    expect(mosaic).toMatchObject({ tileColumns: 2, tileRows: 2, width: 9, height: 9 });
    const points: [number, number][] = [
      [-1, 0],
      [4, 0],
      [0, 4],
      [9, 0],
      [0, 9],
      [5, 5],
    ];
    expect(points.map(([x, y]) => hitTest(mosaic, x, y))).toEqual(points.map(() => null));
  });

  it("is blown up as far as there is room, and never narrower than one tile", () => {
    expect(layOut({ count: 32, slices: 1, rows: 14, columns: 14 }, 1000, 360).zoomX).toBe(6);
    expect(layOut({ count: 2048, slices: 1, rows: 56, columns: 56 }, 1000, 360).zoomX).toBe(1);
    expect(layOut({ count: 5, slices: 1, rows: 56, columns: 56 }, 10, 360)).toMatchObject({
      tileColumns: 1,
      zoomX: 1,
      width: 56,
    });
  });
});
