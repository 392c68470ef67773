import type { JsonObject } from '../json.ts';
import { sameValue } from './values.ts';
import { valueAt } from './voice.ts';

/** What one event said of an entity. */
export interface Said {
  readonly eventId: string;
  readonly data: JsonObject | null;
}

/**
 * Which event brought each field of a record its value, from what its source said, the newest first. While an entity has
 * one source no voice is kept, so its history tells. A field whose beginning lies further back is left out.
 */
export function fieldOrigins(data: JsonObject, said: readonly Said[], isWhole: boolean): Map<string, string> {
  const origins = new Map<string, string>();
  for (const field of Object.keys(data)) {
    const value = data[field];
    const changed = said.findIndex((one) => !sameValue(one.data === null ? undefined : valueAt(one.data, field), value));
    const first = changed === -1 ? (isWhole ? said.at(-1) : undefined) : said[changed - 1];
    if (first !== undefined) origins.set(field, first.eventId);
  }
  return origins;
}
