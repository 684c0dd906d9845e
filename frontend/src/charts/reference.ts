import type { Bounds } from "./scale";

/** Update ratios of single steps that are usual, after Karpathy's rule of thumb of about 1e-3 (CS231n): shown as a reference, never judged. */
export const REFERENCE_RATIO: Bounds & readonly [number, number] = [1e-4, 1e-2];
export const REFERENCE_WORDS = "rule of thumb, 1e-4 to 1e-2";
