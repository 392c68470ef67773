import { type ChangeEvent, goldenSourceType } from '../../core/change-event.ts';
import { remerge } from '../../core/conflict/engine.ts';
import type { SourceRow } from '../../core/conflict/voice.ts';
import type { Binding } from '../../core/identity/binding.ts';
import type { StateRow } from '../../core/ports/sync-store.ts';
import { matchingPolicy } from './stages.ts';
import type { World } from './world.ts';

interface ToldEvent {
  readonly event: ChangeEvent;
}

/** Where records are matched: each stands in one place, says there what its source said last, and the golden records are of those alone. */
export function checkMatched(world: World, events: readonly ToldEvent[], violations: string[]): void {
  const states = world.syncRows.states();
  const rows = states.filter(({ sourceType }) => sourceType !== goldenSourceType);
  const bindings = world.bindings.pages.bindings();
  for (const row of rows) {
    if (!bindings.some((binding) => stands(row, binding))) violations.push(`${nameOf(row)} is of no record that stands there`);
  }
  const told = Map.groupBy(events, ({ event }) => `${event.source} ${event.key}`);
  for (const binding of bindings) checkRecord(binding, rows, told.get(`${binding.source} ${binding.key}`) ?? [], violations);
  for (const [entityId, ofEntity] of Map.groupBy(states, (row) => row.entityId)) {
    const golden = ofEntity.find(({ sourceType }) => sourceType === goldenSourceType);
    const sources = ofEntity.filter((row) => row !== golden) as SourceRow[];
    if (golden === undefined) {
      violations.push(`${entityId} has no golden record`);
      continue;
    }
    const expected = sources.length === 0 ? null : remerge(matchingPolicy, { golden: undefined, rows: sources }).golden.data;
    if (!sameRecord(golden.data, expected))
      violations.push(`${entityId} is golden as ${JSON.stringify(golden.data)}, its rows make ${JSON.stringify(expected)}`);
  }
}

function checkRecord(binding: Binding, rows: readonly StateRow[], told: readonly ToldEvent[], violations: string[]): void {
  const name = `${binding.entityId}: ${binding.source} ${binding.key}`;
  if (binding.awaiting.length > 0) violations.push(`${name} still waits for what was known of it before`);
  if (binding.gone || told.length === 0) return;
  const row = rows.find((candidate) => stands(candidate, binding));
  // A deletion that counts as the last word, because what came after it was known, may have left no row.
  if (!last(told).some(({ data }) => (row === undefined ? data === null : sameRecord(row.data, data)))) {
    const said = row === undefined ? 'nothing' : `${JSON.stringify(row.data)} at ${row.position}`;
    violations.push(`${name}: last ${JSON.stringify(last(told)[0]!.data)} at ${last(told)[0]!.position}, but stored ${said}`);
  }
}

/** The newest, by position; what was sent again at another position counts once, at whichever of them was heard of first. */
function last(told: readonly ToldEvent[]): ChangeEvent[] {
  const first = new Map<string, string>();
  for (const { event } of told) {
    const known = first.get(event.eventId);
    if (known === undefined || event.position < known) first.set(event.eventId, event.position);
  }
  const newestFirst = told.map(({ event }) => event).sort((left, right) => (left.position < right.position ? 1 : -1));
  const settling = newestFirst.findIndex((event) => event.position === first.get(event.eventId));
  return newestFirst.slice(0, settling < 0 ? undefined : settling + 1);
}

function stands(row: StateRow, { entityId, source, tenure }: Binding): boolean {
  return row.entityId === entityId && row.sourceType === source.toUpperCase() && (row.tenure ?? 0) === tenure;
}

function sameRecord(left: StateRow['data'], right: StateRow['data']): boolean {
  return left?.value === right?.value && left?.sku === right?.sku;
}

function nameOf({ sourceType, entityId }: StateRow): string {
  return `${sourceType} ${entityId}`;
}
