/**
 * Fields whose values may differ a little. Their values stand in the fingerprint beside the checksum; a value
 * that is no number (or no time) is compared exactly and stays in the checksum.
 */

import { canonicalText, sortByCodePoint } from '../canonical/canonical.ts';
import { add, compare, type Decimal, decimalText, negate, parseDecimal } from '../canonical/decimal.ts';
import { canonicalInstant, nanosecondsOf } from '../canonical/instant.ts';
import { ExactNumber, type JsonObject, type JsonValue, parseExact } from '../json.ts';

export const toleranceSyntax = /^\d{1,30}(?:\.\d{1,30})?$/;
export const durationSyntax = /^(\d{1,9})(ms|s|m|h|d)$/;

export interface Tolerances {
  /** Sorted. */
  readonly fields: readonly string[];
  /** Removes the tolerant values from the record and gives their JSON list: numbers, times as text, null for the rest. */
  take(record: JsonObject): string;
  /** undefined when the values of this field are to be compared exactly. */
  within(field: string, before: JsonValue, after: JsonValue): boolean | undefined;
  /** Whether two lists of `take` agree. */
  withinLists(before: string, after: string): boolean;
}

/** One tolerant field: how its value is written, and when two such texts are near enough. */
interface Tolerance {
  textOf(value: JsonValue): string | undefined;
  near(before: string, after: string): boolean;
}

export function compileTolerances(
  numbers: Readonly<Record<string, number | string>>,
  times: Readonly<Record<string, string>>,
): Tolerances {
  const byField = new Map<string, Tolerance>();
  for (const [field, tolerance] of Object.entries(numbers)) byField.set(field, numberTolerance(tolerance));
  for (const [field, tolerance] of Object.entries(times)) byField.set(field, timeTolerance(tolerance));
  const fields = sortByCodePoint([...byField.keys()]);
  const sorted = fields.map((field) => byField.get(field)!);

  return {
    fields,
    take(record) {
      const texts = fields.map((field, i) => {
        const value = Object.hasOwn(record, field) ? record[field]! : null;
        const text = sorted[i]!.textOf(value);
        if (text === undefined) return 'null';
        delete record[field];
        return text;
      });
      return `[${texts.join(',')}]`;
    },
    within(field, before, after) {
      const tolerance = byField.get(field);
      const [was, is] = [tolerance?.textOf(before), tolerance?.textOf(after)];
      if (tolerance === undefined || (was === undefined && is === undefined)) return undefined;
      return was !== undefined && is !== undefined && (was === is || tolerance.near(was, is));
    },
    withinLists(before, after) {
      const [left, right] = [parseExact(before), parseExact(after)];
      if (!Array.isArray(left) || !Array.isArray(right) || left.length !== right.length) return false;
      return sorted.every((tolerance, i) => {
        const [was, is] = [canonicalText(left[i] ?? null), canonicalText(right[i] ?? null)];
        return was === is || (left[i] !== null && right[i] !== null && tolerance.near(was, is));
      });
    },
  };
}

function numberTolerance(tolerance: number | string): Tolerance {
  const largest = parseDecimal(String(tolerance))!;
  return {
    textOf(value) {
      if (typeof value === 'number') return String(value);
      if (value instanceof ExactNumber) return value.text;
      const decimal = typeof value === 'string' ? parseDecimal(value) : undefined;
      return decimal === undefined ? undefined : decimalText(decimal);
    },
    near(before, after) {
      const difference = add(parseDecimal(before)!, negate(parseDecimal(after)!));
      return difference !== undefined && compare(magnitude(difference), largest) <= 0;
    },
  };
}

function magnitude(value: Decimal): Decimal {
  return value.coefficient < 0n ? negate(value) : value;
}

const unitNanoseconds: Readonly<Record<string, bigint>> = {
  ms: 1_000_000n,
  s: 1_000_000_000n,
  m: 60_000_000_000n,
  h: 3_600_000_000_000n,
  d: 86_400_000_000_000n,
};

function timeTolerance(duration: string): Tolerance {
  const [, count, unit] = durationSyntax.exec(duration)!;
  const largest = BigInt(count!) * unitNanoseconds[unit!]!;
  return {
    textOf(value) {
      const instant = typeof value === 'string' ? canonicalInstant(value) : undefined;
      return instant === undefined ? undefined : `"${instant}"`;
    },
    near(before, after) {
      const difference = nanosecondsOf(before.slice(1, -1)) - nanosecondsOf(after.slice(1, -1));
      return (difference < 0n ? -difference : difference) <= largest;
    },
  };
}
