/** Between wall clocks and instants. The rules of the zones come from the ICU data that Node carries. */

import { InvalidRule, UnfitValue } from './rule-failure.ts';
import type { DoubledHour } from './rules.ts';

const daySeconds = 86_400;
const keptDaysMax = 20_000;

interface TimeZone {
  /** How far its clocks are ahead of UTC at an instant given in seconds since 1970. */
  offsetAt(seconds: number): number;
}

/** Never more zones than the configuration names; each is compiled once. */
const zones = new Map<string, TimeZone>();

export function timeZone(name: string): TimeZone {
  const known = zones.get(name);
  if (known !== undefined) return known;
  const zone = name === 'UTC' ? { offsetAt: () => 0 } : zoneFromIcu(name);
  zones.set(name, zone);
  return zone;
}

function zoneFromIcu(name: string): TimeZone {
  let format: Intl.DateTimeFormat;
  try {
    format = new Intl.DateTimeFormat('en-US', { timeZone: name, timeZoneName: 'longOffset' });
  } catch (cause) {
    throw new InvalidRule(`"${name}" is no time zone: give an IANA name such as Europe/Madrid`, { cause });
  }
  /** Offset of the days on which it does not change: asking ICU costs microseconds. */
  const offsetOfDay = new Map<number, number | 'changes'>();
  return {
    offsetAt(seconds) {
      const day = Math.floor(seconds / daySeconds);
      let offset = offsetOfDay.get(day);
      if (offset === undefined) {
        const start = askIcu(format, day * daySeconds);
        offset = start === askIcu(format, (day + 1) * daySeconds) ? start : 'changes';
        if (offsetOfDay.size >= keptDaysMax) offsetOfDay.clear();
        offsetOfDay.set(day, offset);
      }
      return offset === 'changes' ? askIcu(format, seconds) : offset;
    },
  };
}

function askIcu(format: Intl.DateTimeFormat, seconds: number): number {
  const name = format.formatToParts(seconds * 1000).find((part) => part.type === 'timeZoneName')?.value ?? 'GMT';
  const parts = /^GMT(?:([+-])(\d\d):(\d\d)(?::(\d\d))?)?$/.exec(name);
  if (parts === null) throw new Error(`unreachable: ICU wrote the offset "${name}"`);
  const size = Number(parts[2] ?? 0) * 3_600 + Number(parts[3] ?? 0) * 60 + Number(parts[4] ?? 0);
  return parts[1] === '-' ? -size : size;
}

/**
 * The offset at which a wall clock of the zone showed this time (given as if it were UTC, in seconds). In the
 * hour a clock change doubles, `doubled` chooses; in the hour it skips, the clock is taken to have run on
 * with the old offset, which lands after the gap.
 */
export function offsetOfWallClock(zone: TimeZone, localSeconds: number, doubled: DoubledHour): number {
  const before = zone.offsetAt(localSeconds - daySeconds);
  const after = zone.offsetAt(localSeconds + daySeconds);
  if (before === after) return before;
  const fitsBefore = zone.offsetAt(localSeconds - before) === before;
  const fitsAfter = zone.offsetAt(localSeconds - after) === after;
  if (!fitsBefore || !fitsAfter) return fitsAfter ? after : before;
  if (doubled === 'fail') throw new UnfitValue('this hour happened twice when the clocks were changed');
  return doubled === 'earlier' ? before : after;
}
