import { describe, expect, test } from 'vitest';
import { compileMapping, mappingSchema } from './mapping.ts';

function run(step: unknown, value: string | number): unknown {
  return compileMapping(mappingSchema.parse({ fields: { out: { from: 'value', do: [step] } } })).map({ value }).out;
}

const madrid = (pattern: string, doubled = 'earlier') => ({ parseDate: { pattern, zone: 'Europe/Madrid', doubled } });

describe('parseDate', () => {
  test.each([
    [{ parseDate: 'dd/MM/yyyy' }, '29/02/2024', '2024-02-29'],
    [{ parseDate: 'd.M.yy' }, '1.2.26', '2026-02-01'],
    [{ parseDate: 'yyyyMMdd' }, 20260131, '2026-01-31'],
    [{ parseDate: 'd MMM yyyy' }, '5 sep 2026', '2026-09-05'],
    [{ parseDate: "yyyy-MM-dd'T'HH:mm:ss.SSS" }, '2026-01-01T10:20:30.120', '2026-01-01T10:20:30.12Z'],
    [{ parseDate: 'MM/dd/yyyy hh:mm a' }, '01/31/2026 12:05 AM', '2026-01-31T00:05:00Z'],
    [{ parseDate: 'MM/dd/yyyy hh:mm a' }, '01/31/2026 12:05 pm', '2026-01-31T12:05:00Z'],
    [{ parseDate: 'dd/MM/yyyy HH:mm XXX' }, '01/01/2026 00:30 +05:45', '2025-12-31T18:45:00Z'],
    [{ parseDate: 'yyyy-MM-dd HH:mm:ssXX' }, '2026-01-01 00:30:00-0330', '2026-01-01T04:00:00Z'],
    [madrid('dd/MM/yyyy HH:mm'), '21/11/2026 06:00', '2026-11-21T05:00:00Z'],
    [madrid('dd/MM/yyyy HH:mm'), '21/07/2026 06:00', '2026-07-21T04:00:00Z'],
    [madrid('iso'), '2026-07-21 06:00:00.5', '2026-07-21T04:00:00.5Z'],
    [madrid('iso'), '2026-07-21T06:00:00Z', '2026-07-21T06:00:00Z'],
    [madrid('iso'), '2026-07-21', '2026-07-21'],
    [{ parseDate: { pattern: 'yyyy-MM-dd HH:mm', zone: '+02:00' } }, '2026-01-01 01:00', '2025-12-31T23:00:00Z'],
    [{ parseDate: 'epoch-seconds' }, 1774744200.5, '2026-03-29T00:30:00.5Z'],
    [{ parseDate: 'epoch-millis' }, '1774744200001', '2026-03-29T00:30:00.001Z'],
    [{ parseDate: 'epoch-millis' }, -1, '1969-12-31T23:59:59.999Z'],
    [{ parseDate: { pattern: ['dd/MM/yyyy', 'iso'] } }, '2026-01-02', '2026-01-02'],
  ])('%j reads %s as %s', (step, value, expected) => expect(run(step, value)).toBe(expected));

  test.each([
    [{ parseDate: 'dd/MM/yyyy' }, '30/02/2026'],
    [{ parseDate: 'dd/MM/yyyy' }, '1/2/2026'],
    [{ parseDate: 'dd/MM/yyyy HH:mm' }, '01/02/2026 24:00'],
    [{ parseDate: 'MM/dd/yyyy hh:mm a' }, '01/31/2026 13:05 PM'],
    [{ parseDate: 'iso' }, 'yesterday'],
    [{ parseDate: 'iso' }, '2026-02-30T00:00:00'],
    [{ parseDate: 'epoch-seconds' }, '9e30'],
    [{ parseDate: { pattern: 'yyyy-MM-dd HH:mm', zone: '-10:00' } }, '9999-12-31 20:00'],
  ])('%j refuses %s', (step, value) => expect(() => run(step, value)).toThrow(/is no date of the form/));
});

describe('clock changes', () => {
  test('an hour that happens twice is the first by default, the second if so told', () => {
    expect(run(madrid('dd/MM/yyyy HH:mm'), '25/10/2026 02:30')).toBe('2026-10-25T00:30:00Z');
    expect(run(madrid('dd/MM/yyyy HH:mm', 'later'), '25/10/2026 02:30')).toBe('2026-10-25T01:30:00Z');
    expect(() => run(madrid('dd/MM/yyyy HH:mm', 'fail'), '25/10/2026 02:30')).toThrow(/happened twice/);
  });

  test('the hours around it are not doubled', () => {
    expect(run(madrid('dd/MM/yyyy HH:mm', 'fail'), '25/10/2026 01:59')).toBe('2026-10-24T23:59:00Z');
    expect(run(madrid('dd/MM/yyyy HH:mm', 'fail'), '25/10/2026 03:00')).toBe('2026-10-25T02:00:00Z');
  });

  test('an hour that is skipped lands after the gap', () => {
    expect(run(madrid('dd/MM/yyyy HH:mm'), '29/03/2026 01:59')).toBe('2026-03-29T00:59:00Z');
    expect(run(madrid('dd/MM/yyyy HH:mm'), '29/03/2026 02:30')).toBe('2026-03-29T01:30:00Z');
    expect(run(madrid('dd/MM/yyyy HH:mm'), '29/03/2026 03:00')).toBe('2026-03-29T01:00:00Z');
  });

  test('zones west of UTC and with half hours change as theirs do', () => {
    const newYork = { parseDate: { pattern: 'yyyy-MM-dd HH:mm', zone: 'America/New_York' } };
    expect(run(newYork, '2026-11-01 01:30')).toBe('2026-11-01T05:30:00Z');
    expect(run(newYork, '2026-03-08 02:30')).toBe('2026-03-08T07:30:00Z');
    const lordHowe = { parseDate: { pattern: 'yyyy-MM-dd HH:mm', zone: 'Australia/Lord_Howe', doubled: 'later' } };
    expect(run(lordHowe, '2026-04-05 01:45')).toBe('2026-04-04T15:15:00Z');
  });
});

describe('formatDate', () => {
  test.each([
    [{ formatDate: 'dd/MM/yyyy' }, '2026-01-31', '31/01/2026'],
    [
      { formatDate: { pattern: 'dd/MM/yyyy HH:mm:ss XXX', zone: 'Europe/Madrid' } },
      '2026-07-21T23:00:00Z',
      '22/07/2026 01:00:00 +02:00',
    ],
    [
      { formatDate: { pattern: "d MMM yy 'at' h:mm a", zone: 'America/New_York' } },
      '2026-01-05T17:03:00Z',
      '5 Jan 26 at 12:03 PM',
    ],
    [{ formatDate: "HH 'o''clock' SSS" }, '2026-01-05T17:03:00.25Z', "17 o'clock 250"],
  ])('%j writes %s as %s', (step, value, expected) => expect(run(step, value)).toBe(expected));

  test('a date has no time of day to write', () => {
    expect(() => run({ formatDate: 'HH:mm' }, '2026-01-31')).toThrow(/without a time of day/);
    expect(() => run({ formatDate: 'yyyy' }, '31/01/2026')).toThrow(/parse it first/);
  });
});

test('casts bring ISO forms to the canonical one', () => {
  expect(run({ cast: 'datetime' }, '2026-03-29T02:30:00.500+02:00')).toBe('2026-03-29T00:30:00.5Z');
  expect(run({ cast: 'date' }, '2026-03-29T23:30:00-05:00')).toBe('2026-03-29');
  expect(run({ cast: 'date' }, '20260329')).toBe('2026-03-29');
});
