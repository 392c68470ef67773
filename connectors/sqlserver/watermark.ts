import type { Column } from './column-type.ts';
import { selected } from './value-text.ts';

/** What lies before a watermark: known, or SQL that says it of `@p0`. */
type EarlierWatermark =
  | { readonly kind: 'known'; readonly watermark: string }
  | { readonly kind: 'asked'; readonly expression: string };

/** Nothing lies before these days. */
const firstDays: ReadonlySet<string> = new Set(['0001-01-01', '1753-01-01', '1900-01-01']);
/** A SMALLDATETIME is rounded to the next minute, which may be the later one. */
const minuteRoundingMs = 30_000;
const lowestNumbers: Readonly<Record<string, bigint>> = {
  tinyint: 0n,
  smallint: -(2n ** 15n),
  int: -(2n ** 31n),
  bigint: -(2n ** 63n),
};

export function earlierWatermark(column: Column, watermark: string, overlapMs: number): EarlierWatermark {
  const { kind, declared } = column;
  if (kind === 'number') return { kind: 'known', watermark: lessBy(watermark, overlapMs, declared) };
  // Rows below a rowversion that was read were settled then: no overlap is needed.
  if (kind === 'rowversion' || overlapMs === 0 || firstDays.has(watermark.slice(0, 10))) return { kind: 'known', watermark };
  const sooner = kind === 'smalldatetime' ? overlapMs + minuteRoundingMs : overlapMs;
  const moment =
    kind === 'offset' ? 'CONVERT(datetimeoffset(7), @p0)' : `CONVERT(datetime2(7), @p0, ${kind === 'date' ? '23' : '126'})`;
  return {
    kind: 'asked',
    expression: selected(column, `CONVERT(${declared}, DATEADD(millisecond, -${sooner}, ${moment}))`),
  };
}

/** What stands behind the point is left out, which is not later; a type ends somewhere. */
function lessBy(digits: string, difference: number, declared: string): string {
  const less = BigInt(digits.split('.')[0]!) - BigInt(difference) - (digits.startsWith('-') ? 1n : 0n);
  const lowest = lowestNumbers[declared] ?? -(10n ** BigInt(wholeDigits(declared))) + 1n;
  return String(less < lowest ? lowest : less);
}

function wholeDigits(declared: string): number {
  const [precision, scale] = [...declared.matchAll(/\d+/g)].map(Number);
  return precision! - scale!;
}
