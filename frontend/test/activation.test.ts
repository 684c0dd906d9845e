import { describe, expect, it } from "vitest";
import { activationFunction, activationName } from "../src/model/activation";
import { receptiveField } from "../src/model/receptive";
import { layer } from "./layers";

describe("activations", () => {
  it.each([
    ["hardtanh", "hard_tanh"],
    ["hard_tanh", "hard_tanh"],
    ["Hardsigmoid", "hard_sigmoid"],
    ["hard-sigmoid", "hard_sigmoid"],
    ["Swish", "silu"],
    ["SiLU", "silu"],
    ["ReLU6", "relu6"],
    ["re_lu", "relu"],
    ["LeakyReLU", "leaky_relu"],
    ["Identity", "linear"],
    ["my_own", null],
    ["constructor", null],
    ["__proto__", null],
    ["", null],
    [null, null],
  ])("%s is %s", (text, name) => expect(activationName(text)).toBe(name));

  it.each([
    ["hardtanh", -3, -1],
    ["hard_tanh", 0.25, 0.25],
    ["Hardsigmoid", 0, 0.5],
    ["hard_sigmoid", 1.5, 0.75],
    ["silu", 2, 2 / (1 + Math.exp(-2))],
    ["swish", 2, 2 / (1 + Math.exp(-2))],
    ["hardswish", 1, 4 / 6],
    ["ReLU6", 7, 6],
    ["relu", -1, 0],
    ["elu", -1, Math.exp(-1) - 1],
    ["selu", -1, -1.1113307378125625],
    ["softplus", 800, 800],
    ["logsigmoid", 0, -Math.log(2)],
    ["mish", 1, 0.8650983882673103],
    ["softsign", -3, -0.75],
    ["linear", -1, -1],
    [null, -1, -1],
  ])("%s of %d is %d", (text, value, expected) => {
    expect(activationFunction(text)?.(value)).toBeCloseTo(expected, 9);
  });

  it("that look at more than one value, or are not known, are no function of one", () => {
    expect(["softmax", "leaky_relu", "my_own", "toString"].map(activationFunction)).toEqual([null, null, null, null]);
  });

  it("leave every value at its place, whatever they are called", () => {
    const box = [[3, 4]] as const;
    for (const kind of ["hardtanh", "Hardswish", "re_lu", "softsign"]) {
      const layers = new Map([["act", layer({ name: "act", kind })]]);
      expect(receptiveField({ layers, input: [9], logged: new Map() }, "act", box)).toEqual(box);
    }
  });
});
