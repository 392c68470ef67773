import type { JsonObject, JsonValue } from '../json.ts';
import { compileCondition, isEmpty } from './condition.ts';
import { compilePath } from './path.ts';
import { InvalidRule } from './rule-failure.ts';
import type { FieldRule, FieldRuleParts, FieldRules } from './rules.ts';
import { textOf } from './values.ts';

export type FieldReader = (record: JsonObject) => JsonValue | undefined;

/** What an origin needs of the mapping around it. */
export interface OriginScope {
  /** Compiles an inner rule; its errors name this field. */
  fieldOf(rule: FieldRule): FieldReader;
  mapperOf(rules: FieldRules): (record: JsonObject) => JsonObject;
}

type OriginName = 'from' | 'first' | 'constant' | 'template' | 'concat' | 'object' | 'when';
const originNames: readonly OriginName[] = ['from', 'first', 'constant', 'template', 'concat', 'object', 'when'];

export function originNameOf(rule: FieldRuleParts): OriginName {
  const names = originNames.filter((name) => rule[name] !== undefined);
  const name = names[0];
  if (name === undefined) throw new InvalidRule(`has no origin: give one of ${originNames.join(', ')}`);
  if (names.length > 1) throw new InvalidRule(`has more than one origin: ${names.join(' and ')}`);
  if (name !== 'when' && (rule.then !== undefined || rule.else !== undefined)) throw new InvalidRule('then and else need when');
  return name;
}

export function compileOrigin(rule: FieldRuleParts, scope: OriginScope): FieldReader {
  switch (originNameOf(rule)) {
    case 'from':
      return compilePath(rule.from!);
    case 'first':
      return compileFirst(rule.first!);
    case 'constant':
      return () => rule.constant;
    case 'template':
      return compileTemplate(rule.template!);
    case 'concat':
      return compileConcat(rule.concat!);
    case 'object':
      return scope.mapperOf(rule.object!);
    case 'when':
      return compileWhen(rule, scope);
  }
}

function compileFirst(paths: readonly string[]): FieldReader {
  const readers = paths.map(compilePath);
  return (record) => {
    for (const read of readers) {
      const value = read(record);
      if (!isEmpty(value)) return value;
    }
    return undefined;
  };
}

/** An empty part leaves no separator behind. */
function compileConcat(rule: NonNullable<FieldRuleParts['concat']>): FieldReader {
  const readers = rule.fields.map(compilePath);
  const separator = rule.separator ?? '';
  return (record) => {
    const texts: string[] = [];
    for (const read of readers) {
      const value = read(record);
      if (value !== undefined && value !== null && value !== '') texts.push(textOf(value));
    }
    return texts.join(separator);
  };
}

const templatePieces = /\{\{|\}\}|\{([^{}]+)\}|[{}]|[^{}]+/g;

/** `{path}` stands for a value, absent ones for nothing; `{{` and `}}` are the braces themselves. */
function compileTemplate(template: string): FieldReader {
  const pieces = [...template.matchAll(templatePieces)].map(([piece, path]) => {
    if (path !== undefined) return compilePath(path.trim());
    if (piece === '{' || piece === '}')
      throw new InvalidRule(`the template "${template}" has a single brace; write {{ or }} for the character`);
    const text = piece === '{{' ? '{' : piece === '}}' ? '}' : piece;
    return () => text;
  });
  return (record) => {
    let text = '';
    for (const piece of pieces) {
      const value = piece(record);
      if (value !== undefined && value !== null) text += textOf(value);
    }
    return text;
  };
}

function compileWhen(rule: FieldRuleParts, scope: OriginScope): FieldReader {
  if (rule.then === undefined) throw new InvalidRule('when needs then');
  const holds = compileCondition(rule.when!);
  const yes = scope.fieldOf(rule.then);
  const no = rule.else === undefined ? () => undefined : scope.fieldOf(rule.else);
  return (record) => (holds(record) ? yes(record) : no(record));
}
