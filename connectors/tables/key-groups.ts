/**
 * Asks for all keys at once. A text that is none of its column's type fails the whole question, so then the halves are asked
 * for: what is left out in the end are the keys that no row could have.
 */
export async function underKeys<Key, Row>(
  keys: readonly Key[],
  ask: (keys: readonly Key[]) => Promise<readonly Row[]>,
  isKeyAtFault: (error: unknown) => boolean,
): Promise<readonly Row[]> {
  if (keys.length === 0) return [];
  try {
    return await ask(keys);
  } catch (error) {
    if (!isKeyAtFault(error)) throw error;
    if (keys.length === 1) return [];
    const middle = keys.length >> 1;
    const before = await underKeys(keys.slice(0, middle), ask, isKeyAtFault);
    return [...before, ...(await underKeys(keys.slice(middle), ask, isKeyAtFault))];
  }
}
