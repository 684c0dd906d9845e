export function Filters() {
  return <section class="filters" />;
}
