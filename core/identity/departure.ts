/** What is known of an entity whose records have gone, as `EntityLinks` has it. */
export interface Departed {
  readonly entityId: string;
  readonly mergedInto: string | null;
  /** The latest first. */
  readonly history: readonly {
    readonly reason: string;
    readonly entityId: string | null;
    readonly previous: string | null;
    readonly by: string | null;
  }[];
}

/** What became of an entity that no record stands under any more, in words; null where one does. */
export function departureOf({ entityId, mergedInto, history }: Departed): string | null {
  if (mergedInto === null) return null;
  const last = history.find((turn) => turn.previous === entityId && turn.entityId === mergedInto);
  const who = last?.by == null ? '' : ` by ${last.by}`;
  switch (last?.reason) {
    case 'link':
      return `its last record was linked to ${mergedInto}${who}`;
    case 'split':
      return `its last record was split off to ${mergedInto}${who}`;
    case 'match-key':
      return `its last record moved to ${mergedInto}, which its match key found`;
    default:
      return `merged into ${mergedInto}${who}`;
  }
}
