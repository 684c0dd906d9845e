/** The findings and verdicts of the chosen runs. */

import type { Signal } from "@preact/signals";
import { type Resource, useResource } from "../resource";
import { useStore } from "../store";
import type { Diagnosis } from "../types";

export function useDiagnosis(): Signal<Resource<Diagnosis>> {
  const { api, chosen, generation } = useStore();
  const names = chosen.value.map(({ run }) => run);
  const key = names.length ? JSON.stringify([generation.value, names]) : null;
  return useResource(key, (signal) => api.diagnosis(names, signal));
}
