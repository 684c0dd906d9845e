/** What is being looked at, as one serialisable value. It lives in the URL, so every value is clamped to what exists when it is read. */
import { COLOUR_MAPS } from "../draw/lut";
import { RANGES } from "../model/range";

export const VIEWS = ["overview", "maps", "filters", "weights"] as const;
export const ORDERS = ["channel", "mean", "max", "std", "zeros", "spread", "norm", "change", "alike"] as const;
export const DIFFERENCES = ["none", "first", "previous", "step", "run"] as const;

export type View = (typeof VIEWS)[number];
export type Order = (typeof ORDERS)[number];
export type Difference = (typeof DIFFERENCES)[number];

interface Field<T> {
  readonly initial: T;
  /** The value that a text from the URL stands for; undefined where it stands for none. */
  readonly read: (text: string) => T | undefined;
  readonly write: (value: T) => string;
}

/** Every part of the state: the key is also the key in the URL. */
const FIELDS = {
  view: oneOf(VIEWS, "overview"),
  /** Chosen runs by name; null: the first few that exist. */
  runs: list(),
  /** The two runs of which the overview says where they part first, by name or title; null: none are compared. */
  compare: list(),
  runFilter: text(""),
  layerFilter: text(""),
  /** Kind of layers to show, such as "conv2d"; empty: all. */
  kind: text(""),
  /** The step cursor; null: the last step, whatever it is. */
  step: optionalNumber(),
  /** Selected layer, or kernel among the filters, and its channel: what the drawer shows. */
  layer: optional(),
  variable: optional(),
  channel: optionalNumber(),
  /** Pinned pixel in the selected channel: its place along each axis of space. */
  pixel: list(),
  image: number(0),
  range: oneOf(RANGES, "channel"),
  low: number(0),
  high: number(1),
  clip: number(1),
  colours: oneOf(COLOUR_MAPS, "viridis"),
  /** Filters are signed, so they have a range and colours of their own. */
  filterRange: oneOf(RANGES, "layer"),
  filterColours: oneOf(COLOUR_MAPS, "diverging"),
  /** What is shown of a kernel: "rgb", "norms", "largest" or the number of an input; empty: what suits it. */
  inputShown: text(""),
  order: oneOf(ORDERS, "channel"),
  only: text(""),
  difference: oneOf(DIFFERENCES, "none"),
  differenceStep: optionalNumber(),
  differenceRun: optional(),
  zoom: number(0),
  statistic: text(""),
  /** Column of the weight-change table, with a minus before it for the largest first. */
  sort: text(""),
  /** Smoothing of the loss, whether it stands on a logarithmic scale, and the scalar laid beside it. */
  smoothing: number(0),
  logLoss: flag(),
  beside: text(""),
} as const;

export type ViewState = { readonly [K in keyof typeof FIELDS]: (typeof FIELDS)[K] extends Field<infer T> ? T : never };

type Key = keyof ViewState;
const KEYS = Object.keys(FIELDS) as Key[];
const field = (key: Key) => FIELDS[key] as Field<unknown>;

/** Reads a state from texts by key; what is absent or malformed takes its initial value. */
export function decodeState(texts: Readonly<Record<string, string>>): ViewState {
  const read = (key: Key) =>
    (Object.hasOwn(texts, key) ? field(key).read(texts[key]!) : undefined) ?? field(key).initial;
  return Object.fromEntries(KEYS.map((key) => [key, read(key)])) as unknown as ViewState;
}

/** Writes a state as texts by key, leaving out what has its initial value. */
export function encodeState(state: ViewState): Record<string, string> {
  const texts = KEYS.map((key) => [key, field(key).write(state[key])] as const);
  return Object.fromEntries(texts.filter(([key, value]) => value !== field(key).write(field(key).initial)));
}

function oneOf<T extends string>(allowed: readonly T[], initial: T): Field<T> {
  return { initial, read: (value) => allowed.find((name) => name === value), write: (value) => value };
}

function text(initial: string): Field<string> {
  return { initial, read: (value) => value, write: (value) => value };
}

function optional(): Field<string | null> {
  return { initial: null, read: (value) => value || undefined, write: (value) => value ?? "" };
}

function readNumber(value: string): number | undefined {
  return value !== "" && Number.isFinite(Number(value)) ? Number(value) : undefined;
}

function number(initial: number): Field<number> {
  return { initial, read: readNumber, write: String };
}

function flag(): Field<boolean> {
  return { initial: false, read: (value) => value === "1", write: (value) => (value ? "1" : "") };
}

function optionalNumber(): Field<number | null> {
  return { initial: null, read: readNumber, write: (value) => (value === null ? "" : String(value)) };
}

/** Names joined by commas, which are escaped within a name; null is "not said". */
function list(): Field<readonly string[] | null> {
  const escaped = (name: string) => name.replaceAll("%", "%25").replaceAll(",", "%2C");
  const plain = (text: string) => text.replaceAll("%2C", ",").replaceAll("%25", "%");
  const write = (names: readonly string[] | null) => (names === null ? "" : names.map(escaped).join(",") || ",");
  return { initial: null, read: (value) => value.split(",").filter(Boolean).map(plain), write };
}
