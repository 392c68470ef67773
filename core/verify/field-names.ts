import { canonicalText } from '../canonical/canonical.ts';
import { fieldOf, type JsonObject, type JsonValue } from '../json.ts';

/** The fields in which two records differ, by name; a field that is null and one that is not there are one. Looks at `among` only, where given. */
export function differingFieldNames(left: JsonObject, right: JsonObject, among?: readonly string[]): string[] {
  const names = among ?? [...new Set([...Object.keys(left), ...Object.keys(right)])];
  return names.filter((name) => !isSame(valueAt(left, name), valueAt(right, name))).sort();
}

/**
 * The same for a row that a system may have normalised: of the fields that differ those in which more differs than case, padding
 * or rounding, where there are any.
 */
export function plainlyDifferingFieldNames(wanted: JsonObject, row: JsonObject): string[] {
  const names = differingFieldNames(wanted, row, Object.keys(wanted));
  const plain = names.filter((name) => !isNormalised(valueAt(wanted, name), valueAt(row, name)));
  return plain.length > 0 ? plain : names;
}

function valueAt(record: JsonObject, name: string): JsonValue {
  return fieldOf(record, name) ?? null;
}

function isSame(left: JsonValue, right: JsonValue): boolean {
  return canonicalText(left) === canonicalText(right);
}

function isNormalised(wanted: JsonValue, there: JsonValue): boolean {
  if (typeof wanted === 'string' && typeof there === 'string') return wanted.trim().toLowerCase() === there.trim().toLowerCase();
  if (typeof wanted !== 'number' || typeof there !== 'number') return false;
  const decimals = String(there).split('.')[1]?.length ?? 0;
  return Math.abs(wanted - there) <= 0.500001 * 10 ** -decimals;
}
