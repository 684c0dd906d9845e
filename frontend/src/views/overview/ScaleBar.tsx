/** The colour scale of the heat map, with numbers under it and the usual range marked over it. */

import { position, type Scale, ticks } from "../../charts/scale";
import { cssGradient, type Lut } from "../../draw/lut";
import { wordings } from "../../model/number_format";
import type { Unit } from "../../schema.gen";
import type { HealthyRange } from "../../types.gen";

export interface ScaleBarProps {
  readonly scale: Scale;
  readonly unit: Unit;
  readonly colours: Lut;
  readonly usual: HealthyRange | undefined;
}

export function ScaleBar({ scale, unit, colours, usual }: ScaleBarProps) {
  const word = wordings[unit];
  const at = (value: number) => `${position(scale, value) * 100}%`;
  const label = `Colour scale from ${word(scale.low)} to ${word(scale.high)}`;
  return (
    <div class="scale-bar">
      {usual && (
        <div
          class="scale-usual"
          style={{
            left: at(usual[0] ?? scale.low),
            right: `calc(100% - ${at(usual[1] ?? scale.high)})`,
          }}
        >
          <span>{usualWords(usual, word)}</span>
        </div>
      )}
      <div class="scale-colours" role="img" aria-label={label} style={{ background: cssGradient(colours) }} />
      <div class="scale-ticks">
        {ticks(scale, 5).map((value) => (
          <span key={value} style={{ left: at(value) }}>
            {word(value)}
          </span>
        ))}
      </div>
    </div>
  );
}

/** "usual: from 1 %", "usual: up to 60 %", "usual: 1e-4 to 1e-2", "usual: 0". */
export function usualWords([low, high]: HealthyRange, word: (value: number) => string): string {
  if (low === null) return high === null ? "" : `usual: up to ${word(high)}`;
  if (low === high) return `usual: ${word(low)}`;
  return high === null ? `usual: from ${word(low)}` : `usual: ${word(low)} to ${word(high)}`;
}
