import type { z } from 'zod';
import { canonicalInstant } from '../../core/canonical/instant.ts';
import { isSyncError } from '../../core/errors.ts';
import { entityIdOf } from '../../core/identity/identity.ts';
import { ExactNumber, fieldOf, type JsonObject, type JsonValue } from '../../core/json.ts';
import type { FieldError } from '../../core/problem.ts';

/** One kind of event that may be posted: what it looks like and where it goes. */
export interface IngestType {
  readonly source: string;
  readonly kind: string;
  /** Empty: every post is an entity of its own. */
  readonly keyFields: readonly string[];
  readonly occurredAtField: string | undefined;
  /** Every error of a record at once; empty when it fits. */
  check(record: JsonObject): readonly FieldError[];
  /** What checks is also what the OpenAPI document shows. */
  readonly schema: z.ZodType;
}

export type Keyed = { readonly key: string } | { readonly error: FieldError };

/**
 * The key of a record: its field's text, or the texts of several with `/` between them, in which `/` and `%` are
 * written as in addresses, so that no two different lists of values give one key.
 */
export function keyOf(type: IngestType, record: JsonObject): Keyed {
  const parts: string[] = [];
  for (const field of type.keyFields) {
    const text = keyText(fieldOf(record, field));
    if (text === undefined) {
      const message = 'must be a text or a number that is not empty: it is part of the key';
      return { error: { field, code: 'identity.key-missing', message } };
    }
    parts.push(type.keyFields.length === 1 ? text : text.replaceAll(/[%/]/g, (character) => encodeURIComponent(character)));
  }
  return checkedKey(type, parts.join('/'), type.keyFields.join(', '));
}

/** The processor would make a dead letter of it; here its sender can still be told. */
export function checkedKey(type: IngestType, key: string, field: string): Keyed {
  try {
    entityIdOf(type.kind, key);
    return { key };
  } catch (error) {
    if (!isSyncError(error)) throw error;
    return { error: { field, code: error.code, message: error.message } };
  }
}

function keyText(value: JsonValue | undefined): string | undefined {
  if (typeof value === 'number' || value instanceof ExactNumber) return String(value);
  return typeof value === 'string' && value !== '' ? value : undefined;
}

export type Dated = { readonly occurredAt: string } | { readonly error: FieldError };

/** Null where the time of arrival counts. */
export function occurredAtOf(type: IngestType, record: JsonObject): Dated | null {
  const field = type.occurredAtField;
  const value = field === undefined ? undefined : fieldOf(record, field);
  if (field === undefined || value === undefined || value === null) return null;
  const instant = typeof value === 'string' ? canonicalInstant(value) : undefined;
  // The year 0 is real to RFC 3339 and unknown to PostgreSQL.
  if (instant === undefined || instant.startsWith('0000')) {
    const message = 'must be a date and time with zone such as 2026-03-01T12:00:00Z, from the year 1 to 9999';
    return { error: { field, code: 'invalid_datetime', message } };
  }
  return { occurredAt: instant };
}
