import type { HistoricEvent } from '../ports/entity-store.ts';
import { operatorSourceType } from './voice.ts';

/** Events of several sources overtake each other between coming in and being stored, by seconds: so many at most wait here. */
const waitingMax = 256;

/**
 * Brings the events of one entity, which come in the order in which they came in, into the order in which they were stored. Three things tell of it:
 * a source's events were stored by their positions, golden versions rise, and an event leads from the record before it to what was recorded with it.
 */
export class StoredOrder {
  #waiting: HistoricEvent[] = [];

  add(event: HistoricEvent): void {
    this.#waiting.push(event);
  }

  get isFull(): boolean {
    return this.#waiting.length > waitingMax;
  }

  /** The event that was stored next: the first to come in of those that can have been, and of these one that fits where there is any. */
  next(fits: (event: HistoricEvent) => boolean): HistoricEvent | undefined {
    const possible = this.#possible();
    const event = possible.length === 1 ? possible[0] : (possible.find(fits) ?? possible[0]);
    this.#waiting = this.#waiting.filter((waiting) => waiting !== event);
    return event;
  }

  #possible(): HistoricEvent[] {
    const firsts = new Map<string, HistoricEvent>();
    let version = Number.POSITIVE_INFINITY;
    for (const event of this.#waiting) {
      const { sourceType } = event.record;
      const first = firsts.get(sourceType);
      if (first === undefined || isBefore(event, first)) firsts.set(sourceType, event);
      version = Math.min(version, event.golden?.version ?? version);
    }
    const inTurn = [...firsts.values()].filter(({ golden }) => golden === undefined || golden.version === version);
    const possible = inTurn.length > 0 ? inTurn : [...firsts.values()];
    return possible.sort((left, right) => left.record.receivedAtMs - right.record.receivedAtMs);
  }
}

/** Decisions have no order of their own. */
function isBefore({ record }: HistoricEvent, other: HistoricEvent): boolean {
  return record.sourceType !== operatorSourceType && record.position < other.record.position;
}
