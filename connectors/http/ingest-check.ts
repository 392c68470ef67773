import { SyncError } from '../../core/errors.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../../core/json.ts';
import type { FieldError } from '../../core/problem.ts';
import { type IngestType, keyOf, occurredAtOf } from './ingest-type.ts';

/** One record that passed; what is null the connector draws. */
export interface CheckedRecord {
  readonly data: JsonObject | null;
  readonly key: string | null;
  readonly occurredAt: string | null;
}

const errorsListedMax = 100;

/**
 * A body is one record, or an array of them. A batch is all or nothing: with one record at fault none is sent, and the
 * answer lists what is wrong with each.
 */
export function checkBody(type: IngestType, body: JsonValue, recordsMax: number): readonly CheckedRecord[] {
  if (!Array.isArray(body)) {
    const { record, errors } = checkRecord(type, body);
    if (record === null) throw invalid(errors);
    return [record];
  }
  if (body.length === 0) throw invalid([{ field: '', code: 'too_small', message: 'the batch is empty' }]);
  if (body.length > recordsMax) {
    throw invalid([
      { field: '', code: 'too_big', message: `the batch holds ${body.length} records; ${recordsMax} are taken at once` },
    ]);
  }
  const records: CheckedRecord[] = [];
  const faults: FieldError[] = [];
  body.forEach((item, index) => {
    const { record, errors } = checkRecord(type, item);
    if (record === null) faults.push(...errors.map((error) => ({ index, ...error })));
    else records.push(record);
  });
  if (faults.length > 0) throw invalid(faults);
  return records;
}

export function invalid(errors: readonly FieldError[]): SyncError {
  const first = errors[0]!;
  const place = [first.index === undefined ? '' : `record ${first.index}`, first.field].filter((part) => part !== '').join(', ');
  const more = errors.length > 1 ? ` (and ${errors.length - 1} more)` : '';
  return new SyncError('request.invalid', `${place === '' ? '' : `${place}: `}${first.message}${more}; nothing was accepted`, {
    details: { errors: errors.slice(0, errorsListedMax), errorsTotal: errors.length },
  });
}

function checkRecord(type: IngestType, value: JsonValue): { record: CheckedRecord | null; errors: readonly FieldError[] } {
  if (!isJsonObject(value)) {
    return { record: null, errors: [{ field: '', code: 'invalid_type', message: 'a record must be an object' }] };
  }
  const errors: FieldError[] = [...type.check(value)];
  const keyed = type.keyFields.length === 0 ? null : keyOf(type, value);
  const dated = occurredAtOf(type, value);
  // The schema may have said the same of that field already, in its own words.
  if (keyed !== null && 'error' in keyed && !namesField(errors, keyed.error.field)) errors.push(keyed.error);
  if (dated !== null && 'error' in dated && !namesField(errors, dated.error.field)) errors.push(dated.error);
  if (errors.length > 0 || (keyed !== null && 'error' in keyed) || (dated !== null && 'error' in dated))
    return { record: null, errors };
  return { record: { data: value, key: keyed?.key ?? null, occurredAt: dated?.occurredAt ?? null }, errors };
}

function namesField(errors: readonly FieldError[], field: string): boolean {
  return errors.some((error) => error.field === field);
}
