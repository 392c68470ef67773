import type { ChangeEvent, Operation } from '../../core/change-event.ts';
import { eventIdOf } from '../../core/event-id.ts';
import { orderOf, type Position, positionOf } from '../../core/position.ts';
import type { Random } from './random.ts';

export const kind = 'product';

/** How a source brings its changes to its topic. */
export type SourceManner =
  /** In the order of their positions, each once. */
  | 'once'
  /** In the order of their positions; after a restart everything from some earlier position on once more. */
  | 'with rewinds'
  /** In the order of their positions, and some of them again much later. */
  | 'late repeats'
  /** In the order of their positions, and some of them again later under the same id, at a position of its own. */
  | 'retries'
  /** In any order, each perhaps several times. */
  | 'any order';

export const manners: readonly SourceManner[] = ['once', 'with rewinds', 'late repeats', 'retries', 'any order'];

/** What a source sends next: an event, or bytes that are none. */
export type Sending = { readonly kind: 'event'; readonly event: ChangeEvent } | { readonly kind: 'poison'; readonly key: string };

export interface SourcePlan {
  readonly source: string;
  readonly manner: SourceManner;
  readonly sendings: readonly Sending[];
}

const startMs = Date.UTC(2026, 0, 1);
/** The database refuses them until somebody mends it. Two, so that a dead letter is replayed past another one. */
export const refusedValues: readonly string[] = ['R', 'S'];
/** A processor cannot send it on, and one it cannot even read, until the configuration is mended. */
export const unsendableValue = 'T';
export const unreadableValue = 'U';
export const unprocessableValues: readonly string[] = [unsendableValue, unreadableValue];

/** What records are matched by, where they are. */
export const skus: readonly string[] = ['X', 'Y', 'Z', ''];

export function isDeadValue(value: unknown): boolean {
  return [...refusedValues, ...unprocessableValues].includes(String(value));
}

export interface WorkloadOptions {
  readonly changes: number;
  /** A source that scans sends what it sees, changed or not. */
  readonly equalChance: number;
  readonly deleteChance: number;
  readonly keys: readonly string[];
  /** Few, so that a value often returns after another. */
  readonly values: readonly string[];
  readonly manner: SourceManner;
  readonly refusedChance: number;
  /** What some stage refuses, and which. */
  readonly deadValues: readonly string[];
  /** How often a source that repeats does so. */
  readonly repeatChance: number;
  readonly poison: boolean;
  /** What the records may be matched by; empty where an entity is its key. */
  readonly skus: readonly string[];
}

export function planSource(random: Random, source: string, options: WorkloadOptions): SourcePlan {
  const history = historyOf(random, source, options);
  const order = orders[options.manner](random, history, options.repeatChance);
  const sendings: Sending[] = [];
  for (const event of order) {
    sendings.push({ kind: 'event', event });
    if (options.poison && random.chance(0.05)) sendings.push({ kind: 'poison', key: random.pick(options.keys) });
  }
  return { source, manner: options.manner, sendings };
}

function historyOf(random: Random, source: string, options: WorkloadOptions): ChangeEvent[] {
  const current = new Map<string, string | null>();
  const skus = new Map<string, string>();
  const events: ChangeEvent[] = [];
  for (let n = 1; n <= options.changes; n++) {
    const key = random.pick(options.keys);
    const before = current.get(key);
    const value = nextValue(random, before, options);
    const operation: Operation = value === null ? 'delete' : before === undefined || before === null ? 'create' : 'update';
    if (options.skus.length > 0 && (!skus.has(key) || random.chance(0.25))) skus.set(key, random.pick(options.skus));
    const sku = skus.get(key);
    events.push(eventOf(source, key, n, operation, value === null ? null : { value, ...(sku === undefined ? {} : { sku }) }));
    current.set(key, value);
  }
  return events;
}

function nextValue(random: Random, before: string | null | undefined, options: WorkloadOptions): string | null {
  if (before !== undefined && random.chance(options.equalChance)) return before;
  if (random.chance(options.refusedChance)) return random.pick(options.deadValues);
  return random.chance(options.deleteChance) ? null : random.pick(options.values);
}

function eventOf(source: string, key: string, n: number, operation: Operation, data: ChangeEvent['data']): ChangeEvent {
  const position = positionOf(0, orderOf(n));
  return {
    eventId: eventIdOf(source, kind, key, position, startMs + n * 1_000),
    source,
    kind,
    key,
    operation,
    position,
    occurredAt: new Date(startMs + n * 1_000).toISOString(),
    correlationId: `${source}-${n}`,
    data,
  };
}

const orders: Readonly<
  Record<SourceManner, (random: Random, history: readonly ChangeEvent[], repeatChance: number) => ChangeEvent[]>
> = {
  once: (_random, history) => [...history],
  'with rewinds': orderWithRewinds,
  'late repeats': orderWithRepeats,
  retries: orderWithRetries,
  'any order': anyOrder,
};

function orderWithRepeats(random: Random, history: readonly ChangeEvent[], repeatChance: number): ChangeEvent[] {
  return history.flatMap((event, index) => {
    if (!random.chance(repeatChance)) return [event];
    const back = random.chance(0.5) ? random.below(Math.min(index + 1, 3)) : random.below(index + 1);
    return [event, history[index - back]!];
  });
}

function orderWithRetries(random: Random, history: readonly ChangeEvent[], repeatChance: number): ChangeEvent[] {
  return orderWithRepeats(random, history, repeatChance).map((event, index, order) => {
    const isRetry = order.indexOf(event) < index;
    return isRetry ? { ...event, position: `${order[index - 1]!.position}-again` as Position } : event;
  });
}

function orderWithRewinds(random: Random, history: readonly ChangeEvent[]): ChangeEvent[] {
  const order: ChangeEvent[] = [];
  let rewinds = random.below(3);
  for (let next = 0; next < history.length; next++) {
    order.push(history[next]!);
    if (rewinds > 0 && random.chance(0.08)) {
      rewinds--;
      next = Math.max(-1, next - random.between(1, 8));
    }
  }
  return order;
}

function anyOrder(random: Random, history: readonly ChangeEvent[]): ChangeEvent[] {
  const placed = history.flatMap((event, index) => {
    const places = [{ event, at: index + (random.chance(0.2) ? random.between(1, 8) : 0) + random.fraction() / 2 }];
    if (random.chance(0.15)) places.push({ event, at: index + random.between(0, 12) + random.fraction() / 2 });
    return places;
  });
  return placed.sort((left, right) => left.at - right.at).map(({ event }) => event);
}
