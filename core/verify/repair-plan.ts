export const repairActions = [
  /** The golden record is published again, and the target's own worker writes it. */
  'write',
  /** What stands in the system is told as the system's own change. */
  'tell',
  /** A row that nobody ever told of is deleted. */
  'delete',
  /** The golden record is merged anew from the rows of the sources. */
  'remerge',
  /** A pair of sources is compared anew. */
  'compare',
  /** Nothing can be done from here; the reason says why. */
  'none',
] as const;
export type RepairAction = (typeof repairActions)[number];

export const repairOutcomes = ['planned', 'begun', 'equal', 'differs', 'left'] as const;
export type RepairOutcome = (typeof repairOutcomes)[number];
