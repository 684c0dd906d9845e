import { type Statistic, statistics } from "../model/statistics";
import { useStore } from "../state/store";

/** What the heat map paints and the bars beside the layers measure. */
export function StatisticSelect({ label, chosen }: { label: string; chosen: Statistic }) {
  const store = useStore();
  return (
    <select
      aria-label={label}
      value={chosen.id}
      onChange={(event) => store.update({ statistic: event.currentTarget.value })}
    >
      {statistics.map(({ id, label }) => (
        <option key={id} value={id}>
          {label}
        </option>
      ))}
    </select>
  );
}
