import { VIEWS, type View } from "../state/state";
import { useStore } from "../state/store";

const NAMES: Record<View, string> = {
  overview: "Overview",
  maps: "Feature maps",
  filters: "Filters",
  weights: "Weight change",
};

const MOVES: Record<string, (index: number) => number> = {
  ArrowLeft: (index) => index - 1,
  ArrowRight: (index) => index + 1,
  Home: () => 0,
  End: () => -1,
};

/** The four views; arrow keys, Home and End move between them. */
export function Tabs() {
  const store = useStore();
  const current = store.state.value.view;
  const onKeyDown = (event: KeyboardEvent) => {
    const move = MOVES[event.key];
    if (!move) return;
    event.preventDefault();
    event.stopPropagation();
    const view = VIEWS.at(move(VIEWS.indexOf(current)) % VIEWS.length)!;
    store.open(view);
    document.getElementById(`tab-${view}`)?.focus();
  };
  return (
    <div role="tablist" aria-label="Views" class="tabs" onKeyDown={onKeyDown}>
      {VIEWS.map((view) => (
        <button
          key={view}
          id={`tab-${view}`}
          type="button"
          role="tab"
          aria-selected={view === current}
          aria-controls={view === current ? `view-${view}` : undefined}
          tabIndex={view === current ? 0 : -1}
          onClick={() => store.open(view)}
        >
          {NAMES[view]}
        </button>
      ))}
    </div>
  );
}
