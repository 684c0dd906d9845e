"""The JSON answers of the backend, as types.

`server` gives them, `frontend/src/types.gen.ts` is written from them, and docs/http_api.md explains them.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Literal, TypedDict, get_args

PictureKind = Literal["maps", "filters", "inputs"]
TableName = Literal["layers", "variables", "progress"]
TABLE_NAMES: tuple[TableName, ...] = get_args(TableName)
"""Tables that can be asked for."""

ChartTable = Literal["layers", "variables", "losses"]
Severity = Literal["info", "warning", "error"]
"""From least to most severe."""

SEVERITIES: tuple[Severity, ...] = get_args(Severity)

TargetKind = Literal["layer", "variable", "input", "run"]
Role = Literal["hidden", "output", "auxiliary"]
ROLES: tuple[Role, ...] = get_args(Role)
Condition = Literal["alive", "dead", "constant", "saturated", "not finite", "unknown"]
"""What a channel is at a step."""

CONDITIONS: tuple[Condition, ...] = get_args(Condition)
"""In the order in which the section `conditions` of `/channels` counts them."""

HealthyRange = tuple[float | None, float | None]
"""Lowest and highest usual value; null is no bound."""


ANSWERS_ID = "featuremaps-answers"
STYLE_ID = "featuremaps-style"
"""Elements in which the bundle looks for the answers and the style of an exported page."""


class LayerAnswer(TypedDict):
    """A layer, as the run record has it."""

    name: str
    kind: str | None
    activation: str | None
    weights: Sequence[str]
    state: Sequence[str]
    trainable: bool
    role: Role
    inputs: Sequence[str]
    kernel_size: Sequence[int] | None
    strides: Sequence[int] | None
    padding: str | Sequence[int] | None
    dilation: Sequence[int] | None
    groups: int | None
    frozen: Sequence[str]
    receives: Sequence[float] | None
    output_function: str | None
    output_axis: int | None
    kernels: Sequence[str] | None
    layout: str | None
    calls: int | None
    rate: float | None


class LossFactsAnswer(TypedDict):
    """What is known of a loss besides its name."""

    ignored: int | None
    weighted: bool
    summed: bool
    constant: float | None
    error: float
    entries: int
    output_shape: Sequence[int]
    target_shape: Sequence[int]


class LoopFactsAnswer(TypedDict):
    """What was seen of a training loop at its first updates."""

    updates: int
    kept_gradients: int
    evaluating: int
    calls_without_update: int


class ProbeAnswer(TypedDict):
    """The inputs on which feature maps were computed from `step` on."""

    step: int
    digest: str
    shapes: Mapping[str, Sequence[int]]


class NetworkChangeAnswer(TypedDict):
    """How the network of a logged step differs from that of the logged step before."""

    step: int
    after: int
    layers_added: Sequence[str]
    layers_removed: Sequence[str]
    variables_added: Sequence[str]
    variables_removed: Sequence[str]
    variables_replaced: Sequence[str]
    frozen: Sequence[str]
    unfrozen: Sequence[str]


class RunRecordAnswer(TypedDict):
    """All that a run says of itself."""

    layers: Sequence[LayerAnswer]
    layer_rows: Sequence[str]
    layer_columns: Sequence[str]
    variable_rows: Sequence[str]
    variable_columns: Sequence[str]
    progress_columns: Sequence[str]
    variable_shapes: Mapping[str, Sequence[int]]
    variable_dtypes: Mapping[str, str]
    loss: str | None
    from_logits: bool | None
    optimizer: str | None
    weight_decay: float | None
    loss_facts: LossFactsAnswer | None
    loop_facts: LoopFactsAnswer | None
    not_optimized: Sequence[str]
    unregistered: Sequence[str]
    probes: Sequence[ProbeAnswer]
    inputs_private: bool
    every: str | None
    versions: Mapping[str, str]
    notes: Sequence[str]
    left_out: Mapping[str, str]
    changes: Sequence[NetworkChangeAnswer]


class SeriesAnswer(TypedDict):
    """The kept pictures of one layer, variable or input."""

    kind: PictureKind
    name: str
    layer: str | None
    steps: Sequence[int]
    version: str | None


class ProblemAnswer(TypedDict):
    """What could not be read, and why."""

    tag: str
    message: str


class RunAnswer(TypedDict):
    """What there is of a run. `kernels` is the kernel of each layer that has one."""

    run: str
    title: str
    color: int
    record: RunRecordAnswer | None
    kernels: Mapping[str, str]
    steps: Sequence[int]
    logged_steps: int | None
    pictures: Sequence[SeriesAnswer]
    layer_rows: Sequence[str]
    variable_rows: Sequence[str]
    problems: Sequence[ProblemAnswer]


class RunsAnswer(TypedDict):
    """`/runs`."""

    version: int
    plugin_version: str
    runs: Sequence[RunAnswer]


class ChartAnswer(TypedDict):
    """Which curve shows a finding."""

    table: ChartTable
    row: str
    column: str
    label: str
    healthy: HealthyRange | None
    log: bool


class FindingAnswer(TypedDict):
    """One thing that was seen. `shown` is the evidence in words; `because_of` is the position of its cause in the list."""

    rule: str
    severity: Severity
    target: str
    target_kind: TargetKind
    first_step: int
    last_step: int
    title: str
    message: str
    evidence: Mapping[str, object]
    shown: Sequence[tuple[str, str]]
    advice: Sequence[str]
    chart: ChartAnswer | None
    layer: str | None
    variable: str | None
    because: str | None
    because_of: int | None


class VerdictAnswer(TypedDict):
    """What a variable does, in one word of `schema.verdicts`."""

    variable: str
    verdict: str
    evidence: Mapping[str, float | None]
    message: str


class LookedAtAnswer(TypedDict):
    """What a diagnosis was made from."""

    layers: int
    variables: int
    steps: int
    rules: Sequence[str]
    sentence: str


class RunDiagnosisAnswer(TypedDict):
    """Findings and verdicts of one run, the headline first. `damage` says what was logged and cannot be read or trusted, in sentences."""

    run: str
    title: str
    damage: Sequence[str]
    steps: Sequence[int]
    looked_at: LookedAtAnswer
    findings: Sequence[FindingAnswer]
    verdicts: Sequence[VerdictAnswer]


class DiagnosisAnswer(TypedDict):
    """`/diagnosis`, and `tb-featuremap diagnose --format json`. `healthy` has the usual ranges by table and column."""

    version: int
    healthy: Mapping[str, Mapping[str, HealthyRange]]
    runs: Sequence[RunDiagnosisAnswer]


class DifferenceAnswer(TypedDict):
    """One number that differs between two runs. `a`, `b` and `difference` are null where they are NaN or infinite."""

    step: int | None
    table: str
    row: str
    column: str
    channel: int | None
    a: float | None
    b: float | None
    difference: float | None


class ComparedAnswer(TypedDict):
    """Where two runs part first; docs/comparing.md explains the fields."""

    same: bool
    kind: str
    message: str
    step: int | None
    layer: str | None
    variable: str | None
    channel: int | None
    what: str | None
    rows: Sequence[DifferenceAnswer]
    notes: Sequence[str]
    a: str
    b: str


class ComparisonAnswer(ComparedAnswer):
    """`/comparison`, and `tb-featuremap compare --format json`."""

    version: int


class ScalarNamesAnswer(TypedDict):
    """`/scalars` of a run: names of scalar series by the run that holds them."""

    version: int
    run: str
    scalars: Mapping[str, Sequence[str]]


class ErrorAnswer(TypedDict):
    """Any route, where there is no answer."""

    ok: Literal[False]
    status: int
    error: str


class TableHeader(TypedDict):
    """The header of the frame `/table`."""

    kind: Literal["table"]
    run: str
    table: TableName
    rows: Sequence[str]
    columns: Sequence[str]
    problems: Sequence[ProblemAnswer]


class PointsHeader(TypedDict):
    """The header of the frame `/losses`."""

    kind: Literal["points"]
    run: str


class ScalarHeader(PointsHeader):
    """The header of the frame `/scalars` with a tag."""

    of: str
    tag: str


class ChannelsHeader(TypedDict):
    """The header of the frame `/channels`. Section `conditions` counts in `conditions`."""

    kind: Literal["channels"]
    run: str
    name: str
    stats: Sequence[str]
    conditions: Sequence[Condition]


class PartHeader(TypedDict):
    """One answer in a batch."""

    status: int
    bytes: int


class BatchHeader(TypedDict):
    """The header of `/batch`."""

    kind: Literal["batch"]
    parts: Sequence[PartHeader]
