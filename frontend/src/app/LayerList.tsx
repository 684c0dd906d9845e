import { useDiagnosis } from "../overview/diagnosis";
import { layerOf } from "../overview/reports";
import { SEVERITY_WORD, SeverityIcon } from "../overview/severity";
import { type Store, useStore } from "../store";
import type { Severity } from "../types";

/** The network from input to output, each layer with the worst that was found in it; a click goes there in whatever view is open. */
export function LayerList({ names }: { names: readonly string[] }) {
  const store = useStore();
  const worst = useWorst(store);
  const { layer } = store.state.value;
  if (names.length === 0) return <p class="muted">No layer matches</p>;
  return (
    <ol class="layers">
      {names.map((name) => {
        const severity = worst.get(name);
        return (
          <li key={name}>
            <button
              type="button"
              class="quiet"
              aria-current={name === layer}
              title={severity ? `${name}: ${SEVERITY_WORD[severity]}` : name}
              onClick={() => goToLayer(store, name)}
            >
              <span class="name">{name}</span>
              {severity && <SeverityIcon severity={severity} named size={12} />}
            </button>
          </li>
        );
      })}
    </ol>
  );
}

const RANK: readonly Severity[] = ["info", "warning", "error"];

/** The worst severity by layer, over all chosen runs. */
function useWorst(store: Store): ReadonlyMap<string, Severity> {
  const diagnosis = useDiagnosis().value.value;
  const worst = new Map<string, Severity>();
  for (const { run: name, findings } of diagnosis?.runs ?? []) {
    const run = store.chosen.value.find((candidate) => candidate.run === name);
    for (const finding of run ? findings : []) {
      const layer = layerOf(run!, finding);
      if (layer) worst.set(layer, worseOf(finding.severity, worst.get(layer)));
    }
  }
  return worst;
}

function worseOf(a: Severity, b: Severity | undefined): Severity {
  return b && RANK.indexOf(b) > RANK.indexOf(a) ? b : a;
}

function goToLayer(store: Store, name: string): void {
  store.update({ layer: name, channel: null });
  scrollToCard(name);
}

export function scrollToCard(name: string): void {
  document.querySelector(`[data-card="${CSS.escape(name)}"]`)?.scrollIntoView({ block: "start" });
}
