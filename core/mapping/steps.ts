import { canonicalText } from '../canonical/canonical.ts';
import { isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { casts } from './casts.ts';
import { compileFormatDate, compileParseDate } from './date-steps.ts';
import {
  compileAdd,
  compileDivide,
  compileFormatNumber,
  compileMultiply,
  compileParseNumber,
  compileRound,
  compileSubtract,
  type Transform,
} from './number-steps.ts';
import { compileReader } from './path.ts';
import { InvalidRule, UnfitValue } from './rule-failure.ts';
import type { FieldRules, Step, StepParts } from './rules.ts';
import { cases, compileJoin, compileReplace, compileSplit, compileTrim } from './text-steps.ts';
import { textOf } from './values.ts';

interface CompiledStep {
  /** As the rule is called in the configuration and in errors. */
  readonly name: string;
  readonly apply: Transform;
}

type RecordMapper = (record: JsonObject) => JsonObject;

type StepCompilers = { readonly [Name in keyof StepParts]-?: (setting: NonNullable<StepParts[Name]>) => Transform };

/** `mapperOf` compiles the rules of an inner record; handed in because it is made of steps itself. */
function stepCompilers(mapperOf: (rules: FieldRules) => RecordMapper): StepCompilers {
  return {
    trim: compileTrim,
    cast: (type) => casts[type],
    parseDate: compileParseDate,
    formatDate: compileFormatDate,
    parseNumber: compileParseNumber,
    formatNumber: compileFormatNumber,
    round: compileRound,
    add: compileAdd,
    subtract: compileSubtract,
    multiply: compileMultiply,
    divide: compileDivide,
    split: compileSplit,
    join: compileJoin,
    replace: compileReplace,
    lookup: compileLookup,
    path: compileReader,
    nullIf: compileNullIf,
    default: () => (value) => value,
    each: (rules) => compileEach(mapperOf(rules)),
  };
}

interface CompiledSteps {
  readonly steps: readonly CompiledStep[];
  /** undefined goes in for an absent value, and comes out for one. The index names the step at fault. */
  run(value: JsonValue | undefined, record: JsonObject, progress: StepProgress): JsonValue | undefined;
}

/** Where a run stands, for the error if it throws. */
export interface StepProgress {
  step: number;
  value: JsonValue | undefined;
}

export function compileStepList(list: readonly Step[], mapperOf: (rules: FieldRules) => RecordMapper): CompiledSteps {
  const compilers = stepCompilers(mapperOf);
  const steps = list.map((step) => compileStep(step, compilers));
  const defaults = list.map((step) => (typeof step === 'object' ? step.default : undefined));
  return {
    steps,
    run(value, record, progress) {
      let current = value;
      for (let i = 0; i < steps.length; i++) {
        // Nothing can be done to what is not there but to put something in its place.
        if (current === undefined || current === null) {
          if (defaults[i] !== undefined) current = defaults[i];
          continue;
        }
        progress.step = i;
        progress.value = current;
        current = steps[i]!.apply(current, record);
      }
      return current;
    },
  };
}

function compileStep(step: Step, compilers: StepCompilers): CompiledStep {
  if (step === 'trim') return { name: step, apply: compileTrim('both') };
  if (typeof step === 'string') return { name: step, apply: cases[step] };
  const names = Object.keys(step).filter((name) => step[name as keyof StepParts] !== undefined);
  const name = names[0] as keyof StepParts | undefined;
  if (name === undefined || names.length > 1)
    throw new InvalidRule(`a step has exactly one name, not ${names.length}: ${names.join(', ')}`);
  if (!Object.hasOwn(compilers, name)) throw new InvalidRule(`there is no step "${name}"`);
  const compile = compilers[name] as (setting: unknown) => Transform;
  try {
    return { name, apply: compile(step[name]) };
  } catch (error) {
    if (error instanceof InvalidRule) error.rule ??= name;
    throw error;
  }
}

function compileLookup(rule: NonNullable<StepParts['lookup']>): Transform {
  const table = new Map<string, JsonValue>(Object.entries(rule.table));
  return (value) => {
    const found = table.get(textOf(value));
    if (found !== undefined) return found;
    if (rule.default !== undefined) return rule.default;
    if (rule.missing === 'fail') throw new UnfitValue('is not in the lookup table');
    return rule.missing === 'keep' ? value : null;
  };
}

function compileNullIf(constants: readonly JsonValue[]): Transform {
  const texts = new Set(constants.map(canonicalText));
  return (value) => (texts.has(canonicalText(value)) ? null : value);
}

/** Maps each object of a list; paths inside start at that object. */
function compileEach(map: RecordMapper): Transform {
  return (value) => {
    if (!Array.isArray(value)) throw new UnfitValue('is no list');
    return value.map((item) => {
      if (!isJsonObject(item)) throw new UnfitValue('is a list of something else than objects');
      return map(item);
    });
  };
}
