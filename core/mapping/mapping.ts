/**
 * Declarative mapping, compiled once: the rules become closures, so that a record costs no look at the rules
 * themselves. Pure: the record that comes in is never changed, though inner values are shared with what goes out.
 */
import { z } from 'zod';
import { canonicalText, checksumOfText, sortByCodePoint } from '../canonical/canonical.ts';
import { isSyncError, SyncError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compileOrigin, type FieldReader, type OriginScope, originNameOf } from './origin.ts';
import { plainField } from './path.ts';
import { InvalidRule, preview, UnfitValue } from './rule-failure.ts';
import { type FieldRule, type FieldRuleParts, type FieldRules, fieldRulesSchema } from './rules.ts';
import { compileStepList, type StepProgress } from './steps.ts';

export const mappingSchema = z
  .strictObject({
    keep: z
      .enum(['mapped', 'all'])
      .default('mapped')
      .describe('`mapped`: the record has the mapped fields alone; `all`: also every field no rule renames or drops.'),
    fields: fieldRulesSchema.optional().describe('Target field: the path it comes from, or a rule.'),
    drop: z.array(z.string().min(1)).optional().describe('With `keep: all`, the fields that do not go on.'),
  })
  .describe('How a record of this source becomes the canonical one.');

export type MappingRules = z.infer<typeof mappingSchema>;

export interface CompiledMapping {
  /** The fields a record can have after mapping, sorted; undefined where that depends on the record. */
  readonly fields: readonly string[] | undefined;
  /** Throws `mapping.failed` naming field, rule and value. */
  map(record: JsonObject): JsonObject;
  /** Changes with the rules and with the meaning of the language. */
  readonly id: string;
}

/** Raised when the same rules begin to give other values. */
const languageVersion = 'mapping/1';

export function compileMapping(rules: MappingRules | undefined): CompiledMapping {
  const id = checksumOfText(canonicalText([languageVersion, rules === undefined ? null : plain(rules)]));
  if (rules === undefined) return { fields: undefined, map: (record) => record, id };
  const fields = rules.fields ?? {};
  const write = compileFields(fields, '');
  if (rules.keep === 'all') {
    const left = new Set([...(rules.drop ?? []), ...renamedFields(fields), ...Object.keys(fields), '__proto__']);
    return { fields: undefined, map: (record) => write(record, keepOthers(record, left)), id };
  }
  if (rules.drop !== undefined) throw invalid('', 'drop', 'drop needs keep: all; without it only mapped fields go on');
  const targets = sortByCodePoint(Object.keys(fields));
  if (targets.length === 0) throw invalid('', 'fields', 'no field is mapped; keep: all passes records as they are');
  return { fields: targets, map: (record) => write(record, {}), id };
}

/** The rules as JSON, without entries that are there but undefined. */
function plain(rules: MappingRules): JsonValue {
  return JSON.parse(JSON.stringify(rules)) as JsonValue;
}

function keepOthers(record: JsonObject, left: ReadonlySet<string>): JsonObject {
  const kept: JsonObject = {};
  for (const field of Object.keys(record)) if (!left.has(field)) kept[field] = record[field]!;
  return kept;
}

/** With `keep: all` a field that a rule takes as a whole is renamed, not copied. */
function renamedFields(fields: FieldRules): string[] {
  return Object.values(fields).flatMap((rule) => {
    const from = typeof rule === 'string' ? rule : rule.from;
    const field = from === undefined ? undefined : plainField(from);
    return field === undefined ? [] : [field];
  });
}

type FieldWriter = (record: JsonObject, target: JsonObject) => JsonObject;

/** `within` is the path of the field these rules build, for errors. */
function compileFields(fields: FieldRules, within: string): FieldWriter {
  const targets = sortByCodePoint(Object.keys(fields));
  const readers = targets.map((target) => compileField(within === '' ? target : `${within}.${target}`, fields[target]!));
  return (record, mapped) => {
    for (let i = 0; i < readers.length; i++) {
      const value = readers[i]!(record);
      if (value !== undefined) mapped[targets[i]!] = value;
    }
    return mapped;
  };
}

function compileField(field: string, written: FieldRule): FieldReader {
  const rule: FieldRuleParts = typeof written === 'string' ? { from: written } : written;
  const scope: OriginScope = {
    fieldOf: (inner) => compileField(field, inner),
    mapperOf(rules) {
      const write = compileFields(rules, field);
      return (record) => write(record, {});
    },
  };
  const origin = compiled(field, originLabel(rule), () => ({ name: originNameOf(rule), read: compileOrigin(rule, scope) }));
  return compileDone(field, rule, compileWork(field, rule, origin.name, origin.read, scope));
}

/** The origin, and the steps over it if there are any. */
function compileWork(
  field: string,
  rule: FieldRuleParts,
  originName: string,
  read: FieldReader,
  scope: OriginScope,
): FieldReader {
  const list = compiled(field, 'do', () => compileStepList(rule.do ?? [], scope.mapperOf));
  return (record) => {
    const progress: StepProgress = { step: -1, value: undefined };
    try {
      const value = read(record);
      return list.steps.length === 0 ? value : list.run(value, record, progress);
    } catch (error) {
      if (!(error instanceof UnfitValue)) throw error;
      throw failed(field, list.steps[progress.step]?.name ?? originName, progress.value, error);
    }
  };
}

function compileDone(field: string, rule: FieldRuleParts, read: FieldReader): FieldReader {
  const substitute = rule.default;
  if (substitute === undefined && !rule.required) return read;
  return (record) => {
    const value = read(record);
    if (value !== undefined && value !== null) return value;
    if (substitute !== undefined) return substitute;
    throw failed(field, 'required', value, new UnfitValue('is required'));
  };
}

function originLabel(rule: FieldRuleParts): string {
  return rule.when === undefined ? (Object.keys(rule)[0] ?? 'from') : 'when';
}

function compiled<Result>(field: string, rule: string, compile: () => Result): Result {
  try {
    return compile();
  } catch (error) {
    if (isSyncError(error) || !(error instanceof InvalidRule)) throw error;
    throw invalid(field, error.rule ?? rule, error.message, error);
  }
}

function invalid(field: string, rule: string, reason: string, cause?: Error): SyncError {
  const place = field === '' ? `mapping, rule "${rule}"` : `mapping of "${field}", rule "${rule}"`;
  return new SyncError('mapping.invalid-rule', `${place}: ${reason}`, { details: { field, rule }, cause });
}

function failed(field: string, rule: string, value: JsonValue | undefined, cause: UnfitValue): SyncError {
  const shown = preview(value);
  const message = `mapping of "${field}", rule "${rule}": ${shown} ${cause.message}`;
  return new SyncError('mapping.failed', message, { details: { field, rule, value: shown }, cause });
}
