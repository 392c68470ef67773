import { checksumOf } from '../canonical/canonical.ts';
import type { Checksum } from '../change-event.ts';
import type { JsonObject } from '../json.ts';

/** Of a record without what is counted: that moves at a system while we write there, and nobody minds. */
export function uncountedChecksum(counters: readonly string[], data: JsonObject): Checksum {
  if (counters.length === 0) return checksumOf(data);
  return checksumOf(Object.fromEntries(Object.entries(data).filter(([field]) => !counters.includes(field))));
}
