import { z } from 'zod';

/** Names of sources and kinds become parts of topic names, URLs and metric labels. */
export const nameLengthMax = 50;

export const nameSchema = z
  .string()
  .regex(/^[a-z0-9][a-z0-9_-]*$/, 'a name is lower-case letters, digits, - and _, and begins with a letter or digit')
  .max(nameLengthMax, `a name has at most ${nameLengthMax} characters`);

/** What stands in `source_type`: a column of 50 characters. */
export const sourceTypeSchema = z
  .string()
  .regex(/^[A-Z0-9][A-Z0-9_]*$/, 'a source type is capital letters, digits and _, and begins with a letter or digit')
  .max(nameLengthMax, `a source type has at most ${nameLengthMax} characters`);

export function sourceTypeOf(sourceName: string): string {
  return sourceName.toUpperCase().replaceAll('-', '_');
}
