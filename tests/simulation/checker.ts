import { partitionName } from '../../adapters/memory/pace.ts';
import { type ChangeEvent, type GoldenRecord, goldenSourceType } from '../../core/change-event.ts';
import { partitionOf } from '../../core/partition.ts';
import type { LogRecord, PartitionRef } from '../../core/ports/event-log.ts';
import type { EventRow, StateRow } from '../../core/ports/sync-store.ts';
import { checkMatched } from './matched-checker.ts';
import { isDeadValue, kind } from './workload.ts';
import { canonicalPartitions, names, type World } from './world.ts';

/** Reads topics and tables and nothing else, and says what is wrong with them. Shares no code with the stages. */
export function findViolations(world: World): string[] {
  const violations: string[] = [];
  const broken = world.processes().find((process) => process.broken !== undefined);
  if (broken) violations.push(`${broken.name} broke: ${(broken.broken as Error)?.stack ?? String(broken.broken)}`);
  const raw = readRaw(world);
  checkDeadLetters(world, raw, violations);
  checkAccounting(world, violations);
  if (world.matching)
    checkMatched(
      world,
      raw.events.filter(({ origin }) => !raw.dead.has(origin)),
      violations,
    );
  else checkStates(world, raw, violations);
  checkEvents(world, raw, violations);
  checkResolved(world, violations);
  return violations;
}

interface RawEvent {
  readonly event: ChangeEvent;
  readonly origin: string;
}

interface RawLog {
  readonly events: readonly RawEvent[];
  readonly poison: ReadonlySet<string>;
  /** Origins among the dead letters. */
  readonly dead: ReadonlySet<string>;
}

function readRaw(world: World): RawLog {
  const events: RawEvent[] = [];
  const poison = new Set<string>();
  for (const ref of rawRefs(world)) {
    for (const record of world.log.records(ref)) {
      const origin = `${partitionName(ref)}@${record.offset}`;
      if (record.headers['syncline-control'] !== undefined) continue;
      const event = eventOf(record);
      if (event !== null && ('rejoin' in event || 'relink' in event)) continue;
      if (event === null) poison.add(origin);
      else events.push({ event, origin });
    }
  }
  const dead = new Set(world.deadLetters().map(({ origin }) => `${partitionName(origin)}@${origin.offset}`));
  return { events, poison, dead };
}

function eventOf(record: LogRecord): ChangeEvent | null {
  try {
    return JSON.parse(String(record.value)) as ChangeEvent;
  } catch {
    return null;
  }
}

function checkDeadLetters(world: World, raw: RawLog, violations: string[]): void {
  const letters = new Map(
    world.deadLetters().map((letter) => [`${partitionName(letter.origin)}@${letter.origin.offset}`, letter]),
  );
  for (const origin of raw.poison) {
    if (!raw.dead.has(origin)) violations.push(`poison ${origin} is not among the dead letters`);
  }
  for (const { event, origin } of raw.events) {
    const letter = letters.get(origin);
    if (letter?.code === 'identity.conflict') continue;
    if (raw.dead.has(origin) && !isDeadValue(event.data?.value)) violations.push(`${origin} is dead without a reason`);
  }
}

/** Every raw record has exactly one outcome. */
function checkAccounting(world: World, violations: string[]): void {
  const letters = world.deadLetters();
  for (const ref of rawRefs(world)) {
    const name = partitionName(ref);
    const received = world.log.end(ref);
    const { forwarded, stopped, nextOffset } = world.ledgerRows.countsOf(ref);
    const stoppedInAll = sum(stopped.values());
    const counted = [...world.syncRows.counts].filter(([id]) => id.startsWith(`${name} `));
    const countedInAll = sum(counted.map(([, count]) => count));
    const said = `received ${received}, forwarded ${forwarded}, stopped ${JSON.stringify([...stopped])}, counted ${JSON.stringify(counted)}`;
    if (nextOffset !== received) violations.push(`${name} is settled to ${nextOffset} of ${received}`);
    if (forwarded + stoppedInAll !== received) violations.push(`${name}: the processor's sum is wrong: ${said}`);
    if (countedInAll !== forwarded) violations.push(`${name}: the sync manager's sum is wrong: ${said}`);
    const dead = (stopped.get('dead-lettered') ?? 0) + (world.syncRows.counts.get(`${name} dead-lettered`) ?? 0);
    const lettersHere = letters.filter(({ origin }) => partitionName(origin) === name).length;
    if (dead !== lettersHere) violations.push(`${name}: ${dead} counted as dead, ${lettersHere} letters`);
  }
}

/**
 * What each source says of an entity is its last change, by position, of those the database took. A change that is sent
 * again at another position counts once, as the first of them or as the second.
 */
function checkStates(world: World, raw: RawLog, violations: string[]): void {
  const positions = firstPositions(raw);
  const changes = new Map<string, ChangeEvent[]>();
  const sourcesOfKey = new Map<string, Set<string>>();
  for (const { event, origin } of raw.events) {
    if (raw.dead.has(origin)) continue;
    const id = `${event.source} ${event.key}`;
    changes.set(id, [...(changes.get(id) ?? []), event]);
    sourcesOfKey.set(event.key, (sourcesOfKey.get(event.key) ?? new Set()).add(event.source));
  }
  const states = new Map(world.syncRows.states().map((row) => [`${row.sourceType} ${row.entityId}`, row]));
  for (const events of changes.values()) {
    const newestFirst = events.sort((left, right) => (left.position < right.position ? 1 : -1));
    const settling = newestFirst.findIndex((event) => event.position === positions.get(event.eventId));
    const last = newestFirst.slice(0, settling < 0 ? undefined : settling + 1);
    const event = last[0]!;
    const entityId = `${kind}:${event.key}`;
    const rows = [states.get(`${event.source.toUpperCase()} ${entityId}`)];
    if (sourcesOfKey.get(event.key)!.size === 1) rows.push(states.get(`${goldenSourceType} ${entityId}`));
    for (const row of rows) {
      if (row === undefined || !last.some((possible) => holds(row, possible))) {
        violations.push(
          `${entityId} of ${event.source}: last ${JSON.stringify(event.data)} at ${event.position}, but stored ${said(row)}`,
        );
      }
    }
  }
  const known = new Set([...changes.values()].map(([event]) => `${event!.source.toUpperCase()} ${kind}:${event!.key}`));
  for (const [id, row] of states) {
    if (row.sourceType !== goldenSourceType && !known.has(id)) violations.push(`${id} came from nowhere`);
  }
}

/** By event id: where it stood first of those that were not refused. */
function firstPositions(raw: RawLog): ReadonlyMap<string, string> {
  const positions = new Map<string, string>();
  for (const { event, origin } of raw.events) {
    if (!raw.dead.has(origin) && !positions.has(event.eventId)) positions.set(event.eventId, event.position);
  }
  return positions;
}

function holds(row: StateRow, event: ChangeEvent): boolean {
  return row.deleted === (event.data === null) && row.data?.value === event.data?.value;
}

function toldId({ sourceType, sourceId, position }: EventRow): string {
  return `${sourceType} ${sourceId} ${position}`;
}

function said(row: StateRow | undefined): string {
  return row === undefined ? 'nothing' : `${row.deleted ? 'deleted' : JSON.stringify(row.data)} at ${row.position}`;
}

/** Each event is stored as it was sent, and each version of a state stands for one applied event. */
function checkEvents(world: World, raw: RawLog, violations: string[]): void {
  const sent = new Map(raw.events.map(({ event }) => [`${event.eventId} ${event.position}`, event]));
  const told = new Map(raw.events.map(({ event }) => [`${event.source.toUpperCase()} ${event.key} ${event.position}`, event]));
  const applied = new Map<string, number>();
  for (const row of world.syncRows.events.values()) {
    // What a record brings from one entity to another has an id of its own there.
    const event = sent.get(`${row.eventId} ${row.position}`) ?? (world.matching ? told.get(toldId(row)) : undefined);
    if (row.operation === 'leave') continue;
    if (event === undefined || event.data?.value !== row.data?.value) {
      violations.push(`event ${row.correlationId} is stored otherwise than it was sent`);
    }
    if (row.status !== 'applied' && row.status !== 'conflicted') continue;
    const id = `${row.sourceType} ${row.entityId}`;
    applied.set(id, (applied.get(id) ?? 0) + 1);
  }
  // A row begins anew where its record does.
  if (world.matching) return;
  for (const row of world.syncRows.states()) {
    if (row.sourceType === goldenSourceType) continue;
    const times = applied.get(`${row.sourceType} ${row.entityId}`) ?? 0;
    if (row.version !== times)
      violations.push(`${row.sourceType} ${row.entityId} is version ${row.version} after ${times} applied events`);
  }
}

/** The last record of a key is its newest version, and so is what a consumer ends with that drops versions it has. */
function checkResolved(world: World, violations: string[]): void {
  const last = new Map<string, GoldenRecord>();
  const kept = new Map<string, GoldenRecord>();
  for (const ref of world.log.partitionsOf(names.resolved(kind))) {
    for (const record of world.log.records(ref)) {
      const golden = JSON.parse(String(record.value)) as GoldenRecord;
      last.set(golden.entityId, golden);
      const before = kept.get(golden.entityId);
      if (before === undefined || golden.version.n > before.version.n) kept.set(golden.entityId, golden);
      else if (golden.version.n === before.version.n && golden.data?.value !== before.data?.value) {
        violations.push(`${golden.entityId}: two values were published as version ${golden.version.n}`);
      }
    }
  }
  for (const row of world.syncRows.states()) {
    if (row.sourceType !== goldenSourceType) continue;
    const consumers = new Map([['a consumer', kept.get(row.entityId)]]);
    const ref = { topic: names.canonical(kind), partition: partitionOf(row.entityId, canonicalPartitions) };
    if (!world.unrepaired.has(partitionName(ref))) consumers.set('the last record', last.get(row.entityId));
    for (const [consumer, published] of consumers) {
      const same = published !== undefined && published.version.n === row.version && published.deleted === row.deleted;
      if (!same || published.data?.value !== row.data?.value) {
        violations.push(
          `${row.entityId} is version ${row.version}, ${consumer} on the resolved topic is ${published?.version.n ?? 'missing'}`,
        );
      }
    }
  }
  for (const ref of world.log.partitionsOf(names.canonical(kind))) {
    const left = world.syncRows.outboxOf(ref).length;
    if (left > 0) violations.push(`${left} rows are left in the outbox of ${partitionName(ref)}`);
  }
}

function rawRefs(world: World): PartitionRef[] {
  return world.sources.flatMap(({ source }) => [...world.log.partitionsOf(names.raw(source, kind))]);
}

function sum(numbers: Iterable<number>): number {
  let total = 0;
  for (const number of numbers) total += number;
  return total;
}
