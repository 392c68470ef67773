import { isRealDay } from '../canonical/instant.ts';
import { reasonOf, SyncError } from '../errors.ts';
import { isJsonObject, type JsonObject, type JsonValue, parseExact } from '../json.ts';
import { isPosition } from '../position.ts';

const nameCharactersMax = 255;
const keyCharactersMax = 2_000;
const uuidPattern = /^[0-9a-f]{8}-(?:[0-9a-f]{4}-){3}[0-9a-f]{12}$/;
const checksumPattern = /^[0-9a-f]{64}$/;
const instantPattern =
  /^(?!0000)\d{4}-(?:0[1-9]|1[0-2])-(?:0[1-9]|[12]\d|3[01])T(?:[01]\d|2[0-3]):[0-5]\d:[0-5]\d(?:\.\d{1,9})?Z$/;

/** A message of our own, always JSON; `what` is how errors call it. */
export function messageFrom(bytes: Buffer, what: string, levelsMax?: number): JsonObject {
  try {
    const value = parseExact(bytes.toString('utf8'), levelsMax);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw new SyncError('record.malformed', `the ${what} is not JSON: ${reasonOf(error)}`, { cause: error });
  }
  throw new SyncError('record.malformed', `the ${what} is not a JSON object`);
}

/** What a field must be, or the whole message is at fault. */
export function need(holds: boolean, field: string, expected: string): void {
  if (!holds) throw new SyncError('record.malformed', `${field} is not ${expected}`, { details: { field, expected } });
}

export function isName(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= nameCharactersMax;
}

export function isKey(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && value.length > 0 && value.length <= keyCharactersMax;
}

export function isUuid(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && uuidPattern.test(value);
}

export function isChecksum(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && checksumPattern.test(value);
}

export function isData(value: JsonValue | undefined): boolean {
  return value === null || isJsonObject(value);
}

export function isCount(value: JsonValue | undefined): boolean {
  return Number.isSafeInteger(value) && (value as number) >= 0;
}

export function isInstant(value: JsonValue | undefined): boolean {
  if (typeof value !== 'string' || !instantPattern.test(value)) return false;
  const day = Number(value.slice(8, 10));
  return day <= 28 || isRealDay({ year: Number(value.slice(0, 4)), month: Number(value.slice(5, 7)), day });
}

export function isPositionText(value: JsonValue | undefined): boolean {
  return typeof value === 'string' && isPosition(value);
}
