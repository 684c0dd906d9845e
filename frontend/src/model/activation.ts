/** Activations by any of their names, and what follows from which one it is. */

import { type Activation, activationNames, activations } from "../schema.gen";

/** The catalogue's name of an activation, in whatever spelling it comes: "Hard-Tanh", "hard_tanh" and "hardtanh" are the same. Null if it is not known. */
export function activationName(text: string | null): string | null {
  const bare = (text ?? "").toLowerCase().replace(/[^\p{L}\p{N}]/gu, "");
  return Object.hasOwn(activationNames, bare) ? activationNames[bare]! : null;
}

export function activationFacts(text: string | null): Activation {
  return activations[activationName(text) ?? ""] ?? {};
}

const sigmoid = (value: number) => 1 / (1 + Math.exp(-value));
const hardSigmoid = (value: number) => clamp(value / 6 + 0.5, 0, 1);
const softplus = (value: number) => Math.max(0, value) + Math.log1p(Math.exp(-Math.abs(value)));
const elu = (value: number) => (value > 0 ? value : Math.expm1(value));

/** By the catalogue's names. Those that frameworks define in several ways, or with a parameter that is not logged, are left out. */
const FUNCTIONS: Readonly<Record<string, (value: number) => number>> = {
  linear: (value) => value,
  relu: (value) => Math.max(0, value),
  relu6: (value) => clamp(value, 0, 6),
  squared_relu: (value) => Math.max(0, value) ** 2,
  elu,
  celu: elu,
  selu: (value) => 1.0507009873554805 * (value > 0 ? value : 1.6732632423543772 * Math.expm1(value)),
  quick_gelu: (value) => value * sigmoid(1.702 * value),
  silu: (value) => value * sigmoid(value),
  hard_silu: (value) => value * hardSigmoid(value),
  mish: (value) => value * Math.tanh(softplus(value)),
  softplus,
  exponential: Math.exp,
  sigmoid,
  hard_sigmoid: hardSigmoid,
  log_sigmoid: (value) => -softplus(-value),
  tanh: Math.tanh,
  hard_tanh: (value) => clamp(value, -1, 1),
  softsign: (value) => value / (1 + Math.abs(value)),
};

/** The activation as a function; null for one that is not known, or that looks at more than one value. */
export function activationFunction(text: string | null): ((value: number) => number) | null {
  return FUNCTIONS[text === null ? "linear" : (activationName(text) ?? "")] ?? null;
}

function clamp(value: number, low: number, high: number): number {
  return Math.min(high, Math.max(low, value));
}
