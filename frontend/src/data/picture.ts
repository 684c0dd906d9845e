/** Stored pictures as typed values, checked against docs/format.md. */
import { assert } from "./assert";
import { type Frame, float32Section, type NdArray, readFrame, section, sizeOf } from "./record";

/** Statistics of channels or filters by name: `rows.get("mean")[channel]`. */
export type Stats = ReadonlyMap<string, Float32Array>;

interface PictureBase {
  readonly name: string;
  readonly layout: string;
  /** Of the array as logged, in canonical order. */
  readonly shape: readonly number[];
  readonly ordinal: number | null;
  readonly description: string | null;
  readonly stats: Stats;
}

/** Feature maps or probe inputs: `pixels` is [images, channels, *space]. */
export interface Maps extends PictureBase {
  readonly kind: "maps" | "inputs";
  readonly activation: string | null;
  readonly images: readonly number[];
  readonly channels: readonly number[];
  readonly reduced: number;
  readonly inputs: string | null;
  readonly pixels: NdArray;
}

/** A kernel: exact `values` [filters, inputs, *space], or, for a large one, `norms` and chosen `slices`. */
export interface Filters extends PictureBase {
  readonly kind: "filters";
  readonly layer: string | null;
  readonly filters: readonly number[];
  readonly values: NdArray | null;
  readonly norms: NdArray | null;
  readonly normsReduced: readonly number[];
  readonly slices: NdArray | null;
  readonly sliceInputs: Int32Array | null;
  readonly bias: Float32Array | null;
  readonly firstDifference: NdArray | null;
  /** The step of the value that `firstDifference` is to: not 0 in a run that was resumed. */
  readonly firstStep: number;
  readonly previousDifference: NdArray | null;
}

export type Picture = Maps | Filters;

export async function readPicture(bytes: Uint8Array): Promise<Picture> {
  const frame = await readFrame(bytes);
  const kind = frame.header.kind;
  assert(kind === "maps" || kind === "inputs" || kind === "filters", `the picture is of kind ${String(kind)}`);
  return kind === "filters" ? readFilters(frame) : readMaps(frame, kind);
}

/** Bytes that a picture holds in memory. */
export function pictureBytes(picture: Picture): number {
  const arrays =
    picture.kind === "filters"
      ? [picture.values, picture.norms, picture.slices, picture.firstDifference, picture.previousDifference]
      : [picture.pixels];
  return 1000 + arrays.reduce((sum, array) => sum + (array?.values.byteLength ?? 0), 0);
}

function readMaps(frame: Frame, kind: "maps" | "inputs"): Maps {
  const { header } = frame;
  const images = wholeNumbers(header, "images");
  const pixels = section(frame, "pixels");
  const channels =
    header.channels === undefined ? firstNumbers(pixels.shape[1] ?? 0) : wholeNumbers(header, "channels");
  const [storedImages, storedChannels] = pixels.shape;
  assert(pixels.shape.length >= 2, `section "pixels" has shape [${pixels.shape}]`);
  assert(
    storedImages === images.length && storedChannels === channels.length,
    `pixels of shape [${pixels.shape}] do not match the header`,
  );
  const base = readBase(frame);
  assert(
    channels.every((channel) => channel < base.shape[1]!),
    "a stored channel lies outside of the logged shape",
  );
  const reduced = header.reduced ?? 1;
  assert(Number.isInteger(reduced) && (reduced as number) >= 1, `reduced is ${String(reduced)}`);
  const activation = textOrNull(header.activation);
  return {
    ...base,
    kind,
    activation,
    images,
    channels,
    reduced: reduced as number,
    inputs: textOrNull(header.inputs),
    pixels,
  };
}

function readFilters(frame: Frame): Filters {
  const { header, sections } = frame;
  const optional = (name: string) => sections.get(name) ?? null;
  const filters = wholeNumbers(header, "filters");
  const values = optional("values");
  const norms = optional("norms");
  assert(values ?? norms, "the picture of a kernel has neither values nor norms");
  assert(
    !values || values.shape[0] === filters.length,
    `values of shape [${values?.shape}] do not match ${filters.length} filters`,
  );
  const sliceInputs = optional("slice_inputs")?.values;
  return {
    ...readBase(frame),
    kind: "filters",
    layer: textOrNull(header.layer),
    filters,
    values,
    norms,
    normsReduced: header.norms_reduced === undefined ? [1, 1] : wholeNumbers(header, "norms_reduced"),
    slices: optional("slices"),
    sliceInputs: sliceInputs instanceof Int32Array ? sliceInputs : null,
    bias: sections.has("bias") ? float32Section(frame, "bias").values : null,
    firstDifference: optional("first_difference"),
    firstStep: Number(header.first_step ?? 0),
    previousDifference: optional("previous_difference"),
  };
}

function readBase(frame: Frame): PictureBase {
  const { header } = frame;
  const shape = wholeNumbers(header, "shape");
  assert(shape.length >= 2, `shape is [${shape}]`);
  const ordinal = typeof header.ordinal === "number" ? header.ordinal : null;
  const layout = textOrNull(header.layout) ?? "";
  return {
    name: textOrNull(header.name) ?? "",
    layout,
    shape,
    ordinal,
    description: textOrNull(header.description),
    stats: readStats(frame),
  };
}

function readStats(frame: Frame): Stats {
  const names = texts(frame.header, "stats");
  const { shape, values } = float32Section(frame, "stats");
  const [rows = 0, columns = 0] = shape;
  assert(
    shape.length === 2 && rows === names.length && sizeOf(shape) === values.length,
    `section "stats" has shape [${shape}]`,
  );
  return new Map(names.map((name, row) => [name, values.subarray(row * columns, (row + 1) * columns)]));
}

export function texts(header: Readonly<Record<string, unknown>>, key: string): readonly string[] {
  const value = header[key];
  assert(
    Array.isArray(value) && value.every((text) => typeof text === "string"),
    `the header's "${key}" is no list of texts`,
  );
  return value;
}

function firstNumbers(count: number): number[] {
  return Array.from({ length: count }, (_, index) => index);
}

function wholeNumbers(header: Readonly<Record<string, unknown>>, key: string): readonly number[] {
  const value = header[key];
  assert(
    Array.isArray(value) && value.every((n) => Number.isSafeInteger(n) && n >= 0),
    `the header's "${key}" is no list of whole numbers`,
  );
  return value;
}

function textOrNull(value: unknown): string | null {
  return typeof value === "string" ? value : null;
}
