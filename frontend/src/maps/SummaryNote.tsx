import { share } from "../charts/format";
import { countMarks } from "../marks";
import type { PictureView } from "../pictures/view";

/** Why such a picture comes out white or black, in a line. */
export function SummaryNote({ view }: { view: PictureView }) {
  const { low, high, values } = countMarks(view.tiles, view.limits);
  const part = (count: number) => (count === 0 ? "none" : share(count / values));
  return (
    <p class="note">
      tf.summary.image cuts values to 0…1: {part(high)} are above 1 and come out white, {part(low)} are below 0 and come
      out black. {high / values > 0.5 ? "The white is the scale of the values, not the layer." : ""}
    </p>
  );
}
