import { expect, it } from "vitest";
import { toCsv, toJson } from "../src/charts/export";

const all = [
  { name: 'a, "first"', steps: [0, 2], values: Float32Array.from([0.1, Number.NaN]) },
  { name: "b", steps: [1, 2], values: [Number.POSITIVE_INFINITY, 1e-7] },
];

it("writes CSV with a row a step and an empty cell where there is none", () => {
  expect(toCsv(all)).toBe('step,"a, ""first""",b\r\n0,0.100000001,\r\n1,,inf\r\n2,nan,1e-7\r\n');
});

it("gives float32 values back to the last bit", () => {
  const value = Math.fround(1 / 3);
  expect(Math.fround(Number(toCsv([{ name: "x", steps: [0], values: [value] }]).split(/[,\r\n]+/)[3]))).toBe(value);
});

it("writes JSON that any parser reads", () => {
  expect(JSON.parse(toJson("Loss", all))).toEqual({
    title: "Loss",
    series: [
      { name: 'a, "first"', steps: [0, 2], values: [0.100000001, "nan"] },
      { name: "b", steps: [1, 2], values: ["inf", 1e-7] },
    ],
  });
});
