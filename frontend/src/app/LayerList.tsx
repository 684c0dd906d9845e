import { useStore } from "../store";

/** The network from input to output; a click goes to that layer in whatever view is open. */
export function LayerList({ names }: { names: readonly string[] }) {
  const store = useStore();
  const { layer } = store.state.value;
  if (names.length === 0) return <p class="muted">No layer matches</p>;
  return (
    <ol class="layers">
      {names.map((name) => (
        <li key={name}>
          <button
            type="button"
            class="quiet"
            aria-current={name === layer}
            title={name}
            onClick={() => goToLayer(store, name)}
          >
            {name}
          </button>
        </li>
      ))}
    </ol>
  );
}

function goToLayer(store: ReturnType<typeof useStore>, name: string): void {
  store.update({ layer: name, channel: null });
  document.querySelector(`[data-card="${CSS.escape(name)}"]`)?.scrollIntoView({ block: "start" });
}
