import { fieldOf, isJsonObject, type JsonObject, type JsonValue } from '../json.ts';
import { InvalidRule } from './rule-failure.ts';

/**
 * Paths into a record: `title`, `address.city`, `lines[0].sku`, `lines[-1]`, `lines[*].sku`, `["odd.name"]`;
 * a leading `$.` is allowed. `[*]` gives the list of what it finds, without the absent.
 */
type PathStep = { readonly field: string } | { readonly index: number } | 'every';

type Reader = (value: JsonValue) => JsonValue | undefined;

const stepSyntax = /(?:^|\.)([^.[\]"']+)|\[(-?\d{1,9})\]|\[(\*)\]|\[("(?:[^"\\]|\\.)*"|'[^']*')\]/y;

function parsePath(text: string): readonly PathStep[] {
  const path = text.startsWith('$.') ? text.slice(2) : text.startsWith('$[') ? text.slice(1) : text;
  const steps: PathStep[] = [];
  stepSyntax.lastIndex = 0;
  while (stepSyntax.lastIndex < path.length) {
    const at = stepSyntax.lastIndex;
    const match = stepSyntax.exec(path);
    if (match === null) throw new InvalidRule(`the path "${text}" cannot be read from "${path.slice(at)}" on`);
    steps.push(stepOf(text, match));
  }
  if (steps.length === 0) throw new InvalidRule('a path is empty');
  return steps;
}

function stepOf(path: string, [, name, index, every, quoted]: RegExpExecArray): PathStep {
  if (name !== undefined) return { field: name };
  if (index !== undefined) return { index: Number(index) };
  if (every !== undefined) return 'every';
  return { field: unquote(path, quoted!) };
}

function unquote(path: string, quoted: string): string {
  if (quoted.startsWith("'")) return quoted.slice(1, -1);
  try {
    return JSON.parse(quoted) as string;
  } catch (cause) {
    throw new InvalidRule(`the path "${path}" holds ${quoted}, which is no JSON text`, { cause });
  }
}

export function isPath(text: string): boolean {
  try {
    return parsePath(text).length > 0;
  } catch {
    return false;
  }
}

/** The name of the field, if the path is nothing but a field of the record itself. */
export function plainField(path: string): string | undefined {
  const steps = parsePath(path);
  const first = steps[0];
  return steps.length === 1 && typeof first === 'object' && 'field' in first ? first.field : undefined;
}

export function compilePath(path: string): (record: JsonObject) => JsonValue | undefined {
  const field = plainField(path);
  if (field === undefined) return compileSteps(parsePath(path));
  return field in Object.prototype ? (record) => fieldOf(record, field) : (record) => record[field];
}

/** Like `compilePath`, for a path into any value. */
export function compileReader(path: string): Reader {
  return compileSteps(parsePath(path));
}

function compileSteps(steps: readonly PathStep[]): Reader {
  const every = steps.indexOf('every');
  if (every >= 0) return compileEvery(compileSteps(steps.slice(0, every)), steps.slice(every + 1));
  const readers = steps.map(stepReader);
  return (value) => {
    let inner: JsonValue | undefined = value;
    for (let i = 0; i < readers.length && inner !== undefined; i++) inner = readers[i]!(inner);
    return inner;
  };
}

function stepReader(step: PathStep): Reader {
  if (step === 'every') throw new Error('unreachable: [*] is compiled apart');
  if ('index' in step) return (value) => (Array.isArray(value) ? value.at(step.index) : undefined);
  return (value) => (isJsonObject(value) ? fieldOf(value, step.field) : undefined);
}

function compileEvery(list: Reader, rest: readonly PathStep[]): Reader {
  const inner = compileSteps(rest);
  const flat = rest.includes('every');
  return (value) => {
    const items = list(value);
    if (!Array.isArray(items)) return undefined;
    const found = items.map(inner).filter((item) => item !== undefined);
    return flat ? found.flat() : found;
  };
}
