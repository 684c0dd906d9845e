import { readdirSync, readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/data/assert";
import { readPicture } from "../src/data/picture";
import { readFrame, section, sizeOf } from "../src/data/record";
import { mapTiles, tileValues } from "../src/model/tiles";

interface Golden {
  readonly error?: string;
  readonly header: Record<string, unknown>;
  readonly sections: Record<string, { dtype: string; shape: number[]; values: (number | string)[] }>;
  readonly pixels?: (number | string)[];
}

const FOLDER = new URL("../../tests/golden/", import.meta.url);
const WORDS: Record<string, number> = {
  nan: Number.NaN,
  inf: Number.POSITIVE_INFINITY,
  "-inf": Number.NEGATIVE_INFINITY,
};
const SAMPLES = 2000;

const names = readdirSync(FOLDER)
  .filter((file) => file.endsWith(".bin"))
  .map((file) => file.replace(".bin", ""));
const bytesOf = (name: string) => new Uint8Array(readFileSync(new URL(`${name}.bin`, FOLDER)));
const goldenOf = (name: string): Golden => JSON.parse(readFileSync(new URL(`${name}.json`, FOLDER), "utf8"));
const numbers = (values: readonly (number | string)[]) =>
  values.map((value) => (typeof value === "string" ? WORDS[value]! : value));

/** Large sections are checked by samples, as the golden files hold them. */
function sampled(values: ArrayLike<number>): number[] {
  const stride = Math.max(1, Math.ceil(values.length / SAMPLES));
  return Array.from({ length: Math.ceil(values.length / stride) }, (_, i) => values[i * stride]!);
}

describe("golden records", () => {
  it("are all there", () => {
    expect(names.length).toBeGreaterThan(20);
  });

  it.each(names.filter((name) => !goldenOf(name).error))("%s is read as Python reads it", async (name) => {
    const golden = goldenOf(name);
    const read = await readFrame(bytesOf(name));
    expect(read.header).toEqual(golden.header);
    expect([...read.sections.keys()].sort()).toEqual(Object.keys(golden.sections).sort());
    for (const [key, { dtype, shape, values }] of Object.entries(golden.sections)) {
      const found = section(read, key);
      expect([found.dtype, found.shape]).toEqual([dtype, shape]);
      expect(sampled(found.values)).toEqual(numbers(values));
    }
  });

  it.each(names.filter((name) => goldenOf(name).pixels))(
    "%s has the values that Python finds in its codes",
    async (name) => {
      const golden = goldenOf(name);
      const picture = await readPicture(bytesOf(name));
      if (picture.kind === "filters") throw new Error("filters have no pixels");
      const values = picture.images.flatMap((_, image) => {
        const tiles = mapTiles(picture, image);
        return Array.from({ length: tiles.count }, (_, tile) => [...tileValues(tiles, tile)]).flat();
      });
      expect(values.length).toBe(sizeOf(picture.pixels.shape));
      numbers(golden.pixels!).forEach((expected, i) => {
        const found = sampled(values)[i]!;
        if (Number.isFinite(expected))
          expect(Math.abs(found - expected)).toBeLessThanOrEqual(1e-12 * Math.max(1, Math.abs(expected)));
        else expect(found).toBe(expected);
      });
    },
  );

  it.each(names.filter((name) => goldenOf(name).header?.kind !== "run" && !goldenOf(name).error))(
    "%s is a picture",
    async (name) => {
      await expect(readPicture(bytesOf(name))).resolves.toMatchObject({ kind: goldenOf(name).header.kind });
    },
  );

  it.each(names.filter((name) => goldenOf(name).error))("%s is refused", async (name) => {
    await expect(readFrame(bytesOf(name))).rejects.toBeInstanceOf(FormatError);
  });
});
