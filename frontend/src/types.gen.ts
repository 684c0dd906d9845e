// Written by tools/generate.py from tb_featuremap_plugin/schema: change that, and run `make generate`.

export type PictureKind = "maps" | "filters" | "inputs";

export type TableName = "layers" | "variables" | "progress";

/** From least to most severe. */
export type Severity = "info" | "warning" | "error";

export type TargetKind = "layer" | "variable" | "input" | "run";

export type Role = "hidden" | "output" | "auxiliary";

/** What a channel is at a step. */
export type Condition = "alive" | "dead" | "constant" | "saturated" | "not finite" | "unknown";

/** Lowest and highest usual value; null is no bound. */
export type HealthyRange = readonly [number | null, number | null];

/** A layer, as the run record has it. */
export interface Layer {
  readonly name: string;
  readonly kind: string | null;
  readonly activation: string | null;
  readonly weights: readonly string[];
  readonly state: readonly string[];
  readonly trainable: boolean;
  readonly role: Role;
  readonly inputs: readonly string[];
  readonly kernel_size: readonly number[] | null;
  readonly strides: readonly number[] | null;
  readonly padding: string | readonly number[] | null;
  readonly dilation: readonly number[] | null;
  readonly groups: number | null;
  readonly frozen: readonly string[];
  readonly receives: readonly number[] | null;
  readonly output_function: string | null;
  readonly output_axis: number | null;
  readonly kernels: readonly string[] | null;
  readonly layout: string | null;
  readonly calls: number | null;
  readonly rate: number | null;
}

/** What is known of a loss besides its name. */
export interface LossFacts {
  readonly ignored: number | null;
  readonly weighted: boolean;
  readonly summed: boolean;
  readonly constant: number | null;
  readonly error: number;
  readonly entries: number;
  readonly output_shape: readonly number[];
  readonly target_shape: readonly number[];
}

/** What was seen of a training loop at its first updates. */
export interface LoopFacts {
  readonly updates: number;
  readonly kept_gradients: number;
  readonly evaluating: number;
  readonly calls_without_update: number;
}

/** The inputs on which feature maps were computed from `step` on. */
export interface Probe {
  readonly step: number;
  readonly digest: string;
  readonly shapes: Readonly<Record<string, readonly number[]>>;
}

/** How the network of a logged step differs from that of the logged step before. */
export interface NetworkChange {
  readonly step: number;
  readonly after: number;
  readonly layers_added: readonly string[];
  readonly layers_removed: readonly string[];
  readonly variables_added: readonly string[];
  readonly variables_removed: readonly string[];
  readonly variables_replaced: readonly string[];
  readonly frozen: readonly string[];
  readonly unfrozen: readonly string[];
}

/** All that a run says of itself. */
export interface RunRecord {
  readonly layers: readonly Layer[];
  readonly layer_rows: readonly string[];
  readonly layer_columns: readonly string[];
  readonly variable_rows: readonly string[];
  readonly variable_columns: readonly string[];
  readonly progress_columns: readonly string[];
  readonly variable_shapes: Readonly<Record<string, readonly number[]>>;
  readonly variable_dtypes: Readonly<Record<string, string>>;
  readonly loss: string | null;
  readonly from_logits: boolean | null;
  readonly optimizer: string | null;
  readonly weight_decay: number | null;
  readonly loss_facts: LossFacts | null;
  readonly loop_facts: LoopFacts | null;
  readonly not_optimized: readonly string[];
  readonly unregistered: readonly string[];
  readonly probes: readonly Probe[];
  readonly inputs_private: boolean;
  readonly every: string | null;
  readonly versions: Readonly<Record<string, string>>;
  readonly notes: readonly string[];
  readonly left_out: Readonly<Record<string, string>>;
  readonly changes: readonly NetworkChange[];
}

/** The kept pictures of one layer, variable or input. */
export interface Series {
  readonly kind: PictureKind;
  readonly name: string;
  readonly layer: string | null;
  readonly steps: readonly number[];
  readonly version: string | null;
}

/** What could not be read, and why. */
export interface Problem {
  readonly tag: string;
  readonly message: string;
}

/** What there is of a run. `kernels` is the kernel of each layer that has one. */
export interface Run {
  readonly run: string;
  readonly title: string;
  readonly color: number;
  readonly record: RunRecord | null;
  readonly kernels: Readonly<Record<string, string>>;
  readonly steps: readonly number[];
  readonly logged_steps: number | null;
  readonly pictures: readonly Series[];
  readonly layer_rows: readonly string[];
  readonly variable_rows: readonly string[];
  readonly problems: readonly Problem[];
}

/** `/runs`. */
export interface Runs {
  readonly version: number;
  readonly plugin_version: string;
  readonly runs: readonly Run[];
}

/** Which curve shows a finding. */
export interface Chart {
  readonly table: "layers" | "variables" | "losses";
  readonly row: string;
  readonly column: string;
  readonly label: string;
  readonly healthy: HealthyRange | null;
  readonly log: boolean;
}

/** One thing that was seen. `shown` is the evidence in words; `because_of` is the position of its cause in the list. */
export interface Finding {
  readonly rule: string;
  readonly severity: Severity;
  readonly target: string;
  readonly target_kind: TargetKind;
  readonly first_step: number;
  readonly last_step: number;
  readonly title: string;
  readonly message: string;
  readonly evidence: Readonly<Record<string, unknown>>;
  readonly shown: readonly (readonly [string, string])[];
  readonly advice: readonly string[];
  readonly chart: Chart | null;
  readonly layer: string | null;
  readonly variable: string | null;
  readonly because: string | null;
  readonly because_of: number | null;
}

/** What a variable does, in one word of `schema.verdicts`. */
export interface Verdict {
  readonly variable: string;
  readonly verdict: string;
  readonly evidence: Readonly<Record<string, number | null>>;
  readonly message: string;
}

/** What a diagnosis was made from. */
export interface LookedAt {
  readonly layers: number;
  readonly variables: number;
  readonly steps: number;
  readonly rules: readonly string[];
  readonly sentence: string;
}

/** Findings and verdicts of one run, the headline first. `damage` says what was logged and cannot be read or trusted, in sentences. */
export interface RunDiagnosis {
  readonly run: string;
  readonly title: string;
  readonly damage: readonly string[];
  readonly steps: readonly number[];
  readonly looked_at: LookedAt;
  readonly findings: readonly Finding[];
  readonly verdicts: readonly Verdict[];
}

/** `/diagnosis`, and `tb-featuremap diagnose --format json`. `healthy` has the usual ranges by table and column. */
export interface Diagnosis {
  readonly version: number;
  readonly healthy: Readonly<Record<string, Readonly<Record<string, HealthyRange>>>>;
  readonly runs: readonly RunDiagnosis[];
}

/** One number that differs between two runs. `a`, `b` and `difference` are null where they are NaN or infinite. */
export interface Difference {
  readonly step: number | null;
  readonly table: string;
  readonly row: string;
  readonly column: string;
  readonly channel: number | null;
  readonly a: number | null;
  readonly b: number | null;
  readonly difference: number | null;
}

/** Where two runs part first; docs/comparing.md explains the fields. */
export interface Compared {
  readonly same: boolean;
  readonly kind: string;
  readonly message: string;
  readonly step: number | null;
  readonly layer: string | null;
  readonly variable: string | null;
  readonly channel: number | null;
  readonly what: string | null;
  readonly rows: readonly Difference[];
  readonly notes: readonly string[];
  readonly a: string;
  readonly b: string;
}

/** `/comparison`, and `tb-featuremap compare --format json`. */
export interface Comparison {
  readonly same: boolean;
  readonly kind: string;
  readonly message: string;
  readonly step: number | null;
  readonly layer: string | null;
  readonly variable: string | null;
  readonly channel: number | null;
  readonly what: string | null;
  readonly rows: readonly Difference[];
  readonly notes: readonly string[];
  readonly a: string;
  readonly b: string;
  readonly version: number;
}

/** `/scalars` of a run: names of scalar series by the run that holds them. */
export interface ScalarNames {
  readonly version: number;
  readonly run: string;
  readonly scalars: Readonly<Record<string, readonly string[]>>;
}

/** Any route, where there is no answer. */
export interface Error {
  readonly ok: false;
  readonly status: number;
  readonly error: string;
}

/** The header of the frame `/table`. */
export interface TableHeader {
  readonly kind: "table";
  readonly run: string;
  readonly table: TableName;
  readonly rows: readonly string[];
  readonly columns: readonly string[];
  readonly problems: readonly Problem[];
}

/** The header of the frame `/losses`. */
export interface PointsHeader {
  readonly kind: "points";
  readonly run: string;
}

/** The header of the frame `/scalars` with a tag. */
export interface ScalarHeader {
  readonly kind: "points";
  readonly run: string;
  readonly of: string;
  readonly tag: string;
}

/** The header of the frame `/channels`. Section `conditions` counts in `conditions`. */
export interface ChannelsHeader {
  readonly kind: "channels";
  readonly run: string;
  readonly name: string;
  readonly stats: readonly string[];
  readonly conditions: readonly Condition[];
}

/** One answer in a batch. */
export interface PartHeader {
  readonly status: number;
  readonly bytes: number;
}

/** The header of `/batch`. */
export interface BatchHeader {
  readonly kind: "batch";
  readonly parts: readonly PartHeader[];
}
