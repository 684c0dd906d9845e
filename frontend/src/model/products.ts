/** The sum that makes one value of a layer: a product for every input channel and place that it looks at. */

import type { Layer } from "../types.gen";
import { isTransposed, paddingBefore, removedBefore } from "./receptive";

interface Kernel {
  /** [filters, inputs, *space]. */
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
}

/** What comes in: [channels, *space]. */
export interface Source {
  readonly channels: number;
  readonly space: readonly number[];
  readonly at: (channel: number, place: number) => number;
  /** Half a level of each channel's stored values; 0 where they are exact. */
  readonly halfLevel: (channel: number) => number;
}

/** The weights that make one channel. */
export interface Filter {
  /** [inputs, *window]. */
  readonly shape: readonly number[];
  readonly values: ArrayLike<number>;
  /** The source's channel that the first input is. */
  readonly first: number;
  /** The window is all of the source, whatever the pixel. */
  readonly whole?: boolean;
}

interface Products {
  /** What each input channel adds, in order of channels. */
  readonly terms: readonly { readonly channel: number; readonly sum: number }[];
  readonly bias: number;
  /** All terms and the bias: the value before the activation. */
  readonly sum: number;
  /** By how much the rounding of what comes in can have moved the sum. */
  readonly rounding: number;
}

/** Why a layer's values cannot be taken apart; empty where they can. */
export function whyWhole(layer: Layer): string {
  const kind = layer.kind ?? "";
  if (/dense|linear/.test(kind)) return "";
  if (!/conv/.test(kind)) return "Only values of convolutions and dense layers are taken apart";
  if (!layer.kernel_size) return "The geometry of this convolution is not logged";
  return isTransposed(kind) && (layer.groups ?? 1) > 1 ? "Grouped transposed convolutions are not taken apart" : "";
}

/** A convolution's filter: index `filter` among all `filters` of the layer, and `row` among those in `kernel`. */
export function filterOf(kernel: Kernel, row: number, filter: number, filters: number, channels: number): Filter {
  const [, inputs = 1, ...window] = kernel.shape;
  const groups = channels / inputs;
  const first = Math.floor((filter * groups) / filters) * inputs;
  return { shape: [inputs, ...window], values: rowOf(kernel, row), first };
}

/** A separable filter: what the depthwise filters see, weighted by a row of the pointwise kernel. */
export function separableFilter(depthwise: Kernel, pointwise: Kernel, row: number, channels: number): Filter {
  const [filters = 0, , ...window] = depthwise.shape;
  const size = product(window);
  const values = new Float64Array(channels * size);
  const weights = rowOf(pointwise, row);
  for (let i = 0; i < filters * size; i++) {
    const filter = Math.floor(i / size);
    values[Math.floor((filter * channels) / filters) * size + (i % size)]! += weights[filter]! * depthwise.values[i]!;
  }
  return { shape: [channels, ...window], values, first: 0 };
}

/**
 * A unit of a dense layer. Null where the source is not what it was applied to.
 *
 * @param channelsLast whether the source was flattened with its channels as the last axis.
 */
export function denseFilter(kernel: Kernel, row: number, source: Source, channelsLast: boolean): Filter | null {
  const { channels, space } = source;
  const values = rowOf(kernel, row);
  if (values.length === channels) return { shape: [channels], values, first: 0 };
  const size = product(space);
  if (values.length !== channels * size) return null;
  const ordered = channelsLast
    ? Float64Array.from(values, (_, i) => values[(i % size) * channels + Math.floor(i / size)]!)
    : values;
  return { shape: [channels, ...space], values: ordered, first: 0, whole: true };
}

/** Takes one value apart; `pixel` is its place along each axis of space. */
export function productsAt(
  layer: Layer,
  filter: Filter,
  pixel: readonly number[],
  source: Source,
  bias: number,
): Products {
  const [inputs = 0, ...window] = filter.shape;
  const size = product(window);
  const places = filter.whole
    ? Array.from({ length: size }, (_, at) => ({ at, weight: at }))
    : windowPlaces(layer, window, pixel, source.space);
  let rounding = 0;
  const terms = Array.from({ length: inputs }, (_, input) => {
    const channel = filter.first + input;
    let sum = 0;
    for (const { at, weight } of places) {
      const factor = filter.values[input * size + weight]!;
      sum += factor * source.at(channel, at);
      rounding += Math.abs(factor) * source.halfLevel(channel);
    }
    return { channel, sum };
  });
  return { terms, bias, sum: terms.reduce((total, term) => total + term.sum, bias), rounding };
}

/** Pairs of a place in the input and a weight of the window; what falls into the padding adds nothing. */
function windowPlaces(
  layer: Layer,
  window: readonly number[],
  pixel: readonly number[],
  space: readonly number[],
): { at: number; weight: number }[] {
  let places = [{ at: 0, weight: 0 }];
  space.forEach((size, axis) => {
    const length = window[axis] ?? 1;
    const offsets = reached(layer, axis, length, pixel[axis] ?? 0, size);
    places = places.flatMap((place) =>
      offsets.map(({ k, at }) => ({ at: place.at * size + at, weight: place.weight * length + k })),
    );
  });
  return places;
}

/** Along one axis: which weights of the window meet which entries of the input. */
function reached(layer: Layer, axis: number, length: number, pixel: number, size: number): { k: number; at: number }[] {
  const dense = !layer.kernel_size;
  const stride = dense ? 1 : (layer.strides?.[axis] ?? layer.strides?.[0] ?? 1);
  const dilation = layer.dilation?.[axis] ?? layer.dilation?.[0] ?? 1;
  const along = [layer.padding, axis, size, length, stride, dilation] as const;
  const at = isTransposed(layer.kind ?? "")
    ? (k: number) => (pixel + removedBefore(...along) - k * dilation) / stride
    : (k: number) => pixel * stride - paddingBefore(...along) + k * dilation;
  return Array.from({ length }, (_, k) => ({ k, at: at(k) })).filter(
    ({ at }) => Number.isInteger(at) && at >= 0 && at < size,
  );
}

function rowOf({ shape, values }: Kernel, row: number): ArrayLike<number> {
  const size = product(shape.slice(1));
  return Array.prototype.slice.call(values, row * size, (row + 1) * size);
}

function product(sizes: readonly number[]): number {
  return sizes.reduce((all, size) => all * size, 1);
}
