// Written by tools/generate.py from tb_featuremap_plugin/schema: change that, and run `make generate`.

import type { HealthyRange, Severity, TableName } from "./types.gen";

/** How a number is written. */
export type Unit = "number" | "share" | "ratio" | "count" | "step" | "bytes" | "seconds" | "flag";

/** A column of a packed table. */
export interface Column {
  readonly name: string;
  readonly title: string;
  readonly unit: Unit;
  readonly log: boolean;
  /** Both ends of its axis, where what it is gives them. */
  readonly ends?: readonly [number, number];
  /** Where the values of runs that learn well lie. */
  readonly usual?: HealthyRange;
}

/** What the heat map can show: one column, or the sum, ratio or comparable part of some. */
export interface Statistic extends Column {
  readonly table: Exclude<TableName, "progress">;
  readonly columns: readonly string[];
  readonly how: "value" | "sum" | "ratio" | "comparable";
}

/** What a variable can be said to do, from the most to the least alarming. */
export interface Verdict {
  readonly word: string;
  readonly severity: Severity | "fine" | "";
}

/** What follows from which activation it is. */
export interface Activation {
  /** A unit that is never above 0 is dead. */
  readonly rectifies?: true;
  /** Values below the first or above the second are saturated; null is no bound. */
  readonly unsaturated?: HealthyRange;
}

export const MAX_HEADER_BYTES = 1000000;
export const MAX_SECTION_BYTES = 536870912;
export const MAX_DIMENSIONS = 8;
export const MAX_SECTIONS = 32;
export const MAX_NAME_CHARACTERS = 4096;
export const MAX_BATCH_PARTS = 64;
export const FORMAT_VERSION = 1;
export const TOP_CODE = 252;
export const NEG_INF_CODE = 253;
export const POS_INF_CODE = 254;
export const NAN_CODE = 255;
export const ITEM_BYTES = { uint8: 1, float16: 2, float32: 4, int32: 4, float64: 8 } as const;
export const DUPLICATE_COSINE = 0.99;
export const ANSWERS_ID = "featuremaps-answers";
export const STYLE_ID = "featuremaps-style";
export const PLUGIN_NAME = "featuremaps";
export const INPUTS_ROW = "@inputs";
export const TARGETS_ROW = "@targets";
export const UNKNOWN_VERDICT = "unknown";
export const UNJUDGED_VERDICT = "moving_statistic";

export const layerColumns: readonly Column[] = [
  { name: "ordinal", title: "Ordinal", unit: "count", log: false },
  { name: "samples", title: "Samples", unit: "count", log: false },
  { name: "units", title: "Units", unit: "count", log: false },
  { name: "mean", title: "Mean of the output", unit: "number", log: false },
  { name: "std", title: "Standard deviation of the output", unit: "number", log: true, usual: [0.05, 2.0] },
  { name: "rms", title: "Size of the output (root mean square)", unit: "number", log: true },
  { name: "min", title: "Smallest output", unit: "number", log: false },
  { name: "max", title: "Largest output", unit: "number", log: true, usual: [null, 100.0] },
  { name: "zeros", title: "Zeros in the output", unit: "share", log: false, ends: [0, 1] },
  { name: "below_zero", title: "Share of values below 0", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.5] },
  { name: "above_one", title: "Share of values above 1", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.5] },
  { name: "dead_units", title: "Units that are never active", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.5] },
  { name: "constant_units", title: "Units that answer every input alike", unit: "share", log: false, ends: [0, 1] },
  { name: "saturated", title: "Values at the activation's limits", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.4] },
  { name: "saturated_units", title: "Saturated units", unit: "share", log: false, ends: [0, 1] },
  { name: "input_share", title: "Share that depends on the input", unit: "share", log: true, usual: [0.018, 1.0] },
  { name: "nan", title: "NaN values", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "pos_inf", title: "+Inf values", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "neg_inf", title: "-Inf values", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "p01", title: "P01", unit: "number", log: false },
  { name: "p05", title: "P05", unit: "number", log: false },
  { name: "p25", title: "P25", unit: "number", log: false },
  { name: "p50", title: "P50", unit: "number", log: false },
  { name: "p75", title: "P75", unit: "number", log: false },
  { name: "p95", title: "P95", unit: "number", log: false },
  { name: "p99", title: "P99", unit: "number", log: false },
  { name: "integers", title: "Whole numbers", unit: "share", log: false, ends: [0, 1] },
  { name: "channel_sum_min", title: "Channel sum min", unit: "number", log: false },
  { name: "channel_sum_max", title: "Channel sum max", unit: "number", log: false },
  { name: "top_share", title: "Top share", unit: "share", log: false, ends: [0, 1] },
];

export const variableColumns: readonly Column[] = [
  { name: "ordinal", title: "Ordinal", unit: "count", log: false },
  { name: "size", title: "Size", unit: "count", log: false },
  { name: "trainable", title: "Trainable", unit: "flag", log: false },
  { name: "norm", title: "Norm of the weights", unit: "number", log: true },
  { name: "mean", title: "Mean", unit: "number", log: false },
  { name: "std", title: "Standard deviation of the weights", unit: "number", log: true },
  { name: "min", title: "Min", unit: "number", log: false },
  { name: "max", title: "Max", unit: "number", log: false },
  { name: "zeros", title: "Zeros", unit: "share", log: false, ends: [0, 1] },
  { name: "nan", title: "NaN weights", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "pos_inf", title: "+Inf weights", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "neg_inf", title: "-Inf weights", unit: "count", log: false, usual: [0.0, 0.0] },
  { name: "p07", title: "P07", unit: "number", log: false },
  { name: "p16", title: "P16", unit: "number", log: false },
  { name: "p31", title: "P31", unit: "number", log: false },
  { name: "p50", title: "P50", unit: "number", log: false },
  { name: "p69", title: "P69", unit: "number", log: false },
  { name: "p84", title: "P84", unit: "number", log: false },
  { name: "p93", title: "P93", unit: "number", log: false },
  { name: "gap", title: "Gap", unit: "count", log: false },
  { name: "update_norm", title: "Norm of the update", unit: "number", log: true },
  { name: "update_ratio", title: "Update of one step over the weights", unit: "ratio", log: true, usual: [0.001, 0.065] },
  { name: "update_max", title: "Largest change of a weight", unit: "number", log: true },
  { name: "changed", title: "Weights that changed", unit: "share", log: false, ends: [0, 1] },
  { name: "cosine", title: "Direction of successive updates (cosine)", unit: "number", log: false, ends: [-1, 1], usual: [-0.43, 1.0] },
  { name: "radial", title: "Radial", unit: "number", log: false, ends: [-1, 1] },
  { name: "displacement", title: "Distance from the first value", unit: "number", log: false },
  { name: "initial_norm", title: "Initial norm", unit: "number", log: false },
  { name: "initial_std", title: "Initial std", unit: "number", log: false },
  { name: "unit_spread", title: "Difference between units", unit: "number", log: false, usual: [0.1, null] },
  { name: "duplicates", title: "Filters that are copies of others", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.5] },
  { name: "epsilon", title: "Epsilon", unit: "number", log: false },
  { name: "lost", title: "Updates lost to rounding", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.01] },
  { name: "gradient_norm", title: "Gradient norm", unit: "ratio", log: true, usual: [null, 100.0] },
  { name: "gradient_mean_abs", title: "Gradient mean abs", unit: "ratio", log: true },
  { name: "gradient_zeros", title: "Gradient zeros", unit: "share", log: false, ends: [0, 1] },
  { name: "gradient_nonfinite", title: "Gradient nonfinite", unit: "count", log: false },
  { name: "gradient_cosine", title: "Gradient cosine", unit: "number", log: false, ends: [-1, 1] },
  { name: "fan_in", title: "Fan in", unit: "count", log: false },
  { name: "fan_out", title: "Fan out", unit: "count", log: false },
  { name: "first_step", title: "First step", unit: "step", log: false },
];

export const lossColumns: readonly Column[] = [
  { name: "steps_before", title: "Steps before", unit: "count", log: false },
  { name: "loss", title: "Loss", unit: "number", log: false },
];

export const heatMap: readonly Statistic[] = [
  { name: "input_share", title: "Share that depends on the input", unit: "share", log: true, usual: [0.018, 1.0], table: "layers", columns: ["input_share"], how: "value" },
  { name: "rms", title: "Size of the output (root mean square)", unit: "number", log: true, table: "layers", columns: ["rms"], how: "value" },
  { name: "std", title: "Standard deviation of the output", unit: "number", log: true, usual: [0.05, 2.0], table: "layers", columns: ["std"], how: "value" },
  { name: "dead_units", title: "Units that are never active", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.5], table: "layers", columns: ["dead_units"], how: "value" },
  { name: "constant_units", title: "Units that answer every input alike", unit: "share", log: false, ends: [0, 1], table: "layers", columns: ["constant_units"], how: "value" },
  { name: "zeros", title: "Zeros in the output", unit: "share", log: false, ends: [0, 1], table: "layers", columns: ["zeros"], how: "value" },
  { name: "saturated", title: "Values at the activation's limits", unit: "share", log: false, ends: [0, 1], usual: [0.0, 0.4], table: "layers", columns: ["saturated"], how: "value" },
  { name: "nonfinite", title: "NaN and infinite values", unit: "count", log: false, usual: [0.0, 0.0], table: "layers", columns: ["nan", "pos_inf", "neg_inf"], how: "sum" },
  { name: "update_ratio", title: "Update of one step over the weights", unit: "ratio", log: true, usual: [0.001, 0.065], table: "variables", columns: ["update_ratio", "gap"], how: "comparable" },
  { name: "gradient_norm", title: "Gradient norm", unit: "ratio", log: true, usual: [null, 100.0], table: "variables", columns: ["gradient_norm"], how: "value" },
  { name: "moved", title: "Distance from the first value over its norm", unit: "share", log: true, table: "variables", columns: ["displacement", "initial_norm"], how: "ratio" },
  { name: "cosine", title: "Direction of successive updates (cosine)", unit: "number", log: false, ends: [-1, 1], usual: [-0.43, 1.0], table: "variables", columns: ["cosine"], how: "value" },
  { name: "norm", title: "Norm of the weights", unit: "number", log: true, table: "variables", columns: ["norm"], how: "value" },
];

export const verdicts: readonly Verdict[] = [
  { word: "unchanged", severity: "error" },
  { word: "lost_to_rounding", severity: "error" },
  { word: "too_fast", severity: "warning" },
  { word: "thrashing", severity: "warning" },
  { word: "slow", severity: "warning" },
  { word: "decaying", severity: "info" },
  { word: "unknown", severity: "" },
  { word: "changing", severity: "fine" },
  { word: "frozen", severity: "" },
  { word: "moving_statistic", severity: "" },
];

export const severities: readonly Severity[] = [
  "info",
  "warning",
  "error",
];

export const activations: Readonly<Record<string, Activation>> = {
  relu: { rectifies: true },
  relu6: { rectifies: true, unsaturated: [null, 5.85] },
  squared_relu: { rectifies: true },
  sparse_plus: { rectifies: true },
  clipped_gelu: { unsaturated: [null, 9.74575] },
  sigmoid: { unsaturated: [0.025, 0.975] },
  hard_sigmoid: { unsaturated: [0.025, 0.975] },
  sparse_sigmoid: { unsaturated: [0.025, 0.975] },
  laplace: { unsaturated: [0.025, 0.975] },
  tanh: { unsaturated: [-0.95, 0.95] },
  hard_tanh: { unsaturated: [-0.95, 0.95] },
  softsign: { unsaturated: [-0.95, 0.95] },
};

export const activationNames: Readonly<Record<string, string>> = {
  linear: "linear",
  identity: "linear",
  none: "linear",
  linearactivation: "linear",
  relu: "relu",
  rectifier: "relu",
  relulayer: "relu",
  relu6: "relu6",
  squaredrelu: "squared_relu",
  relu2: "squared_relu",
  relusquared: "squared_relu",
  relusquaredactivation: "squared_relu",
  sparseplus: "sparse_plus",
  leakyrelu: "leaky_relu",
  lrelu: "leaky_relu",
  prelu: "prelu",
  parametricrelu: "prelu",
  rrelu: "rrelu",
  randomizedleakyrelu: "rrelu",
  elu: "elu",
  celu: "celu",
  selu: "selu",
  gelu: "gelu",
  gelunew: "gelu",
  gelufast: "gelu",
  gelupython: "gelu",
  geluaccurate: "gelu",
  gelutanh: "gelu",
  gelupytorchtanh: "gelu",
  pytorchgelutanh: "gelu",
  approximategelu: "gelu",
  geluactivation: "gelu",
  newgeluactivation: "gelu",
  fastgeluactivation: "gelu",
  accurategeluactivation: "gelu",
  quickgelu: "quick_gelu",
  quickgeluactivation: "quick_gelu",
  clippedgelu: "clipped_gelu",
  gelu10: "clipped_gelu",
  clippedgeluactivation: "clipped_gelu",
  silu: "silu",
  swish: "silu",
  siluactivation: "silu",
  swishme: "silu",
  swishjit: "silu",
  memoryefficientswish: "silu",
  hardsilu: "hard_silu",
  hardswish: "hard_silu",
  hswish: "hard_silu",
  hardswishjit: "hard_silu",
  hardswishme: "hard_silu",
  mish: "mish",
  mishactivation: "mish",
  mishjit: "mish",
  mishme: "mish",
  hardmish: "hard_mish",
  hardmishjit: "hard_mish",
  hardmishme: "hard_mish",
  softplus: "softplus",
  squareplus: "squareplus",
  exponential: "exponential",
  exp: "exponential",
  sigmoid: "sigmoid",
  logistic: "sigmoid",
  expit: "sigmoid",
  hardsigmoid: "hard_sigmoid",
  hsigmoid: "hard_sigmoid",
  hardsigmoidjit: "hard_sigmoid",
  hardsigmoidme: "hard_sigmoid",
  sparsesigmoid: "sparse_sigmoid",
  laplace: "laplace",
  laplaceactivation: "laplace",
  tanh: "tanh",
  hardtanh: "hard_tanh",
  softsign: "softsign",
  softmax: "softmax",
  softmax2d: "softmax",
  stablesoftmax: "softmax",
  softmin: "softmin",
  sparsemax: "sparsemax",
  logsoftmax: "log_softmax",
  logsigmoid: "log_sigmoid",
  glu: "glu",
  gatedlinearunit: "glu",
  hardshrink: "hard_shrink",
  softshrink: "soft_shrink",
  tanhshrink: "tanh_shrink",
  threshold: "threshold",
};
