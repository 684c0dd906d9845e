import { shownName } from "../../model/names";
import { useStore } from "../../state/store";
import type { Run } from "../../types.gen";

/** Whose picture this is, where there are several runs. */
export function RunName({ run }: { run: Run }) {
  const store = useStore();
  if (store.chosen.value.length < 2) return null;
  return (
    <b class="run-name">
      <span class="dot" style={{ background: store.colourOf(run) }} />
      {shownName(run.title)}
    </b>
  );
}
