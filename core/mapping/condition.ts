import { canonicalText } from '../canonical/canonical.ts';
import { compare, type Decimal, parseDecimal } from '../canonical/decimal.ts';
import type { JsonObject, JsonValue } from '../json.ts';
import { compilePath } from './path.ts';
import { compilePattern } from './pattern.ts';
import { InvalidRule } from './rule-failure.ts';
import type { Condition } from './rules.ts';
import { decimalOf, textOf } from './values.ts';

type Test = (value: JsonValue | undefined) => boolean;
type RecordTest = (record: JsonObject) => boolean;

/** All tests in one condition must hold. Values are equal when their canonical texts are: 1 is 1.0, but not "1". */
export function compileCondition(condition: Condition): RecordTest {
  const tests = [...combinations(condition), ...fieldTests(condition)];
  if (tests.length === 0) throw new InvalidRule('a condition tests nothing');
  return tests.length === 1 ? tests[0]! : (record) => tests.every((test) => test(record));
}

function combinations(condition: Condition): RecordTest[] {
  const tests: RecordTest[] = [];
  const all = condition.all?.map(compileCondition);
  const any = condition.any?.map(compileCondition);
  const not = condition.not === undefined ? undefined : compileCondition(condition.not);
  if (all !== undefined) tests.push((record) => all.every((test) => test(record)));
  if (any !== undefined) tests.push((record) => any.some((test) => test(record)));
  if (not !== undefined) tests.push((record) => !not(record));
  return tests;
}

function fieldTests(condition: Condition): RecordTest[] {
  const tests = valueTests(condition);
  if (condition.field === undefined) {
    if (tests.length > 0) throw new InvalidRule('a condition tests a value but names no field');
    return [];
  }
  if (tests.length === 0) throw new InvalidRule(`the condition on "${condition.field}" tests nothing`);
  const read = compilePath(condition.field);
  return tests.map((test) => (record: JsonObject) => test(read(record)));
}

function valueTests(condition: Condition): Test[] {
  const { equals, exists, empty, matches } = condition;
  const tests: Test[] = [];
  if (equals !== undefined) tests.push(oneOf([equals]));
  if (condition.in !== undefined) tests.push(oneOf(condition.in));
  if (exists !== undefined) tests.push((value) => (value !== undefined) === exists);
  if (empty !== undefined) tests.push((value) => isEmpty(value) === empty);
  if (matches !== undefined) tests.push(matching(matches));
  if (condition.above !== undefined) tests.push(ordered(condition.above, (order) => order > 0));
  if (condition.atLeast !== undefined) tests.push(ordered(condition.atLeast, (order) => order >= 0));
  if (condition.below !== undefined) tests.push(ordered(condition.below, (order) => order < 0));
  if (condition.atMost !== undefined) tests.push(ordered(condition.atMost, (order) => order <= 0));
  return tests;
}

/** Absent, null, empty text, empty list or empty object. */
export function isEmpty(value: JsonValue | undefined): boolean {
  if (value === undefined || value === null || value === '') return true;
  return (Array.isArray(value) && value.length === 0) || (typeof value === 'object' && canonicalText(value) === '{}');
}

function oneOf(constants: readonly JsonValue[]): Test {
  const texts = new Set(constants.map(canonicalText));
  return (value) => value !== undefined && texts.has(canonicalText(value));
}

function matching(pattern: string): Test {
  const matches = compilePattern(pattern);
  return (value) => value !== undefined && value !== null && matches(textOf(value));
}

function ordered(bound: number | string, fits: (order: number) => boolean): Test {
  const limit: Decimal | undefined = parseDecimal(String(bound));
  if (limit === undefined) throw new InvalidRule(`"${bound}" is no number`);
  return (value) => {
    const number = value === undefined || value === null ? undefined : decimalOf(value);
    return number !== undefined && fits(compare(number, limit));
  };
}
