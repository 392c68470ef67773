import { SyncError } from '../errors.ts';
import { findUnstorableText, isDeeperThan, isJsonObject, type JsonObject, type JsonValue, nestingMax } from '../json.ts';

/** How large a record may be, the same for every encoding. */
export interface RecordLimits {
  /** Of the whole message value. */
  readonly recordBytesMax: number;
  /** Levels of objects and lists in a record's data. */
  readonly nestingMax: number;
}

export const recordLimitsDefault: RecordLimits = { recordBytesMax: 1_000_000, nestingMax };

export function refuseTooLarge(bytes: number, { recordBytesMax }: RecordLimits): void {
  if (bytes <= recordBytesMax) return;
  throw new SyncError('record.too-large', `the record has ${bytes} bytes, at most ${recordBytesMax} are carried`, {
    details: { bytes, recordBytesMax },
  });
}

export function refuseTooDeep(data: JsonObject | null, limits: RecordLimits): void {
  if (data === null || !isDeeperThan(data, limits.nestingMax)) return;
  throw new SyncError('record.too-deep', `the record is nested deeper than ${limits.nestingMax} levels`, {
    details: { nestingMax: limits.nestingMax },
  });
}

/** Expects the text that `stringifyExact` made of the value. */
export function refuseUnstorableText(value: JsonValue, jsonText: string): void {
  const found = findUnstorableText(jsonText);
  if (found === undefined) return;
  const field = fieldHolding(value, '') ?? '';
  throw new SyncError('record.unstorable-text', `${field} holds ${found}, which PostgreSQL cannot store`, {
    details: { field, found },
  });
}

/** The path of the first text, or field name, that is unstorable. */
function fieldHolding(value: JsonValue | undefined, path: string): string | undefined {
  if (typeof value === 'string') return isUnstorable(value) ? path : undefined;
  if (!Array.isArray(value) && !isJsonObject(value)) return undefined;
  for (const [name, inner] of Object.entries(value)) {
    const innerPath = path === '' ? name : `${path}.${name}`;
    if (isUnstorable(name)) return path === '' ? 'the name of a field' : `the name of a field of ${path}`;
    const found = fieldHolding(inner, innerPath);
    if (found !== undefined) return found;
  }
  return undefined;
}

function isUnstorable(text: string): boolean {
  return text.includes('\0') || !text.isWellFormed();
}
