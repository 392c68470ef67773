import { z } from 'zod';
import { canonicalInstant } from '../core/canonical/instant.ts';
import { SyncError } from '../core/errors.ts';
import type { Page, PageKey, PageRequest } from '../core/ports/read-store.ts';

export const pageLimitMax = 500;
const pageLimitDefault = 50;
const cursorCharactersMax = 2_000;

/** PostgreSQL takes neither U+0000 nor half a surrogate pair, so no row can hold what such a text asks for. */
export function textParameter(max: number, description: string) {
  return z
    .string()
    .min(1)
    .max(max)
    .refine((text) => !text.includes('\0') && text.isWellFormed(), { error: 'holds a character no record can hold' })
    .describe(description);
}

export function instantParameter(description: string) {
  return z
    .string()
    .max(50)
    .transform((text, context) => {
      const instant = canonicalInstant(text);
      if (instant !== undefined && !instant.startsWith('0000')) return instant;
      context.addIssue({ code: 'custom', message: 'expected a date and time with its zone such as 2026-03-01T12:00:00Z' });
      return z.NEVER;
    })
    .meta({ description, format: 'date-time' });
}

export const pageParameters = {
  limit: z.coerce.number().int().min(1).max(pageLimitMax).default(pageLimitDefault).describe('Rows of a page.'),
  cursor: z.string().min(1).max(cursorCharactersMax).optional().describe('`next` of the page before; without it the first page.'),
};

const keyParts = {
  instant: /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?Z$/,
  uuid: /^[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}$/,
  text: /^[^\0]{1,300}$/u,
  count: /^\d{1,15}$/,
} as const;
export type KeyPart = keyof typeof keyParts;

/** A cursor is opaque to who carries it, and checked when it comes back: it may have been changed on the way. */
export function pageRequestOf(query: { limit: number; cursor?: string | undefined }, shape: readonly KeyPart[]): PageRequest {
  return { limit: query.limit, after: query.cursor === undefined ? null : keyOfCursor(query.cursor, shape) };
}

export function answerOf<Row, Item>(page: Page<Row>, itemOf: (row: Row) => Item): { items: Item[]; next: string | null } {
  const next = page.next === null ? null : Buffer.from(JSON.stringify(page.next)).toString('base64url');
  return { items: page.rows.map(itemOf), next };
}

export function pageAnswer<Item extends z.ZodType>(item: Item) {
  return z.object({
    items: z.array(item).readonly(),
    next: z.string().nullable().describe('The cursor of the next page; null on the last one.'),
  });
}

function keyOfCursor(cursor: string, shape: readonly KeyPart[]): PageKey {
  const parts = partsOf(cursor);
  const fits =
    parts?.length === shape.length && parts.every((part, at) => keyParts[shape[at]!].test(part) && part.isWellFormed());
  if (fits) return parts;
  const message = 'is none that this list gave out';
  throw new SyncError('request.invalid', `query: cursor: ${message}`, {
    details: { errors: [{ field: 'cursor', code: 'invalid', message }] },
  });
}

function partsOf(cursor: string): string[] | undefined {
  try {
    const value: unknown = JSON.parse(Buffer.from(cursor, 'base64url').toString('utf8'));
    return Array.isArray(value) && value.every((part) => typeof part === 'string') ? value : undefined;
  } catch {
    return undefined;
  }
}

export const instantAnswer = z.string().meta({ format: 'date-time' });
export const dataAnswer = z.record(z.string(), z.unknown()).meta({ description: 'Numbers of any size, every digit kept.' });
