/** The health of one channel over the kept steps: alive, dead, constant, saturated or not finite. */
import type { Channels } from "../types";

export type Condition = "alive" | "dead" | "constant" | "saturated" | "not finite" | "unknown";

export interface Change {
  readonly step: number;
  readonly from: Condition;
  readonly to: Condition;
}

/** Values at or beyond these are within 2.5 % of where a bounded activation ends. */
const ENDS: Readonly<Record<string, readonly [number, number]>> = {
  sigmoid: [0.025, 0.975],
  tanh: [-0.95, 0.95],
  relu6: [Number.NEGATIVE_INFINITY, 5.85],
};

/** One statistic of one channel over the steps; NaN where it is not known. */
export function channelSeries(
  { stats, steps, channels, values }: Channels,
  name: string,
  channel: number,
): Float32Array {
  const row = stats.indexOf(name);
  return Float32Array.from(steps, (_, step) =>
    row < 0 || channel >= channels ? Number.NaN : values[(step * stats.length + row) * channels + channel]!,
  );
}

export function conditions(channels: Channels, channel: number, activation: string | null): readonly Condition[] {
  const series = (name: string) => channelSeries(channels, name, channel);
  const [min, max, zeros, nan, posInf, negInf] = ["min", "max", "zeros", "nan", "pos_inf", "neg_inf"].map(
    series,
  ) as Float32Array[];
  const ends = ENDS[activation ?? ""];
  return Array.from(channels.steps, (_, i) => {
    if (nan![i]! + posInf![i]! + negInf![i]! > 0) return "not finite";
    if (Number.isNaN(max![i]!)) return "unknown";
    if (zeros![i] === 1 || (activation?.startsWith("relu") && max![i]! <= 0)) return "dead";
    if (min![i] === max![i]) return "constant";
    return ends && (min![i]! >= ends[1] || max![i]! <= ends[0]) ? "saturated" : "alive";
  });
}

/** Each step at which the condition is another one than at the step before. */
export function healthChanges(steps: ArrayLike<number>, states: readonly Condition[]): readonly Change[] {
  return states.flatMap((to, i) =>
    i > 0 && to !== states[i - 1] ? [{ step: steps[i]!, from: states[i - 1]!, to }] : [],
  );
}
