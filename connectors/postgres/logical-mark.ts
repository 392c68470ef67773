import { z } from 'zod';
import type { SourceMark } from '../../core/ports/source-connector.ts';

const markSchema = z.object({
  /** Up to where changes were told; null before the first scan. */
  at: z.object({ lsn: z.string().regex(/^[0-9a-f]{16}$/), seq: z.int() }).nullable(),
  /** The columns as they were accepted, `name type`; null before the first look. */
  columns: z.array(z.string()).nullable(),
  /** Columns somebody was asked to accept. */
  offered: z.array(z.string()).nullable(),
  /** Which table it is, and how its keys are ordered. */
  oid: z.int(),
  order: z.string(),
  /** How far it has been read through, where it has to be. */
  scan: z.object({ after: z.array(z.string()).readonly().nullable(), rank: z.string() }).nullable(),
  /** Of the last note of keys. */
  keys: z.int(),
});

export type LogicalMark = z.output<typeof markSchema>;

export const scanStart = { after: null, rank: '' } as const;

const blankMark: LogicalMark = {
  at: null,
  columns: null,
  offered: null,
  oid: 0,
  order: '',
  scan: scanStart,
  keys: 0,
};

export function logicalMarkFrom(mark: SourceMark | null): LogicalMark {
  return mark === null ? blankMark : markSchema.parse(mark);
}

export function asMark(mark: LogicalMark): SourceMark {
  return mark as unknown as SourceMark;
}
