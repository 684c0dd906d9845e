import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { toNpy } from "../src/data/npy";
import { type Filters, type Maps, readPicture } from "../src/data/picture";
import type { NdArray } from "../src/data/record";
import { activationFacts } from "../src/model/activation";
import { conditionOf, healthChanges } from "../src/model/channel_health";
import {
  choices,
  filtersAcross,
  kernelDifference,
  kernelNorm,
  kernelTiles,
  largestInputs,
  normsOf,
  shownOf,
} from "../src/model/kernel";
import { groupedOrder, groupNearCopies } from "../src/model/near_copies";
import { similarChannels } from "../src/model/similar_channels";
import { mapTiles, tileValues } from "../src/model/tiles";
import { largestFirst, tileOrder } from "../src/views/pictures/order";
import { floats, frame } from "./encode";

interface Golden {
  readonly activation: string | null;
  readonly statistics: Readonly<Record<string, readonly (number | string)[]>>;
  readonly conditions: readonly string[];
}

const CONDITIONS: readonly Golden[] = JSON.parse(
  readFileSync(new URL("../../tests/golden/conditions.json", import.meta.url), "utf8"),
);

async function kernel(shape: readonly number[], values: readonly number[]): Promise<Filters> {
  const count = shape[0]!;
  const header = {
    kind: "filters",
    name: "k",
    layout: "OIHW",
    shape,
    filters: Array.from({ length: count }, (_, i) => i),
    stats: ["norm"],
  };
  const size = values.length / count;
  const norms = Array.from({ length: count }, (_, i) => Math.hypot(...values.slice(i * size, (i + 1) * size)));
  return (await readPicture(
    frame(header, { stats: floats([1, count], norms), values: floats(shape, values) }),
  )) as Filters;
}

const array = (shape: number[], values: number[]): NdArray => ({
  shape,
  dtype: "float32",
  values: Float32Array.from(values),
});
const counted = (length: number) => Array.from({ length }, (_, i) => i + 1);

describe("kernel", () => {
  it("is shown for what it is", async () => {
    const shown = async (...shape: number[]) => choices(await kernel(shape, counted(shape.reduce((a, b) => a * b))))[0];
    expect(await shown(4, 3, 2, 2)).toBe("rgb");
    expect(await shown(4, 5, 2, 2)).toBe("matrix");
    expect(await shown(4, 1, 2, 2)).toBe("0");
    expect(await shown(4, 6)).toBe("matrix");
    expect(await shown(4, 5, 3)).toBe("inputs");
    expect(await shown(2, 3, 2, 2, 2)).toBe("matrix");
    expect(shownOf(await kernel([2, 2, 1, 1], counted(4)), "7")).toBe("matrix");
  });

  it("gives each input its own tiles", async () => {
    const filters = await kernel([2, 3, 1, 2], counted(12));
    expect([...kernelTiles(filters, "1")!.values]).toEqual([3, 4, 9, 10]);
    expect([...kernelTiles(filters, "largest")!.values]).toEqual([5, 6, 11, 12]);
    const norms = normsOf(filters.values!);
    expect([...norms.values]).toEqual([5, 25, 61, 113, 181, 265].map((square) => Math.fround(Math.sqrt(square))));
    expect(largestInputs(norms)).toEqual([2, 2]);
    const matrix = kernelTiles(filters, "matrix")!;
    expect([matrix.rows, matrix.columns]).toEqual([3, 2]);
    expect([...matrix.values]).toEqual([0, 3, 1, 4, 2, 5].map((i) => norms.values[i]));
  });

  it("of a dense layer keeps its signs, and lies down when it is long", async () => {
    const tall = await kernel([2, 5], [-1, 2, -3, 4, -5, 6, -7, 8, -9, 10]);
    expect(filtersAcross([2, 5])).toBe(false);
    expect([...kernelTiles(tall, "matrix")!.values]).toEqual([-1, 2, -3, 4, -5, 6, -7, 8, -9, 10]);
    expect(filtersAcross([2, 4])).toBe(true);
  });

  it("of more than a thousand a side is averaged over blocks", async () => {
    const tiles = kernelTiles(await kernel([1, 3000], counted(3000)), "matrix")!;
    expect([tiles.rows, tiles.columns]).toEqual([1, 1000]);
    expect([tiles.values[0], tiles.values[999]]).toEqual([2, 2999]);
  });

  it("subtracts only its like, and knows its norm", async () => {
    const [a, b] = [await kernel([1, 2, 1, 1], [3, 4]), await kernel([1, 2, 1, 1], [1, 1])];
    expect([...kernelDifference(a, b)!.values!.values]).toEqual([2, 3]);
    expect(kernelDifference(a, await kernel([2, 1, 1, 1], [1, 1]))).toBeNull();
    expect(kernelNorm(a)).toBe(5);
  });
});

describe("near-copies", () => {
  it("are grouped with the first that they resemble, and stand together", () => {
    const groups = groupNearCopies(array([5, 2], [1, 0, 0, 1, 2, 0.01, -1, 0, 0.001, 7]));
    expect(groups).toEqual([0, 1, 0, 3, 1]);
    expect(groupedOrder(groups!)).toEqual([0, 2, 1, 4, 3]);
  });

  it("are not looked for among too many, and filters of zeros resemble nothing", () => {
    expect(groupNearCopies(array([20000, 1], Array(20000).fill(1)))).toBeNull();
    expect(groupNearCopies(array([2, 2], [0, 0, 0, 0]))).toEqual([0, 1]);
  });
});

describe("channels", () => {
  const header = {
    kind: "maps",
    name: "m",
    layout: "NCHW",
    shape: [1, 3, 1, 1],
    images: [0],
    channels: [0, 2],
    reduced: 1,
    activation: "relu",
    stats: ["mean", "max", "zeros", "min", "low", "high"],
  };
  const stats = floats([6, 3], [5, 1, 7, 5, 1, 0, 0, 0, 1, 5, 1, 0, -1, 0, 0, 3, 0, 4]);
  const maps = async () =>
    (await readPicture(
      frame(header, { stats, pixels: { dtype: "uint8", shape: [1, 2, 1, 1], values: Uint8Array.of(126, 252) } }),
    )) as Maps;

  it("are decoded between their own ends", async () => {
    const tiles = mapTiles(await maps(), 0);
    expect([tileValues(tiles, 0)[0], tileValues(tiles, 1)[0], tiles.labels]).toEqual([1, 4, [0, 2]]);
  });

  it("are ordered and picked out by statistics of their own", async () => {
    const picture = await maps();
    const tiles = mapTiles(picture, 0);
    expect(tileOrder(tiles, picture, "mean", "", null)).toEqual([1, 0]);
    expect(tileOrder(tiles, picture, "channel", "dead", null)).toEqual([1]);
    expect(largestFirst([2, Number.NaN, 5, 2])).toEqual([2, 0, 3, 1]);
  });

  it("live and die at known steps", () => {
    const states = ["alive", "dead", "dead", "not finite", "constant"] as const;
    expect(healthChanges([0, 10, 15, 20, 30], states).map(({ step, to }) => `${step} ${to}`)).toEqual([
      "10 dead",
      "20 not finite",
      "30 constant",
    ]);
  });

  const of = (stats: Readonly<Record<string, number>>, activation: string | null) =>
    conditionOf((name) => stats[name] ?? Number.NaN, activationFacts(activation));

  it.each([
    [{ min: 0, max: 0, zeros: 1 }, "linear", "dead"],
    [{ min: -2, max: -1, zeros: 0 }, "relu", "dead"],
    [{ min: -2, max: -1, zeros: 0 }, "ReLU6", "dead"],
    [{ min: -2, max: -1, zeros: 0 }, "elu", "alive"],
    [{ min: 3, max: 3, zeros: 0 }, "relu", "constant"],
    [{ min: 1, max: 3, zeros: 0, spread: 0 }, null, "constant"],
    [{ min: 1, max: 3, zeros: 0, nan: 1 }, null, "not finite"],
    [{ min: Number.NaN, max: Number.NaN, nan: 0 }, null, "unknown"],
    [{ min: 0.976, max: 1, zeros: 0 }, "sigmoid", "saturated"],
    [{ min: 0.974, max: 1, zeros: 0 }, "sigmoid", "alive"],
    [{ min: -1, max: -0.951, zeros: 0 }, "hardtanh", "saturated"],
    [{ min: -1, max: -0.951, zeros: 0 }, "Hard-Tanh", "saturated"],
    [{ min: 0.951, max: 0.99, zeros: 0 }, "softsign", "saturated"],
    [{ min: 5.86, max: 6, zeros: 0 }, "relu6", "saturated"],
    [{ min: 0.951, max: 0.99, zeros: 0 }, "toString", "alive"],
  ] as const)("with %j behind %s are %s", (stats, activation, condition) =>
    expect(of(stats, activation)).toBe(condition),
  );

  it.each(CONDITIONS.map((golden) => [golden.activation, golden] as const))(
    "behind %s are in the cases what the backend says that they are",
    (activation, { statistics, conditions }) => {
      const facts = activationFacts(activation);
      const stat = (channel: number) => (name: string) => Number(statistics[name]?.[channel] ?? Number.NaN);
      expect(conditions.map((_, channel) => conditionOf(stat(channel), facts))).toEqual(conditions);
    },
  );
});

describe("pictures", () => {
  const base = {
    kind: "maps",
    name: "m",
    layout: "NCHW",
    shape: [1, 2, 1, 1],
    images: [0],
    channels: [0, 1],
    reduced: 1,
    stats: ["mean"],
  };
  const sections = { stats: floats([1, 2], [0, 0]), pixels: floats([1, 2, 1, 1], [1, 2]) };
  const broken = {
    kind: { kind: "films" },
    images: { images: [0, 1] },
    channels: { channels: [0, 7] },
    reduced: { reduced: 0 },
    stats: { stats: ["a", "b"] },
    shape: { shape: [-1, 2] },
  };

  it.each(Object.entries(broken))("with a wrong %s are refused", async (_, wrong) => {
    await expect(readPicture(frame({ ...base, ...wrong }, sections))).rejects.toThrow(/\w/);
    await expect(readPicture(frame(base, sections))).resolves.toMatchObject({ name: "m" });
  });
});

describe("npy", () => {
  it("is what NumPy writes", () => {
    const bytes = toNpy(Float32Array.of(1, -2), [1, 2]);
    const header = new TextDecoder("latin1").decode(bytes.subarray(0, bytes.length - 8));
    expect(header.length % 64).toBe(0);
    expect(header.slice(0, 8)).toBe("\x93NUMPY\x01\x00");
    expect(header.slice(10).trimEnd()).toBe("{'descr': '<f4', 'fortran_order': False, 'shape': (1, 2), }");
    expect([...new Float32Array(bytes.slice(-8).buffer)]).toEqual([1, -2]);
  });
});

describe("similarChannels", () => {
  it("are the most correlated tiles, constant ones left out", () => {
    const values = Float32Array.of(1, 2, 3, 2, 4, 6, 3, 2, 1, 5, 5, 5, 1, 2, 4);
    const tiles = {
      count: 5,
      slices: 1,
      rows: 1,
      columns: 3,
      values,
      lows: null,
      highs: null,
      labels: [0, 1, 2, 3, 4],
    };
    const found = similarChannels(tiles, 0);
    expect(found.map(({ index }) => index)).toEqual([1, 4, 2]);
    expect(found[0]!.correlation).toBeCloseTo(1, 12);
    expect(found[2]!.correlation).toBeCloseTo(-1, 12);
    expect(similarChannels(tiles, 3)).toEqual([]);
  });
});
