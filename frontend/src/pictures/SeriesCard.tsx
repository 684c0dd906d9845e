/** One layer's maps or one kernel: the same tile of every chosen run above the same tile. */
import type { ComponentChildren } from "preact";
import { count } from "../charts/format";
import { findSeries } from "../network";
import { useStore } from "../store";
import type { PictureKind, Run } from "../types";
import { Card, SceneState, useScene } from "./Card";
import { useWidth } from "./hooks";
import { RunName } from "./RunName";
import type { Scene } from "./scene";

/** What is particular about one kind of picture. */
export interface SeriesParts {
  readonly kind: PictureKind;
  readonly name: string;
  /** What is known of the picture, in a line. */
  readonly facts: (scene: Scene) => ComponentChildren;
  /** What stands at the left of the mosaic. */
  readonly aside?: (run: Run, scene: Scene) => ComponentChildren;
  readonly panel: (run: Run, scene: Scene, width: number) => ComponentChildren;
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
      title={`${what} of ${name}`}
      body={(nearby) => (
        <>
          <h3>
            {name}
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
  const scene = useScene(run, kind, name, nearby);
  const [element, width] = useWidth<HTMLDivElement>();
  return (
    <div class="run-row">
      <SceneState scene={scene}>
        {(loaded) => (
          <p class="facts">
            <RunName run={run} />
            {facts(loaded)}
            {loaded.step !== step && <span>picture of step {count(loaded.step)}</span>}
            {loaded.baselineStep !== null && <span>minus step {count(loaded.baselineStep)}</span>}
          </p>
        )}
      </SceneState>
      <div class="beside">
        {scene.value && nearby && aside?.(run, scene.value)}
        <div class="room" ref={element}>
          {scene.value && width > 0 && panel(run, scene.value, width)}
        </div>
      </div>
    </div>
  );
}
