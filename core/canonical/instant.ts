/** Points in time as text: any RFC 3339 date-time brought to one form, `2026-03-29T00:30:00.5Z`. */

const rfc3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt ](\d\d):(\d\d):(\d\d)(?:[.,](\d+))?(?:[Zz]|([+-])(\d\d):?(\d\d)?)$/;

/** Wall-clock parts; `fraction` are the digits after the second's point. */
export interface WallClock {
  readonly year: number;
  readonly month: number;
  readonly day: number;
  readonly hour: number;
  readonly minute: number;
  readonly second: number;
  readonly fraction: string;
}

/**
 * The same instant in UTC, with up to nine digits of a second (further ones are cut off), trailing zeros and
 * an empty fraction removed. undefined when the text is no RFC 3339 date-time, names no real day, or falls
 * outside the years 0000–9999 in UTC. A leap second (:60) is the first second of the next minute.
 */
export function canonicalInstant(text: string): string | undefined {
  const parts = rfc3339.exec(text);
  if (parts === null) return undefined;
  const offsetMinutes = parts[8] === undefined ? 0 : Number(parts[9]) * 60 + Number(parts[10] ?? '0');
  if (offsetMinutes > 24 * 60 || Number(parts[10] ?? '0') > 59) return undefined;
  const wallClock: WallClock = {
    year: Number(parts[1]),
    month: Number(parts[2]),
    day: Number(parts[3]),
    hour: Number(parts[4]),
    minute: Number(parts[5]),
    second: Number(parts[6]),
    fraction: parts[7] ?? '',
  };
  return instantText(wallClock, parts[8] === '-' ? -offsetMinutes * 60 : offsetMinutes * 60);
}

/** The instant at which a clock `offsetSeconds` ahead of UTC shows these parts; undefined if they name no real time. */
export function instantText(clock: WallClock, offsetSeconds: number): string | undefined {
  const { hour, minute, second } = clock;
  if (!isRealDay(clock) || hour > 23 || minute > 59 || second > 60) return undefined;
  return formatInstant(secondsOf(clock) - offsetSeconds, clock.fraction);
}

/** Seconds since 1970 of the parts, read as UTC. */
export function secondsOf(clock: WallClock): number {
  return daysSinceEpoch(clock.year, clock.month, clock.day) * 86_400 + clock.hour * 3_600 + clock.minute * 60 + clock.second;
}

/** undefined outside the years 0000–9999. */
export function formatInstant(seconds: number, fraction: string): string | undefined {
  const clock = clockAt(seconds);
  if (clock.year < 0 || clock.year > 9999) return undefined;
  const date = `${pad(clock.year, 4)}-${pad(clock.month, 2)}-${pad(clock.day, 2)}`;
  const kept = fraction.slice(0, 9).replace(/0+$/, '');
  return `${date}T${pad(clock.hour, 2)}:${pad(clock.minute, 2)}:${pad(clock.second, 2)}${kept === '' ? '' : `.${kept}`}Z`;
}

/** The UTC parts of a number of seconds since 1970, without fraction. */
export function clockAt(seconds: number): WallClock {
  const days = Math.floor(seconds / 86_400);
  const rest = seconds - days * 86_400;
  const date = dateOfDays(days);
  const [hour, minute] = [Math.floor(rest / 3_600), Math.floor(rest / 60) % 60];
  return { ...date, hour, minute, second: rest % 60, fraction: '' };
}

export function isRealDay(date: { readonly year: number; readonly month: number; readonly day: number }): boolean {
  return date.month >= 1 && date.month <= 12 && date.day >= 1 && date.day <= daysInMonth(date.year, date.month);
}

function daysInMonth(year: number, month: number): number {
  if (month === 2) return year % 4 === 0 && (year % 100 !== 0 || year % 400 === 0) ? 29 : 28;
  return month === 4 || month === 6 || month === 9 || month === 11 ? 30 : 31;
}

/** Proleptic Gregorian calendar, counted in years that begin in March so that the leap day comes last. */
function daysSinceEpoch(year: number, month: number, day: number): number {
  const marchYear = month <= 2 ? year - 1 : year;
  const era = Math.floor(marchYear / 400);
  const yearOfEra = marchYear - era * 400;
  const dayOfYear = Math.floor((153 * ((month + 9) % 12) + 2) / 5) + day - 1;
  const dayOfEra = yearOfEra * 365 + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100) + dayOfYear;
  return era * 146_097 + dayOfEra - 719_468;
}

function dateOfDays(days: number): { year: number; month: number; day: number } {
  const shifted = days + 719_468;
  const era = Math.floor(shifted / 146_097);
  const dayOfEra = shifted - era * 146_097;
  const yearOfEra = Math.floor(
    (dayOfEra - Math.floor(dayOfEra / 1_460) + Math.floor(dayOfEra / 36_524) - Math.floor(dayOfEra / 146_096)) / 365,
  );
  const dayOfYear = dayOfEra - (365 * yearOfEra + Math.floor(yearOfEra / 4) - Math.floor(yearOfEra / 100));
  const marchMonth = Math.floor((5 * dayOfYear + 2) / 153);
  const month = marchMonth < 10 ? marchMonth + 3 : marchMonth - 9;
  const day = dayOfYear - Math.floor((153 * marchMonth + 2) / 5) + 1;
  return { year: yearOfEra + era * 400 + (month <= 2 ? 1 : 0), month, day };
}

export function pad(value: number, width: number): string {
  return String(value).padStart(width, '0');
}

/** Since 1970, of a text that `canonicalInstant` made. */
export function nanosecondsOf(instant: string): bigint {
  const seconds = secondsOf({
    year: Number(instant.slice(0, 4)),
    month: Number(instant.slice(5, 7)),
    day: Number(instant.slice(8, 10)),
    hour: Number(instant.slice(11, 13)),
    minute: Number(instant.slice(14, 16)),
    second: Number(instant.slice(17, 19)),
    fraction: '',
  });
  return BigInt(seconds) * 1_000_000_000n + BigInt(instant.slice(20, -1).padEnd(9, '0'));
}
