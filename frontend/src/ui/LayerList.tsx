import { latestValue } from "../charts/grid";
import { position } from "../charts/scale";
import { shownName } from "../model/names";
import { wordings } from "../model/number_format";
import { severities } from "../schema.gen";
import { type Store, useDiagnosis, useStore } from "../state/store";
import type { Severity } from "../types.gen";
import { type ChosenGrids, useGrids } from "./grids";
import { StatisticSelect } from "./StatisticSelect";
import { scrollToCard } from "./scroll";
import { SEVERITY_WORD, SeverityIcon } from "./severity";

/** The network from input to output, each layer with the chosen statistic and the worst that was found in it; a click goes there in whatever view is open. */
export function LayerList({ names }: { names: readonly string[] }) {
  const store = useStore();
  const worst = useWorst(store);
  const chosen = useGrids();
  const measures = measuresAt(store, chosen);
  const { layer } = store.state.value;
  if (names.length === 0) return <p class="muted">No layer matches</p>;
  return (
    <>
      <BarScale chosen={chosen} />
      <ol class="layers">
        {names.map((name) => {
          const severity = worst.get(name);
          const measured = measures.get(name) ?? [];
          const words = measured.map(({ words }) => words).join(", ");
          return (
            <li key={name}>
              <button
                type="button"
                class="quiet"
                aria-current={name === layer}
                title={[shownName(name), severity && SEVERITY_WORD[severity], words].filter(Boolean).join(": ")}
                onClick={() => goToLayer(store, name)}
              >
                <span class="name">{shownName(name)}</span>
                {severity && <SeverityIcon severity={severity} named size={12} />}
                <Bars measured={measured} />
              </button>
            </li>
          );
        })}
      </ol>
    </>
  );
}

interface Measured {
  readonly run: string;
  readonly color: string;
  readonly share: number;
  readonly words: string;
}

/** A bar a run, in its colour, from the low end of the scale to the layer's value. */
function Bars({ measured }: { measured: readonly Measured[] }) {
  return (
    <span class="bars" aria-hidden="true">
      {measured.map(({ run, color, share }) => (
        <i key={run} style={{ width: `${share * 100}%`, background: color }} />
      ))}
    </span>
  );
}

/** What the bars measure, which can be chosen here as well, and from where to where they reach. */
function BarScale({ chosen: { wanted, loaded, scale } }: { chosen: ChosenGrids }) {
  const word = wordings[loaded.value?.statistic.unit ?? "number"];
  return (
    <div class="bar-scale">
      <StatisticSelect label="Bars beside the layers" chosen={wanted} />
      {scale && (
        <span class="muted">
          {word(scale.low)}…{word(scale.high)}
        </span>
      )}
    </div>
  );
}

/** The statistic of each layer at the step cursor, one of each chosen run that knows it. */
function measuresAt(store: Store, { loaded, scale }: ChosenGrids): ReadonlyMap<string, readonly Measured[]> {
  const measures = new Map<string, Measured[]>();
  if (!loaded.value || !scale || store.step.value === null) return measures;
  const word = wordings[loaded.value.statistic.unit];
  for (const { run, grid } of loaded.value.grids) {
    grid.rows.forEach(({ layer }, row) => {
      const value = latestValue(grid, row, store.step.value!);
      if (Number.isNaN(value)) return;
      const measured = { run: run.run, color: store.colourOf(run), share: position(scale, value), words: word(value) };
      measures.set(layer, [...(measures.get(layer) ?? []), measured]);
    });
  }
  return measures;
}

/** The worst severity by layer, over all chosen runs. */
function useWorst(store: Store): ReadonlyMap<string, Severity> {
  const diagnosis = useDiagnosis().value.value;
  const worst = new Map<string, Severity>();
  const chosen = new Set(store.chosen.value.map(({ run }) => run));
  for (const { run, findings } of diagnosis?.runs ?? []) {
    for (const { layer, severity } of chosen.has(run) ? findings : []) {
      if (layer !== null) worst.set(layer, worseOf(severity, worst.get(layer)));
    }
  }
  return worst;
}

function worseOf(a: Severity, b: Severity | undefined): Severity {
  return b && severities.indexOf(b) > severities.indexOf(a) ? b : a;
}

function goToLayer(store: Store, name: string): void {
  store.update({ layer: name, channel: null });
  scrollToCard(name);
}
