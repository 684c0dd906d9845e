/** Writes records as docs/format.md has them, for tests. */
import { gzipSync } from "node:zlib";

type Stored = Uint8Array | Uint16Array | Float32Array | Int32Array | Float64Array;
export interface Given {
  readonly dtype: string;
  readonly shape: readonly number[];
  readonly values: Stored;
}

export function frame(header: Record<string, unknown>, sections: Record<string, Given>): Uint8Array {
  const members = Object.values(sections).map(({ values }) =>
    gzipSync(new Uint8Array(values.buffer, values.byteOffset, values.byteLength)),
  );
  let start = 0;
  const described = Object.entries(sections).map(([name, { dtype, shape }], i) => {
    const stop = start + members[i]!.length;
    const entry = [name, { dtype, shape, offsets: [start, stop] }] as const;
    start = stop;
    return entry;
  });
  return assembled({ version: 1, ...header, sections: Object.fromEntries(described) }, Buffer.concat(members));
}

export function assembled(header: unknown, body: Uint8Array): Uint8Array {
  const text = new TextEncoder().encode(JSON.stringify(header));
  const bytes = new Uint8Array(8 + text.length + body.length);
  new DataView(bytes.buffer).setBigUint64(0, BigInt(text.length), true);
  bytes.set(text, 8);
  bytes.set(body, 8 + text.length);
  return bytes;
}

export function floats(shape: readonly number[], values: readonly number[]): Given {
  return { dtype: "float32", shape, values: Float32Array.from(values) };
}
