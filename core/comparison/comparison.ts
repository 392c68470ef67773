/**
 * What counts as a change of a record. A fingerprint is what a cache keeps of a record: whether two records
 * are the same is told from their fingerprints alone, and `diff` agrees with it field by field.
 */
import { z } from 'zod';
import { canonicalText, checksumOfText, compileCanonical, sortByCodePoint } from '../canonical/canonical.ts';
import { SyncError } from '../errors.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compileNormalise, type NormaliseRules } from './normalise.ts';
import { compileTolerances, durationSyntax, type Tolerances, toleranceSyntax } from './tolerance.ts';

const fieldName = z.string().min(1);
const allOrSome = z.union([z.boolean(), z.array(fieldName)]);

export const comparisonSchema = z
  .strictObject({
    fields: z.array(fieldName).min(1).optional().describe('Only these fields count.'),
    ignore: z.array(fieldName).min(1).optional().describe('These fields do not count.'),
    numbers: z
      .record(fieldName, z.union([z.number().min(0), z.string().regex(toleranceSyntax)]))
      .optional()
      .describe('Per field, the largest difference of two numbers that are still the same: { weight: 0.01 }.'),
    times: z
      .record(fieldName, z.string().regex(durationSyntax))
      .optional()
      .describe(
        'Per field, the largest distance of two times that are still the same: { updated_at: 2s }; 0s only ignores how the time is written.',
      ),
    ignoreCase: allOrSome.default(false).describe('Upper and lower case are the same, in all fields or in those listed.'),
    collapseSpaces: allOrSome.default(false).describe('Runs of white space are one space, and none at the ends.'),
    nullEqualsAbsent: z.boolean().default(false).describe('A field that is null is the same as no field.'),
    emptyEqualsAbsent: z.boolean().default(false).describe('Empty text and null are the same as no field.'),
  })
  .refine((rules) => rules.fields === undefined || rules.ignore === undefined, 'give either fields or ignore, not both')
  .refine(
    (rules) => Object.keys(rules.numbers ?? {}).every((field) => rules.times?.[field] === undefined),
    'a field has a tolerance for numbers and one for times',
  )
  .describe('What counts as a change.');

export type ComparisonRules = z.infer<typeof comparisonSchema>;

/** `before` or `after` is undefined where the field is absent. The values are the record's own, not normalised. */
export interface FieldChange {
  readonly field: string;
  readonly before: JsonValue | undefined;
  readonly after: JsonValue | undefined;
}

export interface CompiledComparison {
  /** Changes with whatever changes the meaning of a fingerprint. */
  readonly id: string;
  /** 64 hexadecimal digits, followed by a small JSON list where tolerances are configured. One line, no NUL. */
  fingerprint(record: JsonObject): string;
  same(before: string, after: string): boolean;
  /** Sorted by field. A missing record has no fields. */
  diff(before: JsonObject | null, after: JsonObject | null): FieldChange[];
}

/** `fields` are those a record can have, where they are known: records with other fields must not come. */
export function compileComparison(rules: ComparisonRules | undefined, fields: readonly string[] | undefined): CompiledComparison {
  const known = fields === undefined ? undefined : sortByCodePoint(fields);
  const counted = countedFields(rules, known);
  const normalise = compileNormalise(normaliseRulesOf(rules));
  const tolerances = compileTolerances(rules?.numbers ?? {}, rules?.times ?? {});
  const id = checksumOfText(
    canonicalText(['comparison/1', identityOf(rules), counted.list === undefined ? null : [...counted.list]]),
  );
  const diff = (before: JsonObject | null, after: JsonObject | null) => changesOf(before, after, counted, normalise, tolerances);

  if (tolerances.fields.length === 0) {
    const text =
      normalise === undefined ? plainText(counted) : (record: JsonObject) => canonicalText(prepare(record, counted, normalise));
    return { id, fingerprint: (record) => checksumOfText(text(record)), same: (before, after) => before === after, diff };
  }
  return {
    id,
    fingerprint(record) {
      const prepared = prepare(record, counted, normalise);
      const tolerant = tolerances.take(prepared);
      return checksumOfText(canonicalText(prepared)) + tolerant;
    },
    same: (before, after) => before === after || sameWithin(before, after, tolerances),
    diff,
  };
}

/** The fields that count, either as a list or as what is not ignored. */
interface Counted {
  readonly list: readonly string[] | undefined;
  readonly ignored: ReadonlySet<string>;
}

function countedFields(rules: ComparisonRules | undefined, known: readonly string[] | undefined): Counted {
  const unknown = rules?.fields?.find((field) => known !== undefined && !known.includes(field));
  if (unknown !== undefined) {
    const message = `compare.fields names "${unknown}", which the mapping does not produce: every change of it would be missed`;
    throw new SyncError('config.invalid', message, { details: { field: unknown, fields: known } });
  }
  const ignored = new Set(rules?.ignore ?? []);
  const list = rules?.fields ?? known?.filter((field) => !ignored.has(field));
  return { list: list === undefined ? undefined : sortByCodePoint(list), ignored };
}

/** The rules without what only says where they are absent: undefined entries. */
function identityOf(rules: ComparisonRules | undefined): JsonValue {
  return rules === undefined ? null : (JSON.parse(JSON.stringify(rules)) as JsonValue);
}

function normaliseRulesOf(rules: ComparisonRules | undefined): NormaliseRules {
  return {
    ignoreCase: rules?.ignoreCase ?? false,
    collapseSpaces: rules?.collapseSpaces ?? false,
    absent: rules?.emptyEqualsAbsent ? 'null-and-empty' : rules?.nullEqualsAbsent ? 'null' : 'only-absent',
  };
}

function plainText(counted: Counted): (record: JsonObject) => string {
  if (counted.list !== undefined) return compileCanonical(counted.list);
  return counted.ignored.size === 0 ? canonicalText : (record) => canonicalText(prepare(record, counted, undefined));
}

type Normalise = ReturnType<typeof compileNormalise>;

/** A copy with the counted fields alone, normalised; of a fresh object nothing is inherited but its fields. */
function prepare(record: JsonObject, counted: Counted, normalise: Normalise): JsonObject {
  const prepared: JsonObject = {};
  for (const field of counted.list ?? Object.keys(record)) {
    if (!Object.hasOwn(record, field) || counted.ignored.has(field)) continue;
    const value = record[field]!;
    const normalised = normalise === undefined ? value : normalise(field, value);
    if (normalised !== undefined) prepared[field] = normalised;
  }
  return prepared;
}

function changesOf(
  before: JsonObject | null,
  after: JsonObject | null,
  counted: Counted,
  normalise: Normalise,
  tolerances: Tolerances,
): FieldChange[] {
  const left = before === null ? {} : prepare(before, counted, normalise);
  const right = after === null ? {} : prepare(after, counted, normalise);
  const changes: FieldChange[] = [];
  for (const field of sortByCodePoint([...Object.keys(left), ...Object.keys(right)])) {
    const [was, is] = [ownField(left, field), ownField(right, field)];
    if (was !== undefined && is !== undefined && sameValue(field, was, is, tolerances)) continue;
    changes.push({
      field,
      before: before === null ? undefined : ownField(before, field),
      after: after === null ? undefined : ownField(after, field),
    });
  }
  return changes;
}

function ownField(record: JsonObject, field: string): JsonValue | undefined {
  return Object.hasOwn(record, field) ? record[field] : undefined;
}

function sameValue(field: string, before: JsonValue, after: JsonValue, tolerances: Tolerances): boolean {
  const within = tolerances.within(field, before, after);
  return within ?? canonicalText(before) === canonicalText(after);
}

const checksumLength = 64;

function sameWithin(before: string, after: string, tolerances: Tolerances): boolean {
  if (before.length <= checksumLength || after.length <= checksumLength) return false;
  if (before.slice(0, checksumLength) !== after.slice(0, checksumLength)) return false;
  return tolerances.withinLists(before.slice(checksumLength), after.slice(checksumLength));
}
