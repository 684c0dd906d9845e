export function Overview() {
  return <section class="overview" />;
}
