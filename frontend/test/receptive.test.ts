import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { denseFilter, filterOf, productsAt, separableFilter, whyWhole } from "../src/model/products";
import { clipped, type Network, receptiveField, sizeOf } from "../src/model/receptive";
import type { Layer } from "../src/types.gen";
import { layer } from "./layers";

const read = (name: string) =>
  JSON.parse(readFileSync(new URL(`../../tests/golden/${name}.json`, import.meta.url), "utf8"));

interface Geometry {
  readonly input: number;
  readonly output: number;
  readonly layers: readonly {
    kind: string;
    kernel_size: number;
    strides: number;
    dilation: number;
    padding: string | number;
  }[];
  readonly fields: readonly (readonly [number, number, number])[];
}

function network({ input, layers }: Geometry): Network {
  const named = layers.map(({ kind, kernel_size, strides, dilation, padding }, i) =>
    layer({
      name: `l${i}`,
      kind,
      kernel_size: [kernel_size],
      strides: [strides],
      dilation: [dilation],
      padding: typeof padding === "number" ? [padding] : padding,
      inputs: i ? [`l${i - 1}`] : [],
    }),
  );
  return { layers: new Map(named.map((entry) => [entry.name, entry])), input: [input], logged: new Map() };
}

describe("receptive fields agree with real layers", () => {
  it.each((read("geometry") as Geometry[]).map((given, i) => [i, given] as const))("chain %i", (_, given) => {
    const net = network(given);
    const last = `l${given.layers.length - 1}`;
    expect(sizeOf(net, last)).toEqual([given.output]);
    for (const [output, first, end] of given.fields) {
      const field = receptiveField(net, last, [[output, output]])!;
      const [[from, to]] = clipped(field, [given.input]) as [[number, number]];
      expect([from <= first, to >= end]).toEqual([true, true]);
      const dense = given.layers.every(
        ({ kind, strides, kernel_size, dilation }) =>
          dilation === 1 && (kind !== "conv1d_transpose" || strides <= kernel_size),
      );
      if (dense) expect([from, to]).toEqual([first, end]);
    }
  });
});

describe("receptive field", () => {
  const conv = (name: string, inputs: string[], kernel: number) =>
    layer({ name, kind: "conv2d", kernel_size: [kernel, kernel], strides: [1, 1], padding: "same", inputs });
  const net = (...layers: Layer[]): Network => ({
    layers: new Map(layers.map((entry) => [entry.name, entry])),
    input: [32, 32],
    logged: new Map(),
  });

  it("of branches is what any of them sees", () => {
    const joined = layer({ name: "cat", kind: "concatenate", inputs: ["a", "b"] });
    expect(
      receptiveField(net(conv("a", [], 1), conv("b", [], 5), joined), "cat", [
        [9, 9],
        [9, 9],
      ]),
    ).toEqual([
      [7, 11],
      [7, 11],
    ]);
  });

  it("behind a dense layer or a global pool is everything", () => {
    const pool = layer({ name: "gap", kind: "global_average_pooling2d", inputs: ["a"] });
    const dense = layer({ name: "fc", kind: "dense", inputs: ["gap"] });
    expect(clipped(receptiveField(net(conv("a", [], 3), pool, dense), "fc", [])!, [32, 32])).toEqual([
      [0, 31],
      [0, 31],
    ]);
  });

  it("is not guessed where a layer is of an unknown kind or lacks its geometry", () => {
    const odd = layer({ name: "odd", kind: "my_lambda", inputs: ["a"] });
    expect(
      receptiveField(net(conv("a", [], 3), odd), "odd", [
        [1, 1],
        [1, 1],
      ]),
    ).toBeNull();
    expect(
      receptiveField(net(layer({ name: "c", kind: "conv2d" })), "c", [
        [1, 1],
        [1, 1],
      ]),
    ).toBeNull();
  });
});

interface ProductCase {
  readonly source: { shape: [number, number, number]; values: number[] };
  readonly kernel: { shape: number[]; values: number[] };
  readonly bias: number[];
  readonly strides: number[];
  readonly padding: number[];
  readonly dilation: number[];
  readonly filter: number;
  readonly pixel: number[];
  readonly value: number;
}

interface NumberArray {
  readonly shape: number[];
  readonly values: number[];
}

interface LayerCase {
  readonly layer: Partial<Layer>;
  readonly source: NumberArray;
  readonly kernels: NumberArray[];
  readonly channels_last: boolean;
  readonly bias: number[];
  readonly filter: number;
  readonly pixel: number[];
  readonly value: number;
}

describe("products", () => {
  it.each((read("products") as ProductCase[]).map((given, i) => [i, given] as const))(
    "of case %i add up to what torch computes",
    (_, given) => {
      const [channels, ...space] = given.source.shape;
      const size = space[0]! * space[1]!;
      const source = {
        channels,
        space,
        at: (channel: number, place: number) => given.source.values[channel * size + place]!,
        halfLevel: () => 0.01,
      };
      const { strides, padding, dilation, filter } = given;
      const conv = layer({ kind: "conv2d", kernel_size: given.kernel.shape.slice(2), strides, padding, dilation });
      const own = filterOf(given.kernel, filter, filter, given.kernel.shape[0]!, channels);
      const found = productsAt(conv, own, given.pixel, source, given.bias[filter]!);
      expect(Math.abs(found.sum - given.value)).toBeLessThan(1e-6);
      expect(found.terms.length).toBe(given.kernel.shape[1]);
      const weights = given.kernel.values.slice(0).reduce((sum, weight) => sum + Math.abs(weight), 0);
      expect(found.rounding).toBeLessThanOrEqual(0.01 * weights + 1e-9);
    },
  );

  it.each((read("layers") as LayerCase[]).map((given, i) => [i, given.layer.kind, given] as const))(
    "of layer %i, %s, add up to what Keras or torch computes",
    (_, __, { layer: fields, source: { shape, values }, kernels, filter, ...given }) => {
      const [channels, ...space] = shape as [number, number, number];
      const size = space[0]! * space[1]!;
      const at = (channel: number, place: number) => values[channel * size + place]!;
      const source = { channels, space, at, halfLevel: () => 0 };
      const [kernel, pointwise] = kernels as [NumberArray, NumberArray?];
      const own = pointwise
        ? separableFilter(kernel, pointwise, filter, channels)
        : fields.kind === "dense"
          ? denseFilter(kernel, filter, source, given.channels_last)!
          : filterOf(kernel, filter, filter, kernel.shape[0]!, channels);
      const found = productsAt(layer(fields), own, given.pixel, source, given.bias[filter]!);
      expect(found.terms.map(({ channel }) => channel)).toEqual([0, 1]);
      expect(Math.abs(found.sum - given.value)).toBeLessThan(1e-9);
    },
  );

  it("are taken apart of convolutions and dense layers only", () => {
    const kinds = ["conv2d", "separable_conv2d", "depthwise_conv2d", "dense", "batch_normalization"];
    expect(kinds.map((kind) => whyWhole(layer({ kind, kernel_size: [3] })) === "")).toEqual([
      true,
      true,
      true,
      true,
      false,
    ]);
    expect(whyWhole(layer({ kind: "conv2d_transpose", kernel_size: [3] }))).toBe("");
    expect(whyWhole(layer({ kind: "conv2d_transpose", kernel_size: [3], groups: 2 }))).toContain("Grouped");
    expect(whyWhole(layer({ kind: "conv2d" }))).toContain("geometry");
  });

  it("are not made up where what comes in has another shape than the kernel is for", () => {
    const source = { channels: 2, space: [3], at: () => 1, halfLevel: () => 0 };
    expect(denseFilter({ shape: [1, 5], values: [1, 1, 1, 1, 1] }, 0, source, true)).toBeNull();
  });
});
