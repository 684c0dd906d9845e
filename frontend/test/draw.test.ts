import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { colourOf, drawRgb, drawTiles, type Style } from "../src/draw/draw";
import { COLOUR_MAPS, channelsOf, lut, rgb } from "../src/draw/lut";
import { countMarks, MARKS, type Mark } from "../src/draw/marks";
import { layOut, sliceOrigin } from "../src/draw/mosaic";
import { valueAt } from "../src/model/tiles";
import { coded, floatTiles } from "./tiles";

const viridis: Style = { lut: lut("viridis"), asSummary: false };

describe("marks", () => {
  it("are far from every colour of every map, and from each other", () => {
    const distance = (a: number, b: number) =>
      Math.hypot(...channelsOf(a).map((level, i) => level - channelsOf(b)[i]!));
    const marks = Object.values(MARKS);
    for (const mark of marks) {
      for (const name of COLOUR_MAPS)
        for (const colour of lut(name)) expect(distance(mark, colour)).toBeGreaterThan(40);
      for (const other of marks) if (other !== mark) expect(distance(mark, other)).toBeGreaterThan(40);
    }
  });

  it("are drawn and counted, and finite values are not marked", () => {
    const values = [Number.NaN, Number.POSITIVE_INFINITY, Number.NEGATIVE_INFINITY, 2, -2, 0];
    const tiles = floatTiles([1, 1, 6], values);
    const limits = [{ low: -1, high: 1 }];
    const mosaic = layOut({ ...tiles, rows: 1 }, 100, 100, 1);
    const target = new Uint32Array(mosaic.width * mosaic.height);
    drawTiles(target, mosaic, tiles, [0], limits, viridis);
    expect([...target.subarray(0, 6)]).toEqual([
      MARKS.nan,
      MARKS.posInf,
      MARKS.negInf,
      MARKS.high,
      MARKS.low,
      lut("viridis")[128],
    ]);
    expect(countMarks(tiles, limits)).toEqual({ nan: 1, posInf: 1, negInf: 1, high: 1, low: 1, values: 6 });
  });

  it("of codes are those of the format", () => {
    const tiles = coded([[253, 254, 255, 0, 252]], [1], [2]);
    expect(countMarks(tiles, [{ low: 1, high: 2 }])).toEqual({
      nan: 1,
      posInf: 1,
      negInf: 1,
      high: 0,
      low: 0,
      values: 5,
    });
  });

  it("carry a sign from six screen pixels on", () => {
    const mosaic = layOut({ count: 1, slices: 1, rows: 2, columns: 2 }, 100, 100, 8);
    const target = new Uint32Array(mosaic.width * mosaic.height);
    drawTiles(target, mosaic, floatTiles([1, 2, 2], [Number.NaN, 0, 0, 0]), [0], [{ low: 0, high: 1 }], viridis);
    const inked = (left: number) =>
      target.filter((word, i) => word === rgb(0, 0, 0) && i % 16 >= left && i % 16 < left + 8).length;
    expect(inked(0)).toBeGreaterThan(5);
    expect(inked(8)).toBe(0);
  });
});

describe("colourOf", () => {
  it("shows finite values in the middle where limits are unknown or have no width", () => {
    for (const limits of [
      { low: Number.NaN, high: Number.NaN },
      { low: 3, high: 3 },
    ])
      expect(colourOf(3, limits, viridis)).toBe(lut("viridis")[128]);
  });
});

describe("drawTiles", () => {
  const drawn = fc.record({
    count: fc.integer({ min: 1, max: 7 }),
    rows: fc.integer({ min: 2, max: 4 }),
    columns: fc.integer({ min: 1, max: 4 }),
    zoom: fc.integer({ min: 1, max: 5 }),
    width: fc.integer({ min: 1, max: 60 }),
    bytes: fc.uint8Array({ minLength: 112, maxLength: 112 }),
    exact: fc.boolean(),
  });

  it("puts the colour of each value on all of its screen pixels, for codes and for floats", () => {
    fc.assert(
      fc.property(drawn, ({ count, rows, columns, zoom, width, bytes, exact }) => {
        const size = count * rows * columns;
        const lows = Float32Array.from({ length: count }, (_, i) => i - 2);
        const highs = lows.map((low, i) => low + i);
        const base = floatTiles([count, rows, columns], [...bytes.subarray(0, size)]);
        const tiles = exact ? base : { ...base, values: bytes.subarray(0, size), lows, highs };
        const limits = base.labels.map((i) => ({ low: i - 1, high: 10 * i + 1 }));
        const order = [...base.labels].reverse();
        const mosaic = layOut(tiles, width, 50, zoom);
        const target = new Uint32Array(mosaic.width * mosaic.height);
        drawTiles(target, mosaic, tiles, order, limits, viridis);
        order.forEach((tile, place) => {
          const { x, y } = sliceOrigin(mosaic, place, 0);
          for (let pixel = 0; pixel < rows * columns; pixel++) {
            const expected = slowColour(valueAt(tiles, tile, pixel), limits[tile]!);
            const [left, top] = [x + (pixel % columns) * zoom, y + Math.floor(pixel / columns) * zoom];
            for (let i = 0; i < zoom * zoom; i++)
              expect(target[(top + Math.floor(i / zoom)) * mosaic.width + left + (i % zoom)]).toBe(expected);
          }
        });
      }),
      { numRuns: 60 },
    );
  });

  it("in the style of tf.summary.image scales by 255.5 and cuts off", () => {
    const style: Style = { lut: lut("grey"), asSummary: true };
    const mosaic = layOut({ count: 1, slices: 1, rows: 2, columns: 3 }, 10, 10, 1);
    const target = new Uint32Array(6);
    drawTiles(target, mosaic, floatTiles([1, 2, 3], [-3, 0, 0.5, 1, 1.01, 40]), [0], [{ low: 0, high: 1 }], style);
    expect([...target].map((word) => channelsOf(word)[0])).toEqual([0, 0, 127, 255, 255, 255]);
  });

  it("shows zero of a symmetric range in the middle colour", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-30, max: 1e30, noNaN: true }), (bound) => {
        const target = new Uint32Array(2);
        const mosaic = layOut({ count: 1, slices: 1, rows: 2, columns: 1 }, 1, 1, 1);
        drawTiles(target, mosaic, floatTiles([1, 2, 1], [0, -0]), [0], [{ low: -bound, high: bound }], {
          lut: lut("diverging"),
          asSummary: false,
        });
        expect([...target]).toEqual([rgb(247, 247, 247), rgb(247, 247, 247)]);
      }),
    );
  });

  it("shows three inputs as signed colour around mid-grey", () => {
    const planes = [
      [1, 0],
      [-1, 0],
      [0.5, Number.NaN],
    ].map((values) => floatTiles([1, 2, 1], values)) as never;
    const target = new Uint32Array(2);
    drawRgb(target, layOut({ count: 1, slices: 1, rows: 2, columns: 1 }, 1, 1, 1), planes, [0], [1]);
    expect([...target]).toEqual([rgb(255, 1, 192), MARKS.nan]);
  });
});

function slowColour(value: number, { low, high }: { low: number; high: number }): number {
  const special: readonly (readonly [boolean, Mark])[] = [
    [Number.isNaN(value), "nan"],
    [value === Number.POSITIVE_INFINITY, "posInf"],
    [value === Number.NEGATIVE_INFINITY, "negInf"],
    [value < low, "low"],
    [value > high, "high"],
  ];
  const mark = special.find(([applies]) => applies);
  return mark ? MARKS[mark[1]] : lut("viridis")[Math.round((255 * (value - low)) / (high - low))]!;
}
