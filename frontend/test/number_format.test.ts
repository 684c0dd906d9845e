import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { bytes, count, counted, number, seconds, share, size } from "../src/model/number_format";

describe("share", () => {
  it.each([
    [0.004, "0.4 %"],
    [0.00412, "0.4 %"],
    [0.05, "5 %"],
    [0.053, "5.3 %"],
    [0.12, "12 %"],
    [0.00007, "0.007 %"],
    [3e-7, "3e-7"],
    [1, "100 %"],
    [0.99994, "99.9 %"],
    [0.997, "99.7 %"],
    [0, "0"],
    [-0.02, "-2 %"],
    [Number.NaN, "–"],
    [Number.NEGATIVE_INFINITY, "-Inf"],
  ])("words %d as %s", (value, words) => expect(share(value)).toBe(words));

  it("says 100 % or 0 only of all or nothing", () => {
    fc.assert(
      fc.property(fc.double({ min: 0, max: 1, minExcluded: true, maxExcluded: true, noNaN: true }), (value) => {
        expect(["100 %", "0 %", "0"]).not.toContain(share(value));
      }),
    );
  });
});

describe("number", () => {
  it.each([
    [9e-4, "9e-4"],
    [0.00012, "1.2e-4"],
    [0.4167, "0.417"],
    [12.345, "12.3"],
    [1200, "1,200"],
    [-1191.4, "-1,191"],
    [1.25e7, "1.3e+7"],
    [Number.POSITIVE_INFINITY, "+Inf"],
  ])("words %d as %s", (value, words) => expect(number(value)).toBe(words));

  it("is within 5 % of the value", () => {
    fc.assert(
      fc.property(fc.double({ min: 1e-30, max: 1e30, noNaN: true }), (value) => {
        const read = Number(number(value).replaceAll(",", ""));
        expect(Math.abs(read - value) / value).toBeLessThan(0.051);
      }),
    );
  });
});

describe("the other quantities", () => {
  it.each([
    [size(9408), "9.41 k"],
    [size(4.2e6), "4.2 M"],
    [size(128), "128"],
    [size(999_999), "1 M"],
    [bytes(210_000), "210 KB"],
    [bytes(12), "12 B"],
    [bytes(1.4e6), "1.4 MB"],
    [seconds(0.0031), "3.1 ms"],
    [seconds(85e-6), "85 µs"],
    [seconds(1.23), "1.2 s"],
    [seconds(600), "10 min"],
    [count(1200), "1,200"],
    [counted(1, "step"), "1 step"],
    [counted(0, "step"), "0 steps"],
    [counted(2, "box", "boxes"), "2 boxes"],
  ])("%s", (said, expected) => expect(said).toBe(expected));
});
