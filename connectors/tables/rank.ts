const digits = '0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz';
const counterDigits = 8;
const middle = 'V';

/**
 * A text between two others, compared as bytes, so that something can be put between neighbours without touching them.
 * The empty text stands before everything, null behind everything.
 */
export function rankBetween(before: string, behind: string | null): string {
  return behind === null ? nextRank(before) : midpoint(before, behind);
}

/** At the end they are counted, so that a long table does not make long ranks. */
function nextRank(before: string): string {
  const counted = before === '' ? 0 : Number.parseInt(before.slice(0, counterDigits), 16) + 1;
  return counted.toString(16).padStart(counterDigits, '0').toUpperCase() + middle;
}

/** Neither text ends in the lowest digit, and `before` is lower than `behind`. */
function midpoint(before: string, behind: string | null): string {
  if (behind !== null) {
    let same = 0;
    while ((before[same] ?? digits[0]) === behind[same]) same++;
    if (same > 0) return behind.slice(0, same) + midpoint(before.slice(same), behind.slice(same));
  }
  const low = before === '' ? 0 : digits.indexOf(before[0]!);
  const high = behind === null ? digits.length : digits.indexOf(behind[0]!);
  if (high - low > 1) return digits[Math.round((low + high) / 2)]!;
  if (behind !== null && behind.length > 1) return behind[0]!;
  return digits[low]! + midpoint(before.slice(1), null);
}
