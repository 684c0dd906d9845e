/** What opens first: is anything wrong, where and since when; and every layer over every step. */

import type { ComponentChildren } from "preact";
import { useDiagnosis, useStore } from "../../state/store";
import { LeftOut } from "../../ui/LeftOut";
import { Failure, Loading } from "../../ui/States";
import { WhenSeen } from "../../ui/WhenSeen";
import { Findings } from "./Findings";
import { HeatMap } from "./HeatMap";
import { LossChart } from "./LossChart";
import { OtherRuns } from "./OtherRuns";
import { Cost, RatioCharts } from "./RunCharts";

/** `comparison` stands before everything else: whoever compares two runs wants to know that first. */
export function Overview({ comparison }: { comparison: ComponentChildren }) {
  const store = useStore();
  const { status, value, message } = useDiagnosis().value;
  if (store.chosen.value.length === 0) return <p class="state">Choose a run at the left</p>;
  return (
    <div class="overview">
      {comparison}
      {value ? <Findings diagnosis={value} /> : status === "loading" && <Loading what="findings" />}
      {status === "failed" && <Failure message={message} />}
      {value && <OtherRuns />}
      <WhenSeen height={240}>{() => (value || status === "failed") && <HeatMap diagnosis={value} />}</WhenSeen>
      <WhenSeen height={260}>
        {() => (
          <div class="chart-row">
            <LossChart />
            <RatioCharts />
          </div>
        )}
      </WhenSeen>
      <WhenSeen height={24}>{() => <Cost />}</WhenSeen>
      <LeftOut />
    </div>
  );
}
