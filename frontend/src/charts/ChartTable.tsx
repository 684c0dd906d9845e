/** The numbers of a chart as a table, for those who would rather read than look. */

import { shownName } from "../model/names";
import { count, wordings } from "../model/number_format";
import { rowsByStep } from "./export";
import type { ChartSpec } from "./spec";

const MOST_ROWS = 500;

export function ChartTable({ spec }: { spec: ChartSpec }) {
  const lines = spec.lines.filter(({ derived }) => !derived);
  const rows = rowsByStep(lines.map(({ series }) => series));
  const every = Math.ceil(rows.length / MOST_ROWS);
  const shown = rows.filter((_, index) => index % every === 0 || index === rows.length - 1);
  return (
    // biome-ignore lint/a11y/noNoninteractiveTabindex: a scrolling region must be reachable by keyboard
    <section class="chart-table" tabIndex={0} aria-label={`${shownName(spec.title)}, table`}>
      <table>
        <caption>
          {every > 1
            ? `Every ${every}th of ${count(rows.length)} steps; CSV and JSON have all`
            : `${count(rows.length)} steps`}
        </caption>
        <thead>
          <tr>
            <th scope="col">Step</th>
            {lines.map(({ name }) => (
              <th key={name} scope="col">
                {shownName(name)}
              </th>
            ))}
          </tr>
        </thead>
        <tbody>
          {shown.map(([step, values]) => (
            <tr key={step}>
              <th scope="row">{count(step)}</th>
              {values.map((value, index) => (
                <td key={index}>
                  {value === undefined ? "" : wordings[(lines[index]?.right && spec.rightUnit) || spec.unit](value)}
                </td>
              ))}
            </tr>
          ))}
        </tbody>
      </table>
    </section>
  );
}
