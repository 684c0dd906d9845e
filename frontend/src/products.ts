/** The sum that makes one value of a convolution: a product for every input channel and place under the window. */
import { paddingBefore } from "./receptive";
import type { Layer } from "./types";

export interface Kernel {
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

export interface Products {
  /** What each input channel adds, in order of channels. */
  readonly terms: readonly { readonly channel: number; readonly sum: number }[];
  readonly bias: number;
  /** All terms and the bias: the value before the activation. */
  readonly sum: number;
  /** By how much the rounding of what comes in can have moved the sum. */
  readonly rounding: number;
}

const ACTIVATIONS: Readonly<Record<string, (value: number) => number>> = {
  linear: (value) => value,
  relu: (value) => Math.max(0, value),
  relu6: (value) => Math.min(6, Math.max(0, value)),
  tanh: Math.tanh,
  sigmoid: (value) => 1 / (1 + Math.exp(-value)),
  elu: (value) => (value > 0 ? value : Math.expm1(value)),
  softplus: (value) => Math.log1p(Math.exp(value)),
};

/** The activation as a function; null for one that is not known, or that looks at more than one value. */
export function activationFunction(name: string | null): ((value: number) => number) | null {
  return ACTIVATIONS[name ?? "linear"] ?? null;
}

/** Whether `productsAt` can take a layer apart. */
export function isPlainConvolution(layer: Layer): boolean {
  const kind = layer.kind ?? "";
  return /conv/.test(kind) && !/transpose|separable|deconv/.test(kind) && layer.kernel_size !== null;
}

/**
 * Takes one value apart.
 *
 * @param filter index of the filter among all filters of the layer, and `row` among those in `kernel`.
 * @param pixel its place along each axis of space.
 */
export function productsAt(
  layer: Layer,
  kernel: Kernel,
  filter: number,
  row: number,
  filters: number,
  pixel: readonly number[],
  source: Source,
  bias: number,
): Products {
  const [, inputs = 1, ...window] = kernel.shape;
  const groups = source.channels / inputs;
  const first = Math.floor((filter * groups) / filters) * inputs;
  const places = windowPlaces(layer, window, pixel, source.space);
  const size = window.reduce((product, length) => product * length, 1);
  let rounding = 0;
  const terms = Array.from({ length: inputs }, (_, input) => {
    const channel = first + input;
    let sum = 0;
    for (const { at, weight } of places) {
      const factor = kernel.values[(row * inputs + input) * size + weight]!;
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
  window.forEach((length, axis) => {
    const stride = layer.strides?.[axis] ?? layer.strides?.[0] ?? 1;
    const dilation = layer.dilation?.[axis] ?? layer.dilation?.[0] ?? 1;
    const size = space[axis]!;
    const start = pixel[axis]! * stride - paddingBefore(layer.padding, axis, size, length, stride, dilation);
    const offsets = Array.from({ length }, (_, k) => ({ k, at: start + k * dilation })).filter(
      ({ at }) => at >= 0 && at < size,
    );
    places = places.flatMap((place) =>
      offsets.map(({ k, at }) => ({ at: place.at * size + at, weight: place.weight * length + k })),
    );
  });
  return places;
}
