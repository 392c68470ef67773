import { ExactNumber, type JsonValue, numberFromText, parseExact, stringifyExact } from '../../core/json.ts';
import { TargetRejected } from '../../core/ports/target-connector.ts';
import { readPhp, writePhp } from './php-serialized.ts';

/** What the text of a meta value means. */
export type MetaForm = 'text' | 'number' | 'boolean' | 'json' | 'php';

/** What does not look like its form is told as the text it is: nothing is lost for a plugin's whim. */
export function metaValueOf(as: MetaForm, text: string | null): JsonValue {
  if (text === null) return null;
  switch (as) {
    case 'text':
      return text;
    case 'number':
      return text === '' ? null : (numberFromText(text) ?? text);
    case 'boolean':
      return booleans.get(text.toLowerCase()) ?? text;
    case 'json':
      return jsonFrom(text);
    case 'php':
      return readPhp(text) ?? text;
  }
}

const booleans: ReadonlyMap<string, boolean> = new Map([
  ['1', true],
  ['yes', true],
  ['true', true],
  ['', false],
  ['0', false],
  ['no', false],
  ['false', false],
]);

/** Null where the meta is to be absent. Plugins write booleans as 1 and nothing. */
export function metaTextOf(as: MetaForm, value: JsonValue, field: string): string | null {
  if (value === null) return null;
  if (as === 'json') return stringifyExact(value);
  if (as === 'php' && typeof value !== 'string') return writePhp(value);
  if (typeof value === 'boolean') return value ? '1' : '';
  if (typeof value === 'string') return value;
  if (typeof value === 'number' || value instanceof ExactNumber) return String(value);
  throw new TargetRejected(`the field ${field} is a list or an object: say \`as: json\` or \`as: php\` under \`meta\``, {
    field,
  });
}

function jsonFrom(text: string): JsonValue {
  try {
    return parseExact(text);
  } catch {
    return text;
  }
}
