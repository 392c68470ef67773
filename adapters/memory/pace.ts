/**
 * Runs the effect of one operation. The effect is atomic and takes place when the pace says so: at once, or when a
 * simulation picks it. The answer may be late, or never come, whether or not the effect took place.
 */
export type Pace = <T>(operation: string, effect: () => T) => Promise<T>;

export const atOnce: Pace = async (_operation, effect) => effect();

export function partitionName(ref: { readonly topic: string; readonly partition: number }): string {
  return `${ref.topic}/${ref.partition}`;
}
