import { gzipSync } from "node:zlib";
import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { FormatError } from "../src/data/assert";
import { readFrame, section } from "../src/data/record";
import { assembled, floats, frame } from "./encode";

describe("readFrame", () => {
  it("gives back what was written, of every dtype", async () => {
    const sections = {
      codes: { dtype: "uint8", shape: [2, 3], values: Uint8Array.of(0, 1, 252, 253, 254, 255) },
      numbers: { dtype: "float32", shape: [4], values: Float32Array.of(1.5, Number.NaN, Number.POSITIVE_INFINITY, -0) },
      steps: { dtype: "float64", shape: [2], values: Float64Array.of(2 ** 40, 0.1) },
      which: { dtype: "int32", shape: [1, 1], values: Int32Array.of(-7) },
      halves: { dtype: "float16", shape: [3], values: Uint16Array.of(0x3c00, 0xfc00, 0x0001) },
      nothing: { dtype: "float32", shape: [0, 5], values: new Float32Array(0) },
    };
    const read = await readFrame(frame({ kind: "table", run: "ä" }, sections));
    expect(read.header.run).toBe("ä");
    for (const name of ["codes", "numbers", "steps", "which", "nothing"] as const) {
      expect(section(read, name).shape).toEqual(sections[name].shape);
      expect([...section(read, name).values]).toEqual([...sections[name].values]);
    }
    expect([...section(read, "halves").values]).toEqual([1, Number.NEGATIVE_INFINITY, 2 ** -24]);
  });

  it("widens every finite half float exactly", async () => {
    const bits = Uint16Array.from({ length: 0x7c00 }, (_, i) => i);
    const { values } = section(
      await readFrame(frame({}, { h: { dtype: "float16", shape: [bits.length], values: bits } })),
      "h",
    );
    const exact = (half: number) =>
      half < 1024 ? half * 2 ** -24 : (1 + (half % 1024) / 1024) * 2 ** (Math.floor(half / 1024) - 15);
    expect(bits.every((half) => values[half] === exact(half))).toBe(true);
  });

  const good = frame({}, { a: floats([3], [1, 2, 3]) });
  const member = gzipSync(new Uint8Array(12));
  const entry = { dtype: "float32", shape: [3], offsets: [0, member.length] };
  const broken: Record<string, Uint8Array> = {
    empty: new Uint8Array(0),
    "cut off": good.subarray(0, good.length - 3),
    "with more at its end": new Uint8Array([...good, 0]),
    "with a header beyond its end": new Uint8Array([255, 255, 0, 0, 0, 0, 0, 0, 123]),
    "with a header of 2**63 bytes": new Uint8Array([0, 0, 0, 0, 0, 0, 0, 128, 123, 125]),
    "whose header is a list": assembled([1], new Uint8Array(0)),
    "without a version": assembled({ sections: {} }, new Uint8Array(0)),
    "of a later version": assembled({ version: 2, sections: {} }, new Uint8Array(0)),
    "without sections": assembled({ version: 1 }, new Uint8Array(0)),
    "with an unknown dtype": assembled({ version: 1, sections: { a: { ...entry, dtype: "complex64" } } }, member),
    "with a dtype from Object": assembled({ version: 1, sections: { a: { ...entry, dtype: "toString" } } }, member),
    "with a negative size": assembled({ version: 1, sections: { a: { ...entry, shape: [-3] } } }, member),
    "with a section larger than allowed": assembled(
      { version: 1, sections: { a: { ...entry, shape: [2 ** 40] } } },
      member,
    ),
    "with nine axes": assembled({ version: 1, sections: { a: { ...entry, shape: Array(9).fill(1) } } }, member),
    "with a gap": assembled({ version: 1, sections: { a: { ...entry, offsets: [1, member.length] } } }, member),
    "with offsets backwards": assembled({ version: 1, sections: { a: { ...entry, offsets: [0, -1] } } }, member),
    "that inflates to less": assembled({ version: 1, sections: { a: { ...entry, shape: [4] } } }, member),
    "that inflates to more": assembled({ version: 1, sections: { a: { ...entry, shape: [2] } } }, member),
    "that is no gzip member": assembled(
      { version: 1, sections: { a: { ...entry, offsets: [0, 4] } } },
      new Uint8Array(4),
    ),
  };
  it.each(Object.entries(broken))("refuses a record %s", async (_, bytes) => {
    await expect(readFrame(bytes)).rejects.toBeInstanceOf(FormatError);
  });

  it("refuses or reads, but never fails otherwise, whatever single byte is changed", async () => {
    await fc.assert(
      fc.asyncProperty(fc.nat(good.length - 1), fc.nat(255), async (at, byte) => {
        const changed = Uint8Array.from(good);
        changed[at] = byte;
        await readFrame(changed).catch((error) => expect(error).toBeInstanceOf(FormatError));
      }),
      { numRuns: 300 },
    );
  });
});
