/** Axes and colour scales: where a value lies between two ends, and which numbers to print beside it. */

export interface Scale {
  readonly log: boolean;
  readonly low: number;
  readonly high: number;
}

const MAX_DECADES = 8;

/** A scale over the finite values given; a logarithmic one leaves out zeros and ends at whole powers of ten, at most eight of them. */
export function fit(values: Iterable<number>, log: boolean): Scale {
  let low = Number.POSITIVE_INFINITY;
  let high = Number.NEGATIVE_INFINITY;
  for (const value of values) {
    if (!Number.isFinite(value) || (log && value <= 0)) continue;
    low = Math.min(low, value);
    high = Math.max(high, value);
  }
  if (low > high) return { log, low: log ? 1e-3 : 0, high: 1 };
  return log ? logScale(low, high) : linearScale(low, high);
}

/** 0 at the low end, 1 at the high end, clamped; NaN where the value is not known. Zeros on a logarithmic scale lie at the low end. */
export function position(scale: Scale, value: number): number {
  if (Number.isNaN(value)) return Number.NaN;
  const { low, high } = scale;
  if (scale.log) return clamp(value <= 0 ? 0 : (Math.log(value) - Math.log(low)) / (Math.log(high) - Math.log(low)));
  return clamp((value - low) / (high - low));
}

/** The value at a position. */
export function valueAt(scale: Scale, place: number): number {
  return scale.log ? scale.low * (scale.high / scale.low) ** place : scale.low + (scale.high - scale.low) * place;
}

/** At most `most` round numbers from end to end. */
export function ticks(scale: Scale, most: number): number[] {
  return scale.log ? logTicks(scale, most) : linearTicks(scale, most);
}

function clamp(place: number): number {
  return Math.min(1, Math.max(0, place));
}

function linearScale(low: number, high: number): Scale {
  const room = low === high ? Math.max(Math.abs(low), 1) / 2 : 0;
  return { log: false, low: low - room, high: high + room };
}

function logScale(low: number, high: number): Scale {
  const top = Math.ceil(Math.log10(high) - 1e-9);
  const bottom = Math.max(Math.floor(Math.log10(low) + 1e-9), top - MAX_DECADES);
  return { log: true, low: 10 ** Math.min(bottom, top - 1), high: 10 ** top };
}

/** Powers of ten; where fewer than two lie within the scale, also twice and five times them. */
function logTicks({ low, high }: Scale, most: number): number[] {
  const bottom = Math.ceil(Math.log10(low) - 1e-9);
  const top = Math.floor(Math.log10(high) + 1e-9);
  if (top <= bottom)
    return between(
      low,
      high,
      [bottom - 1, bottom].flatMap((power) => [1, 2, 5].map((lead) => lead * 10 ** power)),
    );
  const every = Math.max(1, Math.ceil((top - bottom) / Math.max(1, most - 1)));
  const found: number[] = [];
  for (let power = bottom; power <= top; power += every) found.push(10 ** power);
  return found;
}

function between(low: number, high: number, values: number[]): number[] {
  return values.filter((value) => value >= low * (1 - 1e-9) && value <= high * (1 + 1e-9));
}

function linearTicks({ low, high }: Scale, most: number): number[] {
  const rough = (high - low) / Math.max(1, most - 1);
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = power * ([1, 2, 5, 10].find((factor) => factor * power >= rough * (1 - 1e-9)) as number);
  const found: number[] = [];
  for (let k = Math.ceil(low / step - 1e-9); k * step <= high + step * 1e-9; k++)
    found.push(Number((k * step).toPrecision(12)));
  return found;
}
