/** The health of one channel: alive, dead, constant, saturated or not finite. */
import type { Channels } from "../data/frames";
import type { Activation } from "../schema.gen";
import type { Condition } from "../types.gen";

interface Change {
  readonly step: number;
  readonly from: Condition;
  readonly to: Condition;
}

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

/** What a channel is at each kept step, as the backend says. */
export function conditions({ steps, channels, conditions, words }: Channels, channel: number): readonly Condition[] {
  return Array.from(steps, (_, step) =>
    channel < channels ? words[conditions[step * channels + channel]!]! : "unknown",
  );
}

/**
 * What a channel of a single picture is. The backend says it of whole series, which takes reading all of their pictures; this holds to the
 * same order and the same limits where there is one picture and nothing else is to be fetched.
 *
 * @param stat a statistic of the channel by name; NaN where it is not known.
 */
export function conditionOf(stat: (name: string) => number, { rectifies, unsaturated }: Activation): Condition {
  const [min, max] = [stat("min"), stat("max")];
  if (stat("nan") > 0 || stat("pos_inf") > 0 || stat("neg_inf") > 0) return "not finite";
  if (Number.isNaN(max)) return "unknown";
  if (stat("zeros") === 1 || (rectifies && max <= 0)) return "dead";
  const [low, high] = unsaturated ?? [null, null];
  if ((low !== null && max < low) || (high !== null && min > high)) return "saturated";
  return min === max || stat("spread") === 0 ? "constant" : "alive";
}

/** Each step at which the condition is another one than at the step before. */
export function healthChanges(steps: ArrayLike<number>, states: readonly Condition[]): readonly Change[] {
  return states.flatMap((to, i) =>
    i > 0 && to !== states[i - 1] ? [{ step: steps[i]!, from: states[i - 1]!, to }] : [],
  );
}
