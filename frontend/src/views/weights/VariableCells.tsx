/** The cells of one variable at the step cursor. */

import { shownName } from "../../model/names";
import { count, number, ratio, share, size } from "../../model/number_format";
import { useStore } from "../../state/store";
import { RatioAxis, Sparkline } from "./axis";
import type { VariableRow } from "./rows";
import { VerdictMark } from "./verdicts";

interface VariableCellsProps {
  readonly row: VariableRow;
  readonly id: string;
  readonly opened: boolean;
  /** Whether Tab leads to this row. */
  readonly reachable: boolean;
  /** Characters of the name that all variables share and that are not shown. */
  readonly skipped: number;
}

export function VariableCells({ row, id, opened, reachable, skipped }: VariableCellsProps) {
  const store = useStore();
  const { run, variable, verdict, verdictMessage, steps, ratio: ratios } = row.series;
  const color = store.colourOf(run);
  const several = store.chosen.value.length > 1;
  return (
    <>
      <th scope="row">
        <span class="variable-cell">
          {several && <RunDot color={color} title={shownName(run.title)} />}
          <button
            type="button"
            id={id}
            class="variable-open"
            tabIndex={reachable ? 0 : -1}
            aria-expanded={opened}
            aria-label={shownName(variable)}
            title={[shownName(variable), verdictMessage].filter(Boolean).join(": ")}
          >
            {shownName(variable.slice(skipped))}
          </button>
          <span class="variable-size">{size(row.series.size)}</span>
        </span>
      </th>
      <td>
        <VerdictMark verdict={verdict} />
      </td>
      <td class="column-ratio">
        <RatioAxis value={row.ratioNow} color={color} />
        <span class="ratio-value">{ratio(row.ratioNow)}</span>
        {row.gapNow > 1 && <span class="noise"> {count(row.gapNow)} steps</span>}
      </td>
      <td class="numeric">
        {row.movedNow === Number.POSITIVE_INFINITY ? "from zero" : share(row.movedNow)}{" "}
        {row.noiseNow > 0 && Number.isFinite(row.noiseNow) && <span class="noise">(noise {share(row.noiseNow)})</span>}
      </td>
      <td class="numeric">
        {Number.isNaN(row.cosineNow) ? "–" : row.cosineNow.toFixed(2)}{" "}
        <span aria-hidden="true">{arrow(row.cosineNow)}</span>
      </td>
      <td class="numeric">{smallShare(row.shrinkingNow)}</td>
      <td class="numeric">{number(row.learningRate)}</td>
      <td>
        <Sparkline series={{ steps, values: ratios }} step={store.step.value} color={color} />
      </td>
    </>
  );
}

function RunDot({ color, title }: { color: string; title: string }) {
  return <span class="run-dot" role="img" aria-label={title} title={title} style={{ background: color }} />;
}

/** Below a thousandth the digits of a share mean nothing here. */
function smallShare(value: number): string {
  return value > 0 && value < 1e-3 ? "< 0.1 %" : share(value);
}

/** Straight on, unrelated, or straight back. */
export function arrow(cosine: number): string {
  if (Number.isNaN(cosine)) return "";
  return cosine > 0.2 ? "→" : cosine < -0.2 ? "⇄" : "↝";
}
