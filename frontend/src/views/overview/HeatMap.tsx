/** Layers by steps for one statistic, every chosen run on the same colour scale; a click goes to that layer and step. */

import type { Scale } from "../../charts/scale";
import { type Lut, lut, mapFor } from "../../draw/lut";
import type { Statistic } from "../../schema.gen";
import { useStore } from "../../state/store";
import type { Diagnosis } from "../../types.gen";
import { type Grids, useGrids } from "../../ui/grids";
import { Failure, Loading } from "../../ui/States";
import { StatisticSelect } from "../../ui/StatisticSelect";
import { RunGrid } from "./RunGrid";
import { ScaleBar } from "./ScaleBar";

export function HeatMap({ diagnosis }: { diagnosis: Diagnosis | null }) {
  const { wanted, loaded, scale } = useGrids();
  const { status, value, message } = loaded;
  return (
    <section class="heat-map" aria-label="Layers by steps">
      {value && scale && <Drawn {...{ loaded: value, scale, diagnosis, wanted }} />}
      {status === "failed" && <Failure message={message} />}
      {!value && status === "loading" && <Loading what="statistics" />}
    </section>
  );
}

interface DrawnProps {
  readonly loaded: Grids;
  readonly scale: Scale;
  readonly diagnosis: Diagnosis | null;
  readonly wanted: Statistic;
}

function Drawn({ loaded: { statistic, grids }, scale, diagnosis, wanted }: DrawnProps) {
  const colours = useColours(statistic);
  return (
    <>
      <header>
        <StatisticSelect label="Statistic" chosen={wanted} />
        <ScaleBar scale={scale} unit={statistic.unit} colours={colours} usual={statistic.usual} />
      </header>
      {grids.map(({ run, grid }) => {
        const findings = diagnosis?.runs.find((one) => one.run === run.run)?.findings ?? [];
        return (
          <RunGrid key={run.run} {...{ run, grid, scale, colours, statistic, findings }} titled={grids.length > 1} />
        );
      })}
    </>
  );
}

/** Signed statistics are always diverging; others take the chosen colour map, unless that is for signed values. */
function useColours({ ends }: Statistic): Lut {
  const { colours } = useStore().state.value;
  return lut(mapFor(ends !== undefined && ends[0] < 0, colours));
}
