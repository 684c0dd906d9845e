/** Which part of the probe input a value depends on, from the geometry that was logged. */
import type { Layer } from "../types.gen";
import { activationName } from "./activation";

/** First and last index along one axis of space; may reach beyond the array where there is padding. */
type Interval = readonly [number, number];
export type Box = readonly Interval[];

export interface Network {
  readonly layers: ReadonlyMap<string, Layer>;
  /** Sizes of the probe input along the axes of space. */
  readonly input: readonly number[];
  /** Sizes of what a layer puts out, where its maps are logged. */
  readonly logged: ReadonlyMap<string, readonly number[]>;
}

const WHOLE = /flatten|global|adaptive|layer_?norm|group_?norm|instance_?norm|attention/;
const SAME_PLACE =
  /activation|relu|elu|softmax|batch_?norm|dropout|add|concat|multiply|subtract|average$|maximum|minimum|identity|rescaling|input|response_?norm|lrn|linear|dense/;
const WINDOW = /conv|pool/;
const TRANSPOSED = /transpose|deconv/;
const UPSAMPLING = /up_?sampl/;

/** The box of the input that a box of a layer's output depends on; null where the geometry is not known. */
export function receptiveField(network: Network, name: string, box: Box): Box | null {
  const layer = network.layers.get(name);
  if (!layer) return null;
  const before = sourcesOf(network, layer);
  const boxes = before.map((source) => {
    const size = source === null ? network.input : sizeOf(network, source);
    const needed = size && boxBefore(network, layer, box, size);
    return needed && source !== null ? receptiveField(network, source, clipped(needed, size)) : needed;
  });
  return boxes.every((found) => found !== null)
    ? boxes.reduce<Box | null>((all, found) => (all ? join(all, found!) : found), null)
    : null;
}

/** Cuts a box to an array's sizes. */
export function clipped(box: Box, sizes: readonly number[]): Box {
  return box.map(([first, last], axis) => [Math.max(0, first), Math.min(sizes[axis]! - 1, last)]);
}

/** Along one axis: what a window that is moved by `stride` covers for outputs first to last. */
function windowBefore(
  [first, last]: Interval,
  kernel: number,
  stride: number,
  dilation: number,
  padding: number,
): Interval {
  return [first * stride - padding, last * stride - padding + (kernel - 1) * dilation];
}

/** Along one axis: which inputs of a transposed convolution reach outputs first to last. */
function transposedBefore(
  [first, last]: Interval,
  kernel: number,
  stride: number,
  dilation: number,
  padding: number,
): Interval {
  return [Math.ceil((first + padding - (kernel - 1) * dilation) / stride), Math.floor((last + padding) / stride)];
}

/** How much is added before the first entry. "same" adds half of what is missing, rounded down, as TensorFlow does. */
export function paddingBefore(
  padding: Layer["padding"],
  axis: number,
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
): number {
  const reach = (kernel - 1) * dilation;
  if (padding === "same")
    return Math.floor(Math.max(0, (Math.ceil(size / stride) - 1) * stride + reach + 1 - size) / 2);
  if (padding === "causal") return reach;
  return typeof padding === "string" || padding === null ? 0 : (padding[axis] ?? padding[0] ?? 0);
}

/** How much a transposed convolution cuts off before its first entry. */
export function removedBefore(
  padding: Layer["padding"],
  axis: number,
  size: number,
  kernel: number,
  stride: number,
  dilation: number,
): number {
  return padding === "same"
    ? Math.floor(Math.max(0, (kernel - 1) * dilation + 1 - stride) / 2)
    : paddingBefore(padding, axis, size, kernel, stride, dilation);
}

export function isTransposed(kind: string): boolean {
  return TRANSPOSED.test(kind);
}

/** Sizes of what a layer puts out: as logged, else as its geometry gives them. */
export function sizeOf(network: Network, name: string): readonly number[] | null {
  const logged = network.logged.get(name);
  if (logged) return logged;
  const layer = network.layers.get(name);
  if (!layer) return null;
  const source = sourcesOf(network, layer)[0]!;
  const before = source === null ? network.input : sizeOf(network, source);
  return before && sizeAfter(layer, before);
}

/** The layers before one; null stands for the probe input. */
function sourcesOf(network: Network, layer: Layer): readonly (string | null)[] {
  const known = layer.inputs.filter((name) => network.layers.has(name));
  return known.length ? known : [null];
}

function sizeAfter(layer: Layer, before: readonly number[]): readonly number[] | null {
  const kind = layer.kind ?? "";
  if (WHOLE.test(kind)) return [];
  if (isPadding(kind)) return before.map((size, axis) => size + 2 * paddingBefore(layer.padding, axis, size, 1, 1, 1));
  if (!WINDOW.test(kind)) return keepsPlaces(kind) ? before : null;
  return before.map((size, axis) => {
    const { kernel, stride, dilation } = geometry(layer, axis);
    const reach = (kernel - 1) * dilation;
    const padded = paddingBefore(layer.padding, axis, size, kernel, stride, dilation);
    const same = layer.padding === "same";
    if (isTransposed(kind)) {
      if (same) return size * stride;
      if (layer.padding === "valid") return size * stride + Math.max(0, reach + 1 - stride);
      return (size - 1) * stride + reach + 1 - 2 * padded;
    }
    if (same || layer.padding === "causal") return Math.ceil(size / stride);
    return Math.floor((size + 2 * padded - reach - 1) / stride) + 1;
  });
}

function geometry(layer: Layer, axis: number): { kernel: number; stride: number; dilation: number } {
  const at = (numbers: readonly number[] | null, otherwise: number) => numbers?.[axis] ?? numbers?.[0] ?? otherwise;
  const kernel = at(layer.kernel_size, 1);
  return {
    kernel,
    stride: at(layer.strides, /pool/.test(layer.kind ?? "") ? kernel : 1),
    dilation: at(layer.dilation, 1),
  };
}

function boxBefore(network: Network, layer: Layer, box: Box, size: readonly number[]): Box | null {
  const kind = layer.kind ?? "";
  const all: Box = size.map((length) => [0, length - 1]);
  if (WHOLE.test(kind) || box.length !== size.length) return all;
  if (isPadding(kind))
    return box.map(([first, last], axis) => shifted(first, last, paddingBefore(layer.padding, axis, 0, 1, 1, 1)));
  if (UPSAMPLING.test(kind)) return upsampledBefore(network.logged.get(layer.name), box, size);
  if (WINDOW.test(kind))
    return layer.kernel_size ? box.map((interval, axis) => windowOf(layer, interval, axis, size[axis]!)) : null;
  return keepsPlaces(kind) ? box : null;
}

/** Whether each value depends on what stands at its own place alone. */
function keepsPlaces(kind: string): boolean {
  return activationName(kind) !== null || SAME_PLACE.test(kind);
}

function isPadding(kind: string): boolean {
  return /zero_?pad/.test(kind);
}

function shifted(first: number, last: number, by: number): Interval {
  return [first - by, last - by];
}

function windowOf(layer: Layer, interval: Interval, axis: number, size: number): Interval {
  const { kernel, stride, dilation } = geometry(layer, axis);
  const along = [layer.padding, axis, size, kernel, stride, dilation] as const;
  return isTransposed(layer.kind ?? "")
    ? transposedBefore(interval, kernel, stride, dilation, removedBefore(...along))
    : windowBefore(interval, kernel, stride, dilation, paddingBefore(...along));
}

/** Enlarged by a whole factor; one more entry on each side, since it may be interpolated. */
function upsampledBefore(after: readonly number[] | undefined, box: Box, size: readonly number[]): Box | null {
  if (!after) return null;
  return box.map(([first, last], axis) => {
    const factor = after[axis]! / size[axis]!;
    return [Math.floor(first / factor) - 1, Math.floor(last / factor) + 1];
  });
}

function join(a: Box, b: Box): Box {
  return a.map(([first, last], axis) => [Math.min(first, b[axis]![0]), Math.max(last, b[axis]![1])]);
}
