export function ChannelDrawer() {
  return <aside class="drawer" />;
}
