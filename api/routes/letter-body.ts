import { isUtf8 } from 'node:buffer';
import { z } from 'zod';
import { parseExact } from '../../core/json.ts';

/** Bytes as a human can read them: JSON where they are JSON, text where they are text, else base64. */
export const bodyAnswer = z
  .union([
    z.object({ encoding: z.literal('json'), content: z.unknown() }),
    z.object({ encoding: z.enum(['text', 'base64']), content: z.string() }),
  ])
  .nullable()
  .meta({ id: 'DeadLetterBody' });

export function bodyViewOf(body: Buffer | null): z.infer<typeof bodyAnswer> {
  if (body === null) return null;
  if (!isUtf8(body)) return { encoding: 'base64', content: body.toString('base64') };
  const text = body.toString('utf8');
  try {
    return { encoding: 'json', content: parseExact(text) };
  } catch {
    return { encoding: 'text', content: text };
  }
}
