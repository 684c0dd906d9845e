import { expect, it } from "vitest";
import { cell, column } from "../src/model/table";

const table = {
  rows: ["a", "b"],
  columns: ["x", "y", "z"],
  steps: Float64Array.from([0, 7]),
  values: Float32Array.from([1, 2, 3, 4, 5, 6, 11, 12, 13, 14, 15, 16]),
};

it("reads [steps, rows, columns]", () => {
  expect(cell(table, 1, "b", "y")).toBe(15);
  expect([...column(table, "a", "z")]).toEqual([3, 13]);
});

it("does not know what is not there", () => {
  expect([...column(table, "c", "z")]).toEqual([Number.NaN, Number.NaN]);
  expect(cell(table, 0, "a", "w")).toBeNaN();
  expect(cell(table, 2, "a", "x")).toBeNaN();
});
