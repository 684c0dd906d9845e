import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { COLOUR_MAPS, channelsOf, cssGradient, lut } from "../src/draw/lut";

const EXPECTED: Record<string, number[][]> = JSON.parse(readFileSync(new URL("./luts.json", import.meta.url), "utf8"));

describe("colour tables", () => {
  it.each(Object.keys(EXPECTED))("%s is matplotlib's", (name) => {
    expect([...lut(name as "viridis")].map((word) => [...channelsOf(word)])).toEqual(EXPECTED[name]);
  });

  it("have 256 opaque entries each, and zero in the middle of the diverging one", () => {
    for (const name of COLOUR_MAPS) {
      expect(lut(name).length).toBe(256);
      expect(lut(name).every((word) => word >>> 24 === 255)).toBe(true);
    }
    expect(lut("diverging")[127]).toBe(lut("diverging")[128]);
    expect(channelsOf(lut("grey")[37]!)).toEqual([37, 37, 37]);
    expect(cssGradient(lut("grey"), 2)).toBe("linear-gradient(to right, rgb(0 0 0), rgb(255 255 255))");
  });
});
