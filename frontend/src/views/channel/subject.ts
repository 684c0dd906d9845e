/** What the page of a channel is about. */
export interface Subject {
  readonly layer: string;
  /** The kernel whose filter of the same number makes this channel, if it is logged. */
  readonly variable: string | null;
  readonly channel: number;
}
