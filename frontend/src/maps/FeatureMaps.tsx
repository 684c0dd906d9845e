export function FeatureMaps() {
  return <section class="maps" />;
}
