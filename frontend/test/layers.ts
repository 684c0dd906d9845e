/** A layer of which nothing is known but what a test says. */
import type { Layer } from "../src/types.gen";

const UNKNOWN: Layer = {
  name: "",
  kind: null,
  activation: null,
  weights: [],
  state: [],
  trainable: true,
  role: "hidden",
  inputs: [],
  kernel_size: null,
  strides: null,
  padding: null,
  dilation: null,
  groups: null,
  frozen: [],
  receives: null,
  rate: null,
  output_function: null,
  output_axis: null,
  kernels: null,
  layout: null,
  calls: null,
};

export function layer(fields: Partial<Layer>): Layer {
  return { ...UNKNOWN, ...fields };
}
