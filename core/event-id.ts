import { hash } from 'node:crypto';
import type { EventId } from './change-event.ts';
import type { Position } from './position.ts';

/**
 * Invariant 5: the same change always has the same id. A UUIDv8: 48 bits of the source's commit time, so that ids are
 * ordered in time and the primary key's index stays local; the rest a hash of (source, kind, key, position).
 */
export function eventIdOf(source: string, kind: string, key: string, position: Position, occurredAtMs: number): EventId {
  const time = Math.max(0, Math.min(occurredAtMs, 0xffffffffffff)).toString(16).padStart(12, '0');
  return uuidv8(time, hash('sha256', `${source}\0${kind}\0${key}\0${position}`, 'hex'));
}

/** The id of a record's leaving an entity because of this change. */
export function leaveIdOf(changeId: EventId, from: string): EventId {
  return movedIdOf(changeId, `leave\0${from}`);
}

/** The id under which an event that one entity knows is told to another. */
export function carriedIdOf(eventId: EventId, leaveId: EventId): EventId {
  return movedIdOf(eventId, `carried\0${leaveId}`);
}

/** The time of the event stays in it. */
function movedIdOf(eventId: EventId, cause: string): EventId {
  return uuidv8(eventId.replace('-', '').slice(0, 12), hash('sha256', `${eventId}\0${cause}`, 'hex'));
}

/** The id of a dead letter: the same raw record always gets the same one. */
export function deadLetterIdOf(topic: string, partition: number, offset: number): string {
  const digest = hash('sha256', `${topic}\0${partition}\0${offset}`, 'hex');
  return uuidv8(digest.slice(20, 32), digest);
}

function uuidv8(first12: string, digest: string): EventId {
  const variant = ((Number.parseInt(digest[3]!, 16) & 0x3) | 0x8).toString(16);
  return `${first12.slice(0, 8)}-${first12.slice(8, 12)}-8${digest.slice(0, 3)}-${variant}${digest.slice(4, 7)}-${digest.slice(7, 19)}` as EventId;
}
