/** `parseDate` and `formatDate`: texts of a source to canonical dates and instants, and back. */
import {
  canonicalInstant,
  clockAt,
  formatInstant,
  instantText,
  isRealDay,
  pad,
  secondsOf,
  type WallClock,
} from '../canonical/instant.ts';
import type { JsonValue } from '../json.ts';
import { compileDatePattern, type ParsedDate } from './date-pattern.ts';
import { InvalidRule, UnfitValue } from './rule-failure.ts';
import type { DoubledHour, StepParts } from './rules.ts';
import { offsetOfWallClock, timeZone } from './time-zone.ts';
import { decimalOf } from './values.ts';

interface ParseDateRule {
  readonly pattern: string | readonly string[];
  readonly zone: string;
  readonly doubled: DoubledHour;
}

type Parser = (value: JsonValue) => string | undefined;

const isoDate = /^(\d{4})-(\d\d)-(\d\d)$/;
const localIso = /^(\d{4})-(\d\d)-(\d\d)[T ](\d\d):(\d\d)(?::(\d\d)(?:[.,](\d+))?)?$/;

export function compileParseDate(step: NonNullable<StepParts['parseDate']>): (value: JsonValue) => JsonValue {
  const rule: ParseDateRule = typeof step === 'string' ? { pattern: step, zone: 'UTC', doubled: 'earlier' } : step;
  const patterns = typeof rule.pattern === 'string' ? [rule.pattern] : rule.pattern;
  const parsers = patterns.map((pattern) => parserOf(pattern, rule));
  return (value) => {
    for (const parse of parsers) {
      const parsed = parse(value);
      if (parsed !== undefined) return parsed;
    }
    throw new UnfitValue(`is no date of the form ${patterns.join(' or ')}`);
  };
}

function parserOf(pattern: string, rule: ParseDateRule): Parser {
  const toInstant = localToInstant(rule);
  switch (pattern) {
    case 'iso':
      return (value) => (typeof value === 'string' ? parseIso(value.trim(), toInstant) : undefined);
    case 'epoch-seconds':
      return (value) => instantOfEpoch(value, 0);
    case 'epoch-millis':
      return (value) => instantOfEpoch(value, 3);
    default:
      return patternParser(pattern, toInstant);
  }
}

function patternParser(text: string, toInstant: (parsed: ParsedDate) => string | undefined): Parser {
  const pattern = compileDatePattern(text);
  if (!pattern.hasDate) throw new InvalidRule(`the date pattern "${text}" lacks the year, the month or the day`);
  return (value) => {
    const parsed = typeof value === 'string' || typeof value === 'number' ? pattern.parse(String(value).trim()) : undefined;
    if (parsed === undefined) return undefined;
    return pattern.hasTime ? toInstant(parsed) : dateText(parsed.clock);
  };
}

function localToInstant(rule: ParseDateRule): (parsed: ParsedDate) => string | undefined {
  const zone = timeZone(rule.zone);
  return ({ clock, offset }) => instantText(clock, offset ?? offsetOfWallClock(zone, secondsOf(clock), rule.doubled));
}

function parseIso(text: string, toInstant: (parsed: ParsedDate) => string | undefined): string | undefined {
  const local = localIso.exec(text);
  if (local !== null) {
    const clock = clockOf(local);
    return isRealDay(clock) ? toInstant({ clock, offset: undefined }) : undefined;
  }
  return parseIsoDate(text) ?? canonicalInstant(text.replace(' ', 'T'));
}

function clockOf(parts: RegExpExecArray): WallClock {
  return {
    year: Number(parts[1]),
    month: Number(parts[2]),
    day: Number(parts[3]),
    hour: Number(parts[4]),
    minute: Number(parts[5]),
    second: Number(parts[6] ?? '0'),
    fraction: parts[7] ?? '',
  };
}

/** The text itself when it is a real day written YYYY-MM-DD. */
function parseIsoDate(text: string): string | undefined {
  const parts = isoDate.exec(text);
  const real = parts !== null && isRealDay({ year: Number(parts[1]), month: Number(parts[2]), day: Number(parts[3]) });
  return real ? text : undefined;
}

function dateText(clock: WallClock): string {
  return `${pad(clock.year, 4)}-${pad(clock.month, 2)}-${pad(clock.day, 2)}`;
}

/** `decimals`: how many of the number's last digits are a fraction of a second. */
function instantOfEpoch(value: JsonValue, decimals: number): string | undefined {
  const decimal = decimalOf(value);
  if (decimal === undefined || decimal.coefficient.toString().length > 30 || decimal.exponent > 20) return undefined;
  const nanosecondShift = 9 - decimals + decimal.exponent;
  const nanoseconds =
    nanosecondShift >= 0
      ? decimal.coefficient * 10n ** BigInt(nanosecondShift)
      : decimal.coefficient / 10n ** BigInt(-nanosecondShift);
  const fraction = ((nanoseconds % 1_000_000_000n) + 1_000_000_000n) % 1_000_000_000n;
  const seconds = (nanoseconds - fraction) / 1_000_000_000n;
  if (seconds < -100_000_000_000n || seconds > 300_000_000_000n) return undefined;
  return formatInstant(Number(seconds), fraction.toString().padStart(9, '0'));
}

export function compileFormatDate(step: NonNullable<StepParts['formatDate']>): (value: JsonValue) => JsonValue {
  const rule = typeof step === 'string' ? { pattern: step, zone: 'UTC' } : step;
  const pattern = compileDatePattern(rule.pattern);
  const zone = timeZone(rule.zone);
  return (value) => {
    const instant = typeof value === 'string' ? canonicalInstant(value) : undefined;
    if (instant === undefined) return pattern.format(clockOfDate(value, pattern.hasTime), 0);
    const seconds = secondsOf(clockOf(localIso.exec(instant.slice(0, -1))!));
    const offset = zone.offsetAt(seconds);
    return pattern.format({ ...clockAt(seconds + offset), fraction: instant.slice(20, -1) }, offset);
  };
}

function clockOfDate(value: JsonValue, hasTime: boolean): WallClock {
  const date = typeof value === 'string' ? parseIsoDate(value) : undefined;
  if (date === undefined) throw new UnfitValue('is neither a date (YYYY-MM-DD) nor an RFC 3339 date-time; parse it first');
  if (hasTime) throw new UnfitValue('is a date without a time of day');
  return clockOf(localIso.exec(`${date}T00:00`)!);
}

/** `cast: date`: the day as written; `cast: datetime`: the instant. */
export function castDate(value: JsonValue): JsonValue {
  const text = typeof value === 'string' ? value.trim() : '';
  const compact = /^(\d{4})(\d\d)(\d\d)$/.exec(text);
  const date = parseIsoDate(compact ? `${compact[1]}-${compact[2]}-${compact[3]}` : text.slice(0, 10));
  const hasTime = text.length > 10;
  if (date === undefined || (hasTime && !localIso.test(text) && canonicalInstant(text.replace(' ', 'T')) === undefined)) {
    throw new UnfitValue('is no ISO date; other forms are read by parseDate');
  }
  return date;
}

export function castDatetime(value: JsonValue): JsonValue {
  const instant = typeof value === 'string' ? canonicalInstant(value.trim().replace(' ', 'T')) : undefined;
  if (instant === undefined)
    throw new UnfitValue('is no RFC 3339 date-time with an offset; other forms and local times are read by parseDate');
  return instant;
}
