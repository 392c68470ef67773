import type { Sighting, Suspect } from './finding.ts';

/** How often a record that keeps changing is looked at again. */
export const roundsMax = 6;

export type Conclusion =
  | 'equal'
  /** It differs, and nothing is on its way that could change that. */
  | 'found'
  /** It changed meanwhile: what was seen may have been a change in flight. */
  | 'again'
  /** It changed at every look. */
  | 'moving';

/**
 * What to make of a record that was seen to differ and is looked at again. `passed`: everything that had happened at the
 * first look has gone through the pipeline meanwhile. Only what stood still on both sides all that time is found.
 */
export function conclusionOf(before: Suspect & { readonly round: number }, now: Sighting, passed: boolean): Conclusion {
  if (now.finding === null) return 'equal';
  if (passed && now.here === before.here && now.there === before.there) return 'found';
  return before.round + 1 < roundsMax ? 'again' : 'moving';
}
