import { z } from 'zod';
import type { SourceMark } from '../../core/ports/source-connector.ts';
import type { TableShape } from '../../core/ports/table-reader.ts';

const bound = z.array(z.string()).readonly();
const watermark = z.object({ watermark: z.string(), key: bound.nullable() });

const markSchema = z.object({
  /** Rises whenever reading begins or is taken up again: of two readings of a row the later has the higher order. */
  draw: z.int(),
  /** The columns as they were accepted, `name type`; null before the first look. */
  columns: z.array(z.string()).nullable(),
  order: z.string(),
  begunAtMs: z.number().nullable(),
  scan: z.object({ after: bound.nullable(), rank: z.string(), tellsAll: z.boolean() }).nullable(),
  /** The keys were compared last. */
  keysAtMs: z.number(),
  high: watermark.nullable(),
  cursor: watermark.nullable(),
  freshAtMs: z.number(),
});

export type TableMark = z.output<typeof markSchema>;

export const blankMark: TableMark = {
  draw: 0,
  columns: null,
  order: '',
  begunAtMs: null,
  scan: null,
  keysAtMs: 0,
  high: null,
  cursor: null,
  freshAtMs: 0,
};

export function tableMarkFrom(mark: SourceMark | null): TableMark {
  return mark === null ? blankMark : markSchema.parse(mark);
}

export function asMark(mark: TableMark): SourceMark {
  return mark as unknown as SourceMark;
}

export function columnsOf({ columns, key }: TableShape): string[] {
  return columns.map(({ name, type }) => `${name} ${type}${key.includes(name) ? ' (key)' : ''}`);
}

export function isSame(left: readonly string[], right: readonly string[]): boolean {
  return left.length === right.length && left.every((column, at) => column === right[at]);
}

/** `dropped price numeric; added cost numeric`. */
export function differenceOf(before: readonly string[], now: readonly string[]): string {
  const dropped = before.filter((column) => !now.includes(column)).map((column) => `gone: ${column}`);
  const added = now.filter((column) => !before.includes(column)).map((column) => `new: ${column}`);
  return [...dropped, ...added].join(', ') || 'the columns have another order';
}
