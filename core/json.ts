/**
 * JSON that loses no digit. A number is a double where a double carries it exactly and an ExactNumber where
 * not, so one value has one form. Everything here runs per record: the common record takes the plain path.
 */
import { decimalText, parseDecimal } from './canonical/decimal.ts';
import { SyncError } from './errors.ts';

export type JsonValue = string | number | boolean | null | ExactNumber | JsonValue[] | JsonObject;

export interface JsonObject {
  [field: string]: JsonValue;
}

/** What Node has and TypeScript's library does not yet declare. */
interface ExactJson {
  rawJSON(text: string): unknown;
  parse(text: string, reviver: (field: string, value: unknown, context: { source?: string }) => unknown): unknown;
}
const exactJson = JSON as unknown as ExactJson;

/**
 * A number that no double carries: an integer beyond 2^53, a decimal of many digits, 1e400. Its text is
 * canonical (see canonical/decimal.ts), so equal values have equal texts. Made by `numberFromText` alone.
 */
export class ExactNumber {
  readonly text: string;

  constructor(canonicalText: string) {
    this.text = canonicalText;
  }

  toJSON(): unknown {
    return exactJson.rawJSON(this.text);
  }

  toString(): string {
    return this.text;
  }
}

const plainLiteralMax = 17;

/** A double if it carries the literal exactly, else an ExactNumber; undefined if the text is no number within bounds. */
export function numberFromText(literal: string): number | ExactNumber | undefined {
  // Most literals are short and in canonical form already: what prints as it was read is carried.
  const plain = literal.length <= plainLiteralMax ? Number(literal) : Number.NaN;
  if (Number.isFinite(plain) && String(plain) === literal) return plain;
  const decimal = parseDecimal(literal);
  if (decimal === undefined) return undefined;
  const text = decimalText(decimal);
  const double = Number(text);
  return String(double) === text ? double : new ExactNumber(text);
}

/** Levels of objects and lists a record may have; everything that recurses over records relies on it. */
export const nestingMax = 64;

/**
 * A number literal that a double may not carry: 16 characters of digits and point, or an exponent of three
 * digits. A literal stands behind a field's colon, a comma, a bracket or at the beginning, which keeps this scan
 * short and most texts that hold digits out of it; a hit inside a string costs time only.
 */
const riskyNumber = /(?:"\s*:|[,[]|^)\s*-?\d(?:[\d.]{15}|[\d.]*[eE][+-]?\d{3})/;

/** `__proto__`, also where a character of it is written as an escape. */
const escapedAscii = /\\u00[5-7]/;

/**
 * Parses JSON without losing digits. Throws SyntaxError for text that is not JSON and SyncError for JSON the
 * pipeline does not carry: nesting beyond `levelsMax`, numbers beyond all bounds, a field called `__proto__`.
 */
export function parseExact(text: string, levelsMax = nestingMax): JsonValue {
  const value = JSON.parse(text) as JsonValue;
  if (typeof value === 'object' && value !== null && isDeeperThan(value, levelsMax)) {
    throw new SyncError('record.too-deep', `the record is nested deeper than ${levelsMax} levels`, { details: { levelsMax } });
  }
  const suspicious = riskyNumber.test(text) || text.includes('__proto__') || (text.includes('\\u00') && escapedAscii.test(text));
  return suspicious ? (exactJson.parse(text, reviveExactly) as JsonValue) : value;
}

function reviveExactly(field: string, value: unknown, context: { source?: string }): unknown {
  // Whoever copies such a field with `copy[field] = …` would change the copy's prototype instead.
  if (field === '__proto__') throw new SyncError('record.malformed', 'a field of the record is called "__proto__"');
  if (typeof value !== 'number' || context.source === undefined || isCarried(context.source)) return value;
  const number = numberFromText(context.source);
  if (number === undefined) {
    const start = context.source.slice(0, 40);
    throw new SyncError('record.number-out-of-range', `the number ${start} has more than 1,000 digits`, { details: { start } });
  }
  return number;
}

/** Up to 15 digits a double carries any literal; only an exponent could lead out of its range. */
function isCarried(literal: string): boolean {
  return literal.length <= 15 && !literal.includes('e') && !literal.includes('E');
}

export function stringifyExact(value: JsonValue): string {
  return JSON.stringify(value);
}

/** Whether there are more than `max` levels of objects and lists; a flat record has one. Looks no deeper than `max`. */
export function isDeeperThan(value: JsonValue, max: number): boolean {
  if (typeof value !== 'object' || value === null || value instanceof ExactNumber) return false;
  if (max === 0) return true;
  if (Array.isArray(value)) return value.some((item) => isDeeperThan(item, max - 1));
  for (const field in value) {
    const inner = value[field];
    if (typeof inner === 'object' && inner !== null && isDeeperThan(inner, max - 1)) return true;
  }
  return false;
}

type UnstorableText = 'U+0000' | 'lone surrogate';

/** One escape at a time, so that the second backslash of `\\u0000` begins none; a surrogate pair counts as one. */
const escapes = /\\(?:u(?:(0000)|[dD][89abAB][\da-fA-F]{2}\\u[dD][c-fC-F][\da-fA-F]{2}|([dD][89a-fA-F][\da-fA-F]{2}))|.)/g;

/**
 * What PostgreSQL would refuse in this JSON text, or undefined. Expects the text of `stringifyExact`, in which
 * both are always escaped; a text from elsewhere is parsed and written again first.
 */
export function findUnstorableText(jsonText: string): UnstorableText | undefined {
  if (!jsonText.includes('\\u')) return undefined;
  for (const [, nul, surrogate] of jsonText.matchAll(escapes)) {
    if (nul !== undefined) return 'U+0000';
    if (surrogate !== undefined) return 'lone surrogate';
  }
  return undefined;
}

/** A field's own value: `toString` and its like, which every object inherits, are absent unless the record has them. */
export function fieldOf(record: JsonObject, field: string): JsonValue | undefined {
  return inheritedNames.has(field) && !Object.hasOwn(record, field) ? undefined : record[field];
}

const inheritedNames: ReadonlySet<string> = new Set(Object.getOwnPropertyNames(Object.prototype));

/** Plain JSON object, neither list nor number. */
export function isJsonObject(value: JsonValue | undefined): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value) && !(value instanceof ExactNumber);
}
