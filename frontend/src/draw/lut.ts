/** Colour tables of 256 entries, ready to be written into an ImageData: one little-endian RGBA word each. */
import { CIVIDIS, DIVERGING_STOPS, VIRIDIS } from "./lut_data";

export type Lut = Uint32Array;
export const ENTRIES = 256;
const LETTER_OF_ZERO = "M".charCodeAt(0);

export function rgb(red: number, green: number, blue: number): number {
  return ((255 << 24) | (blue << 16) | (green << 8) | red) >>> 0;
}

export function channelsOf(word: number): readonly [number, number, number] {
  return [word & 255, (word >> 8) & 255, (word >> 16) & 255];
}

const tables = new Map<ColourMap, Lut>();
/** Every colour map; of a signed one the middle is zero. */
const MAPS = {
  viridis: { signed: false, make: () => fromDifferences(VIRIDIS) },
  cividis: { signed: false, make: () => fromDifferences(CIVIDIS) },
  grey: { signed: false, make: () => Uint32Array.from({ length: ENTRIES }, (_, level) => rgb(level, level, level)) },
  diverging: { signed: true, make: () => fromStops(DIVERGING_STOPS) },
} as const;

export type ColourMap = keyof typeof MAPS;
export const COLOUR_MAPS = Object.keys(MAPS) as readonly ColourMap[];

export function isSigned(name: ColourMap): boolean {
  return MAPS[name].signed;
}

/** The chosen map if it is one for such values, else the other. */
export function mapFor(
  signed: boolean,
  chosen: ColourMap,
  otherwise: ColourMap = signed ? "diverging" : "viridis",
): ColourMap {
  return isSigned(chosen) === signed ? chosen : otherwise;
}

export function lut(name: ColourMap): Lut {
  const table = tables.get(name) ?? MAPS[name].make();
  tables.set(name, table);
  return table;
}

/** A table as a CSS gradient from its first to its last entry. */
export function cssGradient(table: Lut, stops = 17): string {
  const colours = Array.from({ length: stops }, (_, i) =>
    cssColour(table[Math.round((i * (ENTRIES - 1)) / (stops - 1))]!),
  );
  return `linear-gradient(to right, ${colours.join(", ")})`;
}

export function cssColour(word: number): string {
  return `rgb(${channelsOf(word).join(" ")})`;
}

function fromDifferences(text: string): Lut {
  const words = text.split(" ");
  const [red, green, blue] = [0, 2, 4].map((at) => cumulative(Number(words[at]), words[at + 1]!)) as [
    number[],
    number[],
    number[],
  ];
  return Uint32Array.from(red, (level, i) => rgb(level, green[i]!, blue[i]!));
}

function cumulative(first: number, differences: string): number[] {
  const levels = [first];
  for (const letter of differences) levels.push(levels[levels.length - 1]! + letter.charCodeAt(0) - LETTER_OF_ZERO);
  return levels;
}

/** Two halves, so that entries 127 and 128 are both the middle stop: zero has one colour, whatever its sign was rounded to. */
function fromStops(text: string): Lut {
  const stops = text.split(" ").map((hex) => [0, 2, 4].map((at) => Number.parseInt(hex.slice(at, at + 2), 16)));
  const half = ENTRIES / 2;
  const middle = (stops.length - 1) / 2;
  const place = (i: number) => (i < half ? (i * middle) / (half - 1) : middle + ((i - half) * middle) / (half - 1));
  const level = (at: number, channel: number) => {
    const left = Math.min(Math.floor(at), stops.length - 2);
    const [from, to] = [stops[left]![channel]!, stops[left + 1]![channel]!];
    return Math.floor(from + (to - from) * (at - left) + 0.5);
  };
  return Uint32Array.from({ length: ENTRIES }, (_, i) =>
    rgb(level(place(i), 0), level(place(i), 1), level(place(i), 2)),
  );
}
