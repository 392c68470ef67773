/** A share of a wait, from a half to the whole: many who wait for one thing should not come back at once. */
export function jitter(): number {
  return 0.5 + Math.random() / 2;
}
