/** What the backend answers, as it stands in docs/http_api.md and docs/format.md. */

export type PictureKind = "maps" | "filters" | "inputs";
export type TableName = "layers" | "variables" | "progress";
export type Severity = "info" | "warning" | "error";

export interface Layer {
  readonly name: string;
  readonly kind: string | null;
  readonly activation: string | null;
  readonly weights: readonly string[];
  readonly state: readonly string[];
  readonly trainable: boolean;
  readonly role: "hidden" | "output" | "auxiliary";
  readonly inputs: readonly string[];
  readonly kernel_size: readonly number[] | null;
  readonly strides: readonly number[] | null;
  readonly padding: string | readonly number[] | null;
  readonly dilation: readonly number[] | null;
  readonly groups: number | null;
}

export interface RunRecord {
  readonly layers: readonly Layer[];
  readonly variable_shapes: Readonly<Record<string, readonly number[]>>;
  readonly variable_dtypes: Readonly<Record<string, string>>;
  readonly loss: string | null;
  readonly optimizer: string | null;
  readonly weight_decay: number | null;
  readonly inputs_private: boolean;
  readonly every: string | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
}

export interface PictureSeries {
  readonly kind: PictureKind;
  readonly name: string;
  readonly layer: string | null;
  readonly steps: readonly number[];
  readonly version: string;
}

export interface Problem {
  readonly tag: string;
  readonly message: string;
}

export interface Run {
  readonly run: string;
  readonly title: string;
  readonly color: number;
  readonly record: RunRecord | null;
  readonly steps: readonly number[];
  readonly logged_steps: number | null;
  readonly pictures: readonly PictureSeries[];
  readonly layer_rows: readonly string[];
  readonly variable_rows: readonly string[];
  readonly problems: readonly Problem[];
}

export interface Runs {
  readonly version: number;
  readonly plugin_version: string;
  readonly runs: readonly Run[];
}

export type Evidence = Readonly<Record<string, unknown>>;

export interface Finding {
  readonly rule: string;
  readonly severity: Severity;
  readonly target: string;
  readonly target_kind: "layer" | "variable" | "input" | "run";
  readonly first_step: number;
  readonly last_step: number;
  readonly message: string;
  readonly evidence: Evidence;
  readonly advice: readonly string[];
  readonly title?: string;
  /** Rule of the finding that caused this one; null: it stands for itself. */
  readonly because?: string | null;
  readonly layer?: string | null;
  readonly variable?: string | null;
  readonly chart?: FindingChart | null;
}

/** Which numbers show a finding. */
export interface FindingChart {
  readonly table: TableName | "losses";
  readonly row: string;
  readonly column: string;
  readonly healthy?: HealthyRange;
  readonly log?: boolean;
  readonly label?: string;
}

/** Least and largest healthy value; null is no bound. */
export type HealthyRange = readonly [number | null, number | null];

export interface Verdict {
  readonly variable: string;
  readonly verdict: string;
  readonly evidence: Evidence;
  readonly message?: string;
}

export interface RunDiagnosis {
  readonly run: string;
  readonly steps: readonly number[];
  readonly findings: readonly Finding[];
  readonly verdicts: readonly Verdict[];
  /** How many layers were looked at. */
  readonly layers?: number;
  readonly looked_at?: { readonly sentence?: string };
}

export interface Diagnosis {
  readonly version: number;
  readonly runs: readonly RunDiagnosis[];
  readonly healthy?: Readonly<Record<string, Readonly<Record<string, HealthyRange>>>>;
}

/** Numbers over steps: `values` is [steps, rows, columns], NaN where nothing was logged. */
export interface Table {
  readonly run: string;
  readonly table: TableName;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly steps: Float64Array;
  readonly wallTimes: Float64Array;
  readonly values: Float32Array;
}

export interface Points {
  readonly steps: Float64Array;
  readonly values: Float32Array;
}

/** Statistics of every channel over the kept steps of a picture series: `values` is [steps, stats, channels]. */
export interface Channels {
  readonly run: string;
  readonly name: string;
  readonly stats: readonly string[];
  readonly channels: number;
  readonly steps: Float64Array;
  readonly values: Float32Array;
}

/** Names of the scalar series that a run and its siblings have, by run. */
export type ScalarNames = Readonly<Record<string, readonly string[]>>;
