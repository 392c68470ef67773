import { hash } from 'node:crypto';
import type { Operation } from '../../core/change-event.ts';
import { isSyncError, SyncError } from '../../core/errors.ts';
import { fieldOf, isJsonObject, type JsonObject, parseExact } from '../../core/json.ts';
import { keyTextOf } from '../../core/key-text.ts';
import type { SourceChange } from '../../core/ports/source-connector.ts';
import type { TableRow, TableShape } from '../../core/ports/table-reader.ts';

/** What is common to the changes of one table. */
export interface TableVoice {
  readonly kind: string;
  readonly shape: TableShape;
  /** The column that says when a row was changed. */
  readonly occurredAt: string | undefined;
}

/** A row as it was read: its key, what it says, and why it cannot be told where it cannot. */
export interface IdentifiedRow {
  readonly key: string;
  readonly digest: string;
  readonly data: JsonObject | null;
  readonly fault: SyncError | undefined;
}

const digestCharacters = 22;

/** 132 bits of the text's sha256: equal for equal rows, different for different ones as far as anybody will ever see. */
export function digestOf(text: string): string {
  return hash('sha256', text, 'base64').slice(0, digestCharacters);
}

export function identifyRow(shape: TableShape, row: TableRow): IdentifiedRow {
  const digest = digestOf(row.text);
  try {
    const data = parseExact(row.text);
    if (!isJsonObject(data)) throw new SyncError('record.malformed', `a row of ${shape.name} is no object`);
    const key = keyTextOf(shape.key, data);
    if (key !== undefined) return { key, digest, data, fault: undefined };
    const fault = new SyncError('identity.key-missing', `a row of ${shape.name} has an empty key (${shape.key.join(', ')})`);
    return { key: row.bound.join('/'), digest, data: null, fault };
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return { key: row.bound.join('/'), digest, data: null, fault: error };
  }
}

export function changeOf(
  { kind, occurredAt }: TableVoice,
  row: IdentifiedRow,
  operation: Operation,
  order: string,
  nowMs: number,
): SourceChange {
  const { key, data, fault } = row;
  const change = { kind, key, operation, order, occurredAtMs: changedAtMs(data, occurredAt) ?? nowMs, data };
  return fault === undefined ? change : { ...change, fault };
}

export function deletionOf({ kind }: TableVoice, key: string, order: string, nowMs: number): SourceChange {
  return { kind, key, operation: 'delete', order, occurredAtMs: nowMs, data: null };
}

/** `2026-03-01T12:00:00+00:00`, or without a zone, which is read as UTC. What is no time, or none of ours, is not said. */
const instantPattern = /^\d{4}-\d\d-\d\d(?:[T ]\d\d:\d\d(?::\d\d(?:\.\d+)?)?(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

function changedAtMs(data: JsonObject | null, field: string | undefined): number | undefined {
  const value = data === null || field === undefined ? undefined : fieldOf(data, field);
  const zone = typeof value === 'string' ? instantPattern.exec(value) : null;
  if (typeof value !== 'string' || zone === null) return undefined;
  const isDay = value.length === 10;
  const ms = Date.parse(zone[1] === undefined && !isDay ? `${value.replace(' ', 'T')}Z` : value.replace(' ', 'T'));
  return Number.isFinite(ms) && ms >= 0 ? ms : undefined;
}
