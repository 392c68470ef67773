import fc from 'fast-check';
import { expect, test } from 'vitest';
import { canonicalInstant, clockAt, nanosecondsOf, secondsOf } from './instant.ts';

const minDate = new Date('0001-01-01T00:00:00Z');
const maxDate = new Date('9998-12-31T00:00:00Z');
const instant = fc.date({ min: minDate, max: maxDate, noInvalidDate: true });

test('an instant is the same whatever offset it is written in', () => {
  fc.assert(
    fc.property(instant, fc.integer({ min: -14 * 60, max: 14 * 60 }), (date, offset) => {
      const local = new Date(date.getTime() + offset * 60_000).toISOString().slice(0, -1);
      const size = Math.abs(offset);
      const written = `${local}${offset < 0 ? '-' : '+'}${String(Math.floor(size / 60)).padStart(2, '0')}:${String(size % 60).padStart(2, '0')}`;
      fc.pre(/^\d{4}-/.test(written));
      const canonical = canonicalInstant(written);
      expect(Date.parse(canonical!)).toBe(date.getTime());
      expect(canonicalInstant(canonical!)).toBe(canonical);
      expect(nanosecondsOf(canonical!)).toBe(BigInt(date.getTime()) * 1_000_000n);
    }),
  );
});

test('wall-clock parts and seconds are two forms of one thing', () => {
  fc.assert(
    fc.property(fc.integer({ min: -62_167_219_200, max: 253_402_300_799 }), (seconds) => {
      const clock = clockAt(seconds);
      expect(secondsOf(clock)).toBe(seconds);
      expect(clock.month).toBe(new Date(seconds * 1000).getUTCMonth() + 1);
      expect(clock.day).toBe(new Date(seconds * 1000).getUTCDate());
    }),
  );
});
