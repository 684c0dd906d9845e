export function WeightChange() {
  return <section class="weights" />;
}
