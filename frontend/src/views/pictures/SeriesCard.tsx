/** One layer's maps or one kernel: the same tile of every chosen run above the same tile. */
import type { ComponentChildren } from "preact";
import { shownName } from "../../model/names";
import { findSeries } from "../../model/network";
import { count } from "../../model/number_format";
import { useStore } from "../../state/store";
import type { PictureKind, Run } from "../../types.gen";
import { useWidth } from "../../ui/hooks";
import { Card, PictureState, usePictureData } from "./Card";
import type { PictureData } from "./picture_data";
import { RunName } from "./RunName";

/** What is particular about one kind of picture. */
interface SeriesParts {
  readonly kind: PictureKind;
  readonly name: string;
  /** What is known of the picture, in a line. */
  readonly facts: (data: PictureData) => ComponentChildren;
  /** What stands at the left of the mosaic. */
  readonly aside?: (run: Run, data: PictureData) => ComponentChildren;
  readonly panel: (run: Run, data: PictureData, width: number) => ComponentChildren;
}

interface SeriesCardProps extends SeriesParts {
  readonly layer: string;
  /** "Feature maps". */
  readonly what: string;
  /** What the heading says after the name. */
  readonly known: readonly (string | null | undefined)[];
}

export function SeriesCard({ layer, what, known, ...parts }: SeriesCardProps) {
  const { kind, name } = parts;
  const runs = useStore().chosen.value.filter((run) => findSeries(run, kind, name));
  return (
    <Card
      name={name}
      layer={layer}
      title={`${what} of ${shownName(name)}`}
      body={(nearby) => (
        <>
          <h3>
            {shownName(name)}
            {[...new Set(known)].filter(Boolean).map((words) => (
              <small key={words}> · {words}</small>
            ))}
          </h3>
          {runs.map((run) => (
            <SeriesRow key={run.run} run={run} nearby={nearby} {...parts} />
          ))}
        </>
      )}
    />
  );
}

function SeriesRow({ run, nearby, kind, name, facts, aside, panel }: SeriesParts & { run: Run; nearby: boolean }) {
  const step = useStore().step.value;
  const data = usePictureData(run, kind, name, nearby);
  const [element, width] = useWidth<HTMLDivElement>();
  return (
    <div class="run-row">
      <PictureState data={data}>
        {(loaded) => (
          <p class="facts">
            <RunName run={run} />
            {facts(loaded)}
            {loaded.step !== step && <span>picture of step {count(loaded.step)}</span>}
            {loaded.baselineStep !== null && <span>minus step {count(loaded.baselineStep)}</span>}
          </p>
        )}
      </PictureState>
      <div class="beside">
        {data.value && nearby && aside?.(run, data.value)}
        <div class="room" ref={element}>
          {data.value && width > 0 && panel(run, data.value, width)}
        </div>
      </div>
    </div>
  );
}
