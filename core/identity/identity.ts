/**
 * One entity across sources: which records mean the same thing, told by match keys such as SKU or e-mail.
 * Pure: who already holds a match key is the identity store's business.
 */
import { z } from 'zod';
import { canonicalText } from '../canonical/canonical.ts';
import type { EntityId } from '../change-event.ts';
import { SyncError } from '../errors.ts';
import { ExactNumber, type JsonObject, type JsonValue } from '../json.ts';
import { compilePath, isPath } from '../mapping/path.ts';

const matchNormalisations = ['trim', 'collapse', 'lower', 'upper', 'digits-only'] as const;
type MatchNormalisation = (typeof matchNormalisations)[number];

const matchRuleSchema = z.strictObject({
  name: z.string().min(1).max(50).optional().describe('Stands in every match key; by default the fields joined with +.'),
  fields: z.array(z.string().refine(isPath, 'is no path')).min(1).describe('All of them together tell the entity.'),
  normalise: z.array(z.enum(matchNormalisations)).default(['trim']).describe('Applied in this order to each field.'),
});

export const identitySchema = z
  .array(matchRuleSchema)
  .refine((rules) => new Set(rules.map(nameOf)).size === rules.length, 'two match rules have the same name: give them names')
  .describe('Rules by which records of different sources are one entity, the most trusted first.');

export type IdentityRules = z.infer<typeof identitySchema>;
type MatchRule = z.infer<typeof matchRuleSchema>;

export interface CompiledIdentity {
  readonly kind: string;
  /** One for each rule whose fields are all there, in the order of the rules. */
  matchKeysOf(record: JsonObject | null): string[];
  /** The name the entity gets if none of its match keys is known. */
  firstNameOf(record: JsonObject | null, source: string, key: string): EntityId;
  /** That, and the one it gets where another entity was called so first. */
  namesOf(record: JsonObject | null, source: string, key: string): EntityId[];
}

interface CompiledRule {
  readonly name: string;
  /** The normalised values of the rule's fields, or undefined when one is absent or empty. */
  valuesOf(record: JsonObject): readonly string[] | undefined;
}

export function compileIdentity(kind: string, rules: IdentityRules | undefined): CompiledIdentity {
  const compiled = (rules ?? []).map(compileRule);
  const named: CompiledIdentity = {
    kind,
    matchKeysOf(record) {
      if (record === null) return [];
      const keys: string[] = [];
      for (const rule of compiled) {
        const values = rule.valuesOf(record);
        if (values !== undefined) keys.push(`${escapeParts([rule.name])}=${escapeParts(values)}`);
      }
      return keys;
    },
    firstNameOf(record, source, key) {
      if (compiled.length === 0) return entityIdOf(kind, key);
      for (const [i, rule] of compiled.entries()) {
        const values = record === null ? undefined : rule.valuesOf(record);
        if (values !== undefined) return entityIdOf(kind, i === 0 ? plainName(values) : `=${rule.name}=${escapeParts(values)}`);
      }
      // Under match keys a bare key means nothing: two shops number their products from 1.
      return ownNameOf(kind, source, key);
    },
    namesOf(record, source, key) {
      const first = named.firstNameOf(record, source, key);
      if (compiled.length === 0) return [first];
      const own = `${kind}:/${source}/${key}`;
      return own === first || codePoints(own) > entityIdLengthMax ? [first] : [first, own as EntityId];
    },
  };
  return named;
}

/** What only this record can be called. */
export function ownNameOf(kind: string, source: string, key: string): EntityId {
  return entityIdOf(kind, `/${source}/${key}`);
}

const entityIdLengthMax = 100;

/** `kind:key`; longer than `sync_state.entity_id` holds is an error. */
export function entityIdOf(kind: string, key: string): EntityId {
  const entityId = `${kind}:${key}`;
  if (entityId.length > entityIdLengthMax && codePoints(entityId) > entityIdLengthMax) {
    const start = entityId.slice(0, 60);
    throw new SyncError('record.entity-id-too-long', `the entity id "${start}…" is longer than ${entityIdLengthMax} characters`, {
      details: { start, length: codePoints(entityId) },
    });
  }
  return entityId as EntityId;
}

/** PostgreSQL's VARCHAR(n) counts code points, JavaScript's length UTF-16 units. */
function codePoints(text: string): number {
  let count = 0;
  for (const _ of text) count++;
  return count;
}

function nameOf(rule: MatchRule): string {
  return rule.name ?? rule.fields.join('+');
}

function compileRule(rule: MatchRule): CompiledRule {
  const readers = rule.fields.map(compilePath);
  const normalise = compileNormalisations(rule.normalise);
  return {
    name: nameOf(rule),
    valuesOf(record) {
      const values: string[] = [];
      for (const read of readers) {
        const value = normalise(matchText(read(record)));
        if (value === '') return undefined;
        values.push(value);
      }
      return values;
    },
  };
}

/** Lists and objects tell no entity, as little as what is absent. */
function matchText(value: JsonValue | undefined): string {
  if (typeof value === 'string') return value.normalize('NFC');
  const scalar = typeof value === 'number' || typeof value === 'boolean' || value instanceof ExactNumber;
  return scalar ? canonicalText(value) : '';
}

const normalisers: Readonly<Record<MatchNormalisation, (text: string) => string>> = {
  trim: (text) => text.trim(),
  collapse: (text) => text.replace(/\s+/g, ' ').trim(),
  lower: (text) => text.toLowerCase().normalize('NFC'),
  upper: (text) => text.toUpperCase().normalize('NFC'),
  'digits-only': (text) => text.replace(/[^0-9]/g, ''),
};

function compileNormalisations(names: readonly MatchNormalisation[]): (text: string) => string {
  const steps = names.map((name) => normalisers[name]);
  return (text) => steps.reduce((normalised, step) => step(normalised), text);
}

/** Joins values so that no two lists of values give one text. */
function escapeParts(values: readonly string[]): string {
  return values.map((value) => value.replace(/[\\|=]/g, '\\$&')).join('|');
}

/**
 * The readable name `product:SKU-1`. Names by later rules begin with `=`, names of unmatched records with `/`,
 * so a value that begins like them is escaped: names of different origin never meet.
 */
function plainName(values: readonly string[]): string {
  const name = values.length === 1 ? values[0]! : escapeParts(values);
  return /^[=/\\]/.test(name) ? `\\${name}` : name;
}
