/** Date patterns such as `dd/MM/yyyy HH:mm`, with the letters of java.time and Unicode that mean the same everywhere. */
import { isRealDay, pad, type WallClock } from '../canonical/instant.ts';
import { InvalidRule } from './rule-failure.ts';

const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'] as const;

type Part = 'year' | 'month' | 'day' | 'hour' | 'minute' | 'second' | 'fraction' | 'half' | 'offset';

interface Token {
  readonly part: Part;
  /** A regular expression for the text. */
  readonly syntax: string;
  read(text: string): number;
  write(clock: WallClock, offsetSeconds: number): string;
}

const tokens: Readonly<Record<string, Token>> = {
  yyyy: numeric('year', '\\d{4}', (clock) => pad(clock.year, 4)),
  yy: { ...numeric('year', '\\d{2}', (clock) => pad(clock.year % 100, 2)), read: (text) => 2000 + Number(text) },
  MMM: {
    part: 'month',
    syntax: months.join('|'),
    read: (text) => months.findIndex((month) => month.toLowerCase() === text.toLowerCase()) + 1,
    write: (clock) => months[clock.month - 1]!,
  },
  MM: numeric('month', '\\d{2}', (clock) => pad(clock.month, 2)),
  M: numeric('month', '\\d{1,2}', (clock) => String(clock.month)),
  dd: numeric('day', '\\d{2}', (clock) => pad(clock.day, 2)),
  d: numeric('day', '\\d{1,2}', (clock) => String(clock.day)),
  HH: numeric('hour', '\\d{2}', (clock) => pad(clock.hour, 2)),
  H: numeric('hour', '\\d{1,2}', (clock) => String(clock.hour)),
  hh: numeric('hour', '\\d{2}', (clock) => pad(clock.hour % 12 || 12, 2)),
  h: numeric('hour', '\\d{1,2}', (clock) => String(clock.hour % 12 || 12)),
  a: {
    part: 'half',
    syntax: 'AM|PM',
    read: (text) => (text.toUpperCase() === 'PM' ? 12 : 0),
    write: (clock) => (clock.hour < 12 ? 'AM' : 'PM'),
  },
  mm: numeric('minute', '\\d{2}', (clock) => pad(clock.minute, 2)),
  m: numeric('minute', '\\d{1,2}', (clock) => String(clock.minute)),
  ss: numeric('second', '\\d{2}', (clock) => pad(clock.second, 2)),
  s: numeric('second', '\\d{1,2}', (clock) => String(clock.second)),
  XXX: offset('Z|[+-]\\d{2}:\\d{2}', ':'),
  XX: offset('Z|[+-]\\d{4}', ''),
};

function numeric(part: Part, syntax: string, write: (clock: WallClock) => string): Token {
  return { part, syntax, read: Number, write };
}

function offset(syntax: string, separator: string): Token {
  return {
    part: 'offset',
    syntax,
    read(text) {
      if (text.toUpperCase() === 'Z') return 0;
      const seconds = Number(text.slice(1, 3)) * 3_600 + Number(text.slice(-2)) * 60;
      return text.startsWith('-') ? -seconds : seconds;
    },
    write(_clock, seconds) {
      if (seconds === 0) return 'Z';
      const minutes = Math.floor(Math.abs(seconds) / 60);
      return `${seconds < 0 ? '-' : '+'}${pad(Math.floor(minutes / 60), 2)}${separator}${pad(minutes % 60, 2)}`;
    },
  };
}

/** As many digits of the second as there are letters S. */
function fraction(digits: number): Token {
  return {
    part: 'fraction',
    syntax: `\\d{${digits}}`,
    read: () => 0,
    write: (clock) => clock.fraction.padEnd(digits, '0').slice(0, digits),
  };
}

export interface ParsedDate {
  readonly clock: WallClock;
  /** Seconds ahead of UTC, where the text says it. */
  readonly offset: number | undefined;
}

interface DatePattern {
  /** Year, month and day are all there. */
  readonly hasDate: boolean;
  /** Without hours it is a date, not a point in time. */
  readonly hasTime: boolean;
  /** undefined when the text does not fit or names no real day or time. */
  parse(text: string): ParsedDate | undefined;
  format(clock: WallClock, offsetSeconds: number): string;
}

const pieces = /([A-Za-z])\1*|'((?:[^']|'')*)'|[^A-Za-z']+/g;

export function compileDatePattern(pattern: string): DatePattern {
  const items = itemsOf(pattern);
  const parts = items.filter((item) => typeof item !== 'string').map((token) => token.part);
  const twice = parts.find((part, i) => parts.indexOf(part) !== i);
  if (twice !== undefined) throw new InvalidRule(`the date pattern "${pattern}" has the ${twice} twice`);
  const syntax = items.map((item) => (typeof item === 'string' ? escapeLiteral(item) : `(${item.syntax})`)).join('');
  const read = items.filter((item) => typeof item !== 'string');
  const whole = new RegExp(`^${syntax}$`, 'i');
  return {
    hasDate: parts.includes('year') && parts.includes('month') && parts.includes('day'),
    hasTime: parts.includes('hour'),
    parse(text) {
      const match = whole.exec(text);
      return match === null ? undefined : assemble(read, match);
    },
    format: (clock, offsetSeconds) =>
      items.map((item) => (typeof item === 'string' ? item : item.write(clock, offsetSeconds))).join(''),
  };
}

function itemsOf(pattern: string): (string | Token)[] {
  const items: (string | Token)[] = [];
  let end = 0;
  for (const match of pattern.matchAll(pieces)) {
    const [piece, letter, quoted] = match;
    if (match.index !== end) break;
    end += piece.length;
    if (letter === undefined) items.push(quoted === undefined ? piece : quoted === '' ? "'" : quoted.replaceAll("''", "'"));
    else items.push(tokenOf(pattern, piece, letter));
  }
  if (end !== pattern.length) throw new InvalidRule(`the date pattern "${pattern}" has a quote that is not closed`);
  return items;
}

function tokenOf(pattern: string, piece: string, letter: string): Token {
  const token =
    letter === 'S' && piece.length <= 9 ? fraction(piece.length) : Object.hasOwn(tokens, piece) ? tokens[piece] : undefined;
  if (token !== undefined) return token;
  const known = [...Object.keys(tokens), 'S'].join(' ');
  throw new InvalidRule(`the date pattern "${pattern}" has "${piece}"; known are ${known}, other letters stand in 'quotes'`);
}

function escapeLiteral(text: string): string {
  return text.replace(/[.*+?^${}()|[\]\\/]/g, '\\$&');
}

function assemble(read: readonly Token[], match: RegExpExecArray): ParsedDate | undefined {
  const found: Partial<Record<Part, number>> = {};
  let digits = '';
  for (const [i, token] of read.entries()) {
    const text = match[i + 1]!;
    found[token.part] = token.read(text);
    if (token.part === 'fraction') digits = text;
  }
  const hour = hourOf(found.hour ?? 0, found.half);
  const clock: WallClock = {
    year: found.year ?? 1970,
    month: found.month ?? 1,
    day: found.day ?? 1,
    hour: hour ?? 24,
    minute: found.minute ?? 0,
    second: found.second ?? 0,
    fraction: digits,
  };
  const real = isRealDay(clock) && clock.hour <= 23 && clock.minute <= 59 && clock.second <= 60;
  return real ? { clock, offset: found.offset } : undefined;
}

/** 12 AM is midnight, 12 PM noon; with AM or PM there is no hour 0 or 13. */
function hourOf(hour: number, half: number | undefined): number | undefined {
  if (half === undefined) return hour;
  return hour < 1 || hour > 12 ? undefined : (hour % 12) + half;
}
