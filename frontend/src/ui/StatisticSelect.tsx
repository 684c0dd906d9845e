import { heatMap, type Statistic } from "../schema.gen";
import { useStore } from "../state/store";

/** What the heat map paints and the bars beside the layers measure. */
export function StatisticSelect({ label, chosen }: { label: string; chosen: Statistic }) {
  const store = useStore();
  return (
    <select
      aria-label={label}
      value={chosen.name}
      onChange={(event) => store.update({ statistic: event.currentTarget.value })}
    >
      {heatMap.map(({ name, title }) => (
        <option key={name} value={name}>
          {title}
        </option>
      ))}
    </select>
  );
}
