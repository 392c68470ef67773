import { z } from 'zod';
import { nearestName } from '../../core/config/suggestion.ts';

/** What a schema holds against a value, in words for whoever wrote the file. */
export interface SchemaIssue {
  readonly path: readonly PropertyKey[];
  /** The issue is about this key itself, not about its value. */
  readonly aboutKey: boolean;
  readonly message: string;
  readonly suggestion?: string;
}

export function schemaIssues(error: z.ZodError, schema: z.ZodType): SchemaIssue[] {
  return error.issues.flatMap((issue) => flatten(issue, [])).flatMap((issue) => inWords(issue, schema));
}

type Issue = z.core.$ZodIssue;

/**
 * Of a union's branches, those whose own words fit (`connector: postgres`) were meant, and of them the one the value came
 * nearest to, where one came nearer than the start.
 */
function flatten(issue: Issue, parents: readonly PropertyKey[]): Issue[] {
  const path = [...parents, ...issue.path];
  if (issue.code !== 'invalid_union') return [{ ...issue, path }];
  const all = issue.errors.map((branch) => branch.flatMap((inner) => flatten(inner, path)));
  const fitting = all.filter((branch) => wordsAt(branch, path.length + 1).length === 0);
  const branches = fitting.length > 0 ? fitting : all;
  const deepest = Math.max(0, ...branches.map(depth));
  if (deepest <= path.length) return [{ ...issue, path }];
  const nearest = branches.filter((branch) => depth(branch) === deepest).sort((left, right) => left.length - right.length)[0]!;
  return fitting.length > 0 ? nearest : nearest.map((inner) => withAllWords(inner, all, path.length + 1));
}

type WordIssue = Extract<Issue, { code: 'invalid_value' }>;

function wordsAt(branch: readonly Issue[], level: number): WordIssue[] {
  return branch.filter((issue): issue is WordIssue => issue.code === 'invalid_value' && issue.path.length === level);
}

/** A word that fits no branch could have been that of any. */
function withAllWords(issue: Issue, all: readonly (readonly Issue[])[], level: number): Issue {
  if (issue.code !== 'invalid_value' || issue.path.length !== level) return issue;
  const place = issue.path.join('.');
  const others = all.flatMap((branch) => wordsAt(branch, level)).filter(({ path }) => path.join('.') === place);
  return { ...issue, values: [...new Set(others.flatMap(({ values }) => values))] };
}

function depth(issues: readonly Issue[]): number {
  return Math.max(...issues.map((issue) => issue.path.length + (issue.code === 'unrecognized_keys' ? 1 : 0)));
}

function inWords(issue: Issue, schema: z.ZodType): SchemaIssue[] {
  switch (issue.code) {
    case 'unrecognized_keys':
      return issue.keys.map((key) => ({
        path: [...issue.path, key],
        aboutKey: true,
        message: 'there is no such setting',
        ...didYouMean(nearestName(key, knownKeys(schema, issue.path))),
      }));
    case 'invalid_key':
      return [{ path: issue.path, aboutKey: true, message: issue.issues[0]?.message ?? issue.message }];
    case 'invalid_value': {
      if (issue.input === undefined) return [{ path: issue.path, aboutKey: false, message: missing }];
      const values = issue.values.map(String);
      const given = typeof issue.input === 'string' ? issue.input : '';
      const message = `expected ${values.length === 1 ? values[0] : `one of ${values.join(', ')}`}`;
      return [{ path: issue.path, aboutKey: false, message, ...didYouMean(nearestName(given, values)) }];
    }
    case 'invalid_type':
      return [{ path: issue.path, aboutKey: false, message: typeMessage(issue) }];
    case 'invalid_union':
      return [{ path: issue.path, aboutKey: false, message: unionMessage(issue) }];
    case 'too_small':
      return [
        { path: issue.path, aboutKey: false, message: withDefault(issue, `at least ${issue.minimum}${unitOf(issue.origin)}`) },
      ];
    case 'too_big':
      return [
        { path: issue.path, aboutKey: false, message: withDefault(issue, `at most ${issue.maximum}${unitOf(issue.origin)}`) },
      ];
    default:
      return [{ path: issue.path, aboutKey: false, message: issue.message }];
  }
}

const missing = 'this setting is missing';

function unionMessage(issue: Extract<Issue, { code: 'invalid_union' }>): string {
  if (issue.message !== 'Invalid input') return issue.message;
  if (issue.input === undefined) return missing;
  const wanted = issue.errors.flatMap((branch) => branch.map((inner) => wantedBy(inner)));
  return `expected ${[...new Set(wanted)].join(' or ')}, found ${typeFound(issue.input)}`;
}

function wantedBy(issue: Issue): string {
  if (issue.code === 'invalid_type') return typeWords[issue.expected] ?? issue.expected;
  return issue.code === 'invalid_value' ? issue.values.join(' or ') : issue.message;
}

function didYouMean(name: string | undefined): { suggestion?: string } {
  return name === undefined ? {} : { suggestion: `did you mean \`${name}\`?` };
}

function withDefault(issue: Issue, message: string): string {
  return /^Too (small|big)/.test(issue.message) ? `expected ${message}` : issue.message;
}

function unitOf(origin: string): string {
  if (origin === 'string') return ' characters';
  return origin === 'array' ? ' items' : '';
}

const typeWords: Readonly<Record<string, string>> = {
  string: 'a text',
  number: 'a number',
  int: 'a whole number',
  boolean: 'true or false',
  array: 'a list',
  object: 'a section with settings',
  record: 'a section with names',
};

function typeMessage(issue: Extract<Issue, { code: 'invalid_type' }>): string {
  if (!issue.message.startsWith('Invalid input')) return issue.message;
  if (issue.input === undefined) return missing;
  return `expected ${wantedBy(issue)}, found ${typeFound(issue.input)}`;
}

function typeFound(input: unknown): string {
  if (input === null) return 'nothing';
  if (Array.isArray(input)) return 'a list';
  if (typeof input === 'number') return 'a number';
  if (typeof input === 'boolean') return String(input);
  return typeof input === 'string' ? 'a text' : 'a section';
}

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The settings a schema knows at a place, read from its JSON Schema: it shows records and unions alike. */
function knownKeys(schema: z.ZodType, path: readonly PropertyKey[]): ReadonlySet<string> {
  const root = z.toJSONSchema(schema, { io: 'input', unrepresentable: 'any' }) as JsonSchema;
  let places = expand(root, root);
  for (const part of path) places = places.flatMap((place) => childrenOf(place, part)).flatMap((child) => expand(child, root));
  return new Set(places.flatMap((place) => Object.keys(place.properties ?? {})));
}

function childrenOf(place: JsonSchema, part: PropertyKey): JsonSchema[] {
  const child = typeof part === 'number' ? place.items : (place.properties?.[String(part)] ?? place.additionalProperties);
  return typeof child === 'object' && !Array.isArray(child) ? [child] : [];
}

function expand(place: JsonSchema, root: JsonSchema): JsonSchema[] {
  if (place.$ref === '#') return [root];
  const named = place.$ref === undefined ? undefined : root.$defs?.[place.$ref.replace('#/$defs/', '')];
  if (named !== undefined) return expand(named, root);
  const branches = [...(place.anyOf ?? []), ...(place.oneOf ?? []), ...(place.allOf ?? [])] as JsonSchema[];
  return [place, ...branches.flatMap((branch) => expand(branch, root))];
}
