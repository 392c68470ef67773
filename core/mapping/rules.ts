/**
 * The mapping language as it is written: one rule per target field, each with one origin and a list of steps.
 * These types are the language's definition; docs/mapping.md explains it with examples.
 */
import { z } from 'zod';
import { roundingModes } from '../canonical/decimal.ts';

type Constant = string | number | boolean | null | Constant[] | { [field: string]: Constant };

/** A path alone is short for `{ from: path }`. */
export type FieldRule = string | FieldRuleParts;
export type FieldRules = { [target: string]: FieldRule };

/** Exactly one origin: `from`, `first`, `constant`, `template`, `concat`, `object` or `when`. */
export interface FieldRuleParts {
  from?: string | undefined;
  /** The first of these paths that is neither absent nor null nor empty text. */
  first?: string[] | undefined;
  constant?: Constant | undefined;
  template?: string | undefined;
  concat?: { fields: string[]; separator?: string | undefined } | undefined;
  /** An object built by rules of its own. */
  object?: FieldRules | undefined;
  when?: Condition | undefined;
  then?: FieldRule | undefined;
  else?: FieldRule | undefined;
  do?: Step[] | undefined;
  /** In place of an absent or null outcome. */
  default?: Constant | undefined;
  /** An absent or null outcome is an error. */
  required?: boolean | undefined;
}

/** All tests in one condition must hold; absent fields fail every test but `exists: false` and `empty: true`. */
export interface Condition {
  field?: string | undefined;
  equals?: Constant | undefined;
  in?: Constant[] | undefined;
  exists?: boolean | undefined;
  empty?: boolean | undefined;
  matches?: string | undefined;
  above?: number | string | undefined;
  atLeast?: number | string | undefined;
  below?: number | string | undefined;
  atMost?: number | string | undefined;
  all?: Condition[] | undefined;
  any?: Condition[] | undefined;
  not?: Condition | undefined;
}

const trimModes = ['both', 'start', 'end', 'collapse', 'control'] as const;
const castTypes = ['string', 'integer', 'decimal', 'number', 'boolean', 'date', 'datetime', 'json'] as const;
const doubledHourChoices = ['earlier', 'later', 'fail'] as const;
export type TrimMode = (typeof trimModes)[number];
export type CastType = (typeof castTypes)[number];
export type DoubledHour = (typeof doubledHourChoices)[number];

const path = z.string().min(1).max(500);
const constant: z.ZodType<Constant> = z.json();
const decimalLiteral = z.union([z.number(), z.string().regex(/^-?\d+(?:\.\d+)?$/)]);
const operand = z.union([decimalLiteral, z.strictObject({ from: path })]);
const scale = z.int().min(0).max(100);
const rounding = z.enum(roundingModes).default('half-up');
const oneCharacter = z.string().length(1);
const zone = z.string().min(1).max(100).default('UTC').describe('IANA name such as Europe/Madrid, or an offset such as +02:00.');

/** Of a rule that fits none of its forms: what is wrong in the form it comes nearest to. */
function nearestMiss(issue: { readonly errors?: unknown }): string {
  const misses = (issue.errors as readonly (readonly z.core.$ZodIssue[])[]).flat();
  const deepest = misses.reduce((best, miss) => (miss.path.length >= best.path.length ? miss : best));
  const place = deepest.path.map(String).join('.');
  return place === '' ? deepest.message : `${place}: ${deepest.message}`;
}

const bareStep = z.enum(['trim', 'lower', 'upper', 'title']);

const stepParts = z.strictObject({
  trim: z.enum(trimModes),
  cast: z.enum(castTypes),
  parseDate: z.union([
    z.string(),
    z.strictObject({
      pattern: z.union([z.string(), z.array(z.string()).min(1).max(20)]),
      zone,
      doubled: z.enum(doubledHourChoices).default('earlier').describe('Which of the two when a clock change doubles an hour.'),
    }),
  ]),
  formatDate: z.union([z.string(), z.strictObject({ pattern: z.string(), zone })]),
  parseNumber: z.strictObject({ decimal: oneCharacter.default('.'), group: oneCharacter.optional() }),
  formatNumber: z.strictObject({ scale, decimal: oneCharacter.default('.'), group: z.string().max(1).default(''), rounding }),
  round: z.union([scale, z.strictObject({ scale, rounding })]),
  add: operand,
  subtract: operand,
  multiply: operand,
  divide: z.union([operand, z.strictObject({ by: operand, scale, rounding })]),
  split: z.union([z.string().min(1), z.strictObject({ by: z.string().min(1), take: z.int().optional() })]),
  join: z.string(),
  replace: z.strictObject({ text: z.string().min(1), with: z.string() }),
  lookup: z.strictObject({
    table: z.record(z.string(), constant),
    missing: z.enum(['fail', 'keep', 'null']).default('fail').describe('What becomes of a value the table does not hold.'),
    default: constant.optional().describe('Stands for every value the table does not hold.'),
  }),
  path,
  nullIf: z.array(constant).min(1),
  default: constant,
  each: z.lazy(() => fieldRulesSchema),
});

/** A step with exactly one entry, so that the order of a list is the order of work. */
const stepSchema = z.union(
  [bareStep, stepParts.partial().refine((step) => Object.keys(step).length === 1, 'a step has exactly one name')],
  {
    error: (issue) =>
      typeof issue.input === 'string'
        ? `there is no step "${issue.input}" that stands alone: ${[...bareStep.options, ...Object.keys(stepParts.shape).map((name) => `${name}: …`)].join(', ')}`
        : nearestMiss(issue),
  },
);

export type StepParts = Partial<z.infer<typeof stepParts>>;
export type Step = z.infer<typeof bareStep> | { [Name in keyof StepParts]?: StepParts[Name] | undefined };

const conditionSchema: z.ZodType<Condition> = z.lazy(() =>
  z.strictObject({
    field: path.optional(),
    equals: constant.optional(),
    in: z.array(constant).optional(),
    exists: z.boolean().optional(),
    empty: z.boolean().optional(),
    matches: z.string().max(500).optional(),
    above: decimalLiteral.optional(),
    atLeast: decimalLiteral.optional(),
    below: decimalLiteral.optional(),
    atMost: decimalLiteral.optional(),
    all: z.array(conditionSchema).min(1).optional(),
    any: z.array(conditionSchema).min(1).optional(),
    not: conditionSchema.optional(),
  }),
);

const fieldRuleSchema: z.ZodType<FieldRule> = z.lazy(() =>
  z.union(
    [
      path,
      z.strictObject({
        from: path.optional(),
        first: z.array(path).min(1).optional(),
        constant: constant.optional(),
        template: z.string().optional(),
        concat: z.strictObject({ fields: z.array(path).min(1), separator: z.string().optional() }).optional(),
        object: fieldRulesSchema.optional(),
        when: conditionSchema.optional(),
        // biome-ignore lint/suspicious/noThenProperty: the language reads when … then … else; the object is never awaited.
        then: fieldRuleSchema.optional(),
        else: fieldRuleSchema.optional(),
        do: z.array(stepSchema).max(50).optional(),
        default: constant.optional(),
        required: z.boolean().optional(),
      }),
    ],
    { error: nearestMiss },
  ),
);

const targetName = z.string().min(1).max(200);

export const fieldRulesSchema: z.ZodType<FieldRules> = z.record(targetName, fieldRuleSchema);
