import { ExactNumber, type JsonValue, stringifyExact } from '../../core/json.ts';
import { parameterOf } from './cell-codec.ts';
import type { ColumnType } from './column-type.ts';
import type { Parameter } from './firebird-session.ts';

/** A value of a record as `castOf` of its column expects it. What a column cannot hold is the database's to refuse. */
export function writtenValue(type: ColumnType, value: JsonValue, unspecified: string): Parameter {
  if (value === null) return null;
  const text = typeof value === 'string' ? value : value instanceof ExactNumber ? value.text : stringifyExact(value);
  switch (type.kind) {
    case 'timestamp':
    case 'date':
      return localTime(text, type.kind);
    case 'time':
      return text.replace(/(\.\d{4})\d+/, '$1');
    default:
      return parameterOf(type, text, unspecified);
  }
}

const instant = /^(\d{4}-\d\d-\d\d)(?:[T ](\d\d:\d\d(?::\d\d)?)(\.\d+)?\s*(Z|[+-]\d\d(?::?\d\d)?)?)?$/;

/** Firebird's times carry no zone and a tenth of a millisecond: what comes with a zone is written as UTC. */
function localTime(text: string, kind: 'timestamp' | 'date'): string {
  const [, day, clock, fraction = '', zone] = instant.exec(text) ?? [];
  if (day === undefined || clock === undefined) return text;
  const [date, time] = zone === undefined || zone === 'Z' ? [day, clock] : inUtc(day, clock, zone);
  return kind === 'date' ? date! : `${date} ${time}${fraction.slice(0, 5)}`;
}

function inUtc(day: string, clock: string, zone: string): [string, string] {
  const [, sign, hours, minutes = '0'] = /^([+-])(\d\d):?(\d\d)?$/.exec(zone)!;
  const offsetMs = (Number(hours) * 60 + Number(minutes)) * 60_000 * (sign === '-' ? -1 : 1);
  const moved = new Date(Date.parse(`${day}T${clock}Z`) - offsetMs).toISOString();
  return [moved.slice(0, 10), moved.slice(11, 19)];
}
