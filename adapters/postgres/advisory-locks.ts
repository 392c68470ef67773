/** Any fixed numbers, as long as they differ: whoever takes one waits for its holder alone. */
export const advisoryLocks = {
  /** Two processes that start together bring the tables up in turns. */
  migration: 5_927_001,
  /** Two processes that make the first admin key take turns. */
  firstKey: 5_927_002,
  /** Of several processes one compares everything anew. */
  differenceRebuild: 5_927_003,
  /** Of several processes one verifies and repairs. */
  verification: 5_927_005,
  /** Who decides about bindings does so alone, for one kind. The second number is the kind's. */
  identity: 5_927_004,
} as const;
