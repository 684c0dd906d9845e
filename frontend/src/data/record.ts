/** Reader of docs/format.md: the framing of records and of the backend's frames. Sizes are checked before anything is allocated. */
import {
  FORMAT_VERSION,
  ITEM_BYTES,
  MAX_DIMENSIONS,
  MAX_HEADER_BYTES,
  MAX_SECTION_BYTES,
  MAX_SECTIONS,
} from "../schema.gen";
import { assert, FormatError, isObject } from "./assert";
import { float16ToFloat32 } from "./float16";

const LENGTH_BYTES = 8;

type Dtype = keyof typeof ITEM_BYTES;
export type Values =
  | Uint8Array<ArrayBuffer>
  | Float32Array<ArrayBuffer>
  | Int32Array<ArrayBuffer>
  | Float64Array<ArrayBuffer>;

/** An inflated section; float16 is widened to float32. */
export interface NdArray {
  readonly shape: readonly number[];
  readonly dtype: Dtype;
  readonly values: Values;
}

export interface Frame {
  readonly header: Readonly<Record<string, unknown>>;
  readonly sections: ReadonlyMap<string, NdArray>;
}

interface Section {
  readonly name: string;
  readonly dtype: Dtype;
  readonly shape: readonly number[];
  readonly start: number;
  readonly stop: number;
}

/** Reads a record and inflates all of its sections. Throws FormatError where the bytes break the format. */
export async function readFrame(bytes: Uint8Array): Promise<Frame> {
  const { header, body } = readHeader(bytes);
  const sections = parseSections(header.sections, bytes.length - body);
  const arrays = await Promise.all(sections.map((section) => inflateSection(bytes.subarray(body), section)));
  return { header, sections: new Map(sections.map((section, i) => [section.name, arrays[i]!])) };
}

export function section(frame: Frame, name: string): NdArray {
  const found = frame.sections.get(name);
  assert(found, `the record has no section "${name}", only ${[...frame.sections.keys()].join(", ")}`);
  return found;
}

export function float32Section(
  frame: Frame,
  name: string,
): { shape: readonly number[]; values: Float32Array<ArrayBuffer> } {
  const { shape, values, dtype } = section(frame, name);
  assert(values instanceof Float32Array, `section "${name}" has dtype ${dtype}, not float32`);
  return { shape, values };
}

export function float64Section(frame: Frame, name: string): Float64Array<ArrayBuffer> {
  const { values, dtype } = section(frame, name);
  assert(values instanceof Float64Array, `section "${name}" has dtype ${dtype}, not float64`);
  return values;
}

export function sizeOf(shape: readonly number[]): number {
  return shape.reduce((product, size) => product * size, 1);
}

/** The JSON object that a record or an answer of the backend begins with, and where its body begins. */
export function readHeader(bytes: Uint8Array): { header: Record<string, unknown>; body: number } {
  assert(bytes.length >= LENGTH_BYTES, `the record has only ${bytes.length} bytes`);
  const length = Number(new DataView(bytes.buffer, bytes.byteOffset).getBigUint64(0, true));
  const body = LENGTH_BYTES + length;
  assert(
    length <= MAX_HEADER_BYTES && body <= bytes.length,
    `the header claims ${length} bytes of a record of ${bytes.length}`,
  );
  const header = parseJson(bytes.subarray(LENGTH_BYTES, body));
  assert(isObject(header), "the header is not a JSON object");
  const version = header.version;
  assert(Number.isInteger(version) && (version as number) >= 1, `the header's version is ${String(version)}`);
  assert(
    (version as number) <= FORMAT_VERSION,
    `the record is of format version ${version}; this page reads up to ${FORMAT_VERSION}`,
  );
  return { header, body };
}

function parseJson(bytes: Uint8Array): unknown {
  try {
    return JSON.parse(new TextDecoder().decode(bytes));
  } catch {
    return undefined;
  }
}

function parseSections(raw: unknown, available: number): readonly Section[] {
  assert(isObject(raw), "the header has no sections");
  const entries = Object.entries(raw);
  assert(entries.length <= MAX_SECTIONS, `the record has ${entries.length} sections; at most ${MAX_SECTIONS} are read`);
  const sections = entries
    .map(([name, entry]) => parseSection(name, entry))
    .sort((a, b) => a.start - b.start || a.stop - b.stop);
  let expected = 0;
  for (const { name, start, stop } of sections) {
    assert(start === expected && stop >= start, `section "${name}" starts at ${start}, where ${expected} was expected`);
    expected = stop;
  }
  assert(expected === available, `the sections end at ${expected}, the record at ${available}`);
  return sections;
}

function parseSection(name: string, entry: unknown): Section {
  assert(isObject(entry), `section "${name}" is not an object`);
  const { dtype, shape, offsets } = entry;
  assert(typeof dtype === "string" && Object.hasOwn(ITEM_BYTES, dtype), `section "${name}" has dtype ${String(dtype)}`);
  assert(isSizes(shape) && shape.length <= MAX_DIMENSIONS, `section "${name}" has shape ${JSON.stringify(shape)}`);
  assert(isSizes(offsets) && offsets.length === 2, `section "${name}" has offsets ${JSON.stringify(offsets)}`);
  const inflated = sizeOf(shape) * ITEM_BYTES[dtype as Dtype];
  assert(
    inflated <= MAX_SECTION_BYTES,
    `section "${name}" holds ${inflated} bytes; at most ${MAX_SECTION_BYTES} are read`,
  );
  return { name, dtype: dtype as Dtype, shape, start: offsets[0]!, stop: offsets[1]! };
}

function isSizes(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((size) => Number.isSafeInteger(size) && size >= 0);
}

async function inflateSection(body: Uint8Array, { name, dtype, shape, start, stop }: Section): Promise<NdArray> {
  const bytes = await inflate(body.subarray(start, stop), sizeOf(shape) * ITEM_BYTES[dtype], name);
  return { shape, dtype, values: view(dtype, bytes.buffer) };
}

function view(dtype: Dtype, buffer: ArrayBuffer): Values {
  switch (dtype) {
    case "uint8":
      return new Uint8Array(buffer);
    case "float16":
      return float16ToFloat32(new Uint16Array(buffer));
    case "float32":
      return new Float32Array(buffer);
    case "int32":
      return new Int32Array(buffer);
    case "float64":
      return new Float64Array(buffer);
  }
}

/** Inflates a gzip member into exactly `expected` bytes, and stops reading as soon as there are more. */
async function inflate(packed: Uint8Array, expected: number, name: string): Promise<Uint8Array<ArrayBuffer>> {
  const inflated = new Uint8Array(expected);
  let filled = 0;
  const stream = new Blob([packed as Uint8Array<ArrayBuffer>]).stream().pipeThrough(new DecompressionStream("gzip"));
  const reader = stream.getReader();
  try {
    for (let chunk = await reader.read(); !chunk.done; chunk = await reader.read()) {
      assert(
        filled + chunk.value.length <= expected,
        `section "${name}" inflates to more than the ${expected} bytes of its shape`,
      );
      inflated.set(chunk.value, filled);
      filled += chunk.value.length;
    }
  } catch (error) {
    await reader.cancel().catch(() => undefined);
    throw error instanceof FormatError ? error : new FormatError(`section "${name}" is not a gzip member`);
  }
  assert(filled === expected, `section "${name}" inflates to ${filled} bytes, not to the ${expected} of its shape`);
  return inflated;
}
