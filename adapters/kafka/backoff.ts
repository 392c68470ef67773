/** Growing pauses with jitter, so that many who wait for one thing do not come back at once. */
export function backoffMs(attempt: number, firstMs: number, maxMs: number): number {
  const grown = Math.min(maxMs, firstMs * 2 ** Math.min(attempt - 1, 20));
  return Math.round(grown * (0.5 + Math.random() / 2));
}
