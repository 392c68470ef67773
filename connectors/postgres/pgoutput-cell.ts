import { type JsonValue, numberFromText, parseExact } from '../../core/json.ts';

/**
 * How a value that PostgreSQL sends as text stands in `row_to_json`: what is read from the log has the shape of what is
 * read from the table. `server` leaves it to PostgreSQL itself.
 */
export type CellKind = 'boolean' | 'number' | 'json' | 'timestamp' | 'timestamptz' | 'text' | 'server';

export interface CellType {
  readonly kind: CellKind;
  readonly isArray: boolean;
  /** What separates the elements of an array. */
  readonly delimiter: string;
}

export type Cell = (text: string) => JsonValue;

export function cellOf({ kind, isArray, delimiter }: CellType): Cell {
  const scalar = scalars[kind];
  return isArray ? (text) => readArray(text, delimiter, scalar) : scalar;
}

const scalars: Readonly<Record<CellKind, Cell>> = {
  boolean: (text) => text === 't',
  // NaN and Infinity are texts there, too.
  number: (text) => (text.endsWith('N') || text.endsWith('y') ? text : (numberFromText(text) ?? text)),
  json: (text) => parseExact(text),
  timestamp: (text) => text.replace(' ', 'T'),
  timestamptz: withZone,
  text: (text) => text,
  server: (text) => text,
};

/** `2026-03-01 10:00:00.5+00` as `2026-03-01T10:00:00.5+00:00`; `infinity` stays, and so does the `BC` behind a year. */
function withZone(text: string): string {
  const iso = text.replace(' ', 'T');
  return iso.endsWith('+00') ? `${iso}:00` : iso.replace(/\+00(?= BC$)/, '+00:00');
}

/** `{a,"b c",NULL}`, nested as deep as it is; bounds before it, `[0:1]={…}`, are not told. */
function readArray(text: string, delimiter: string, cell: Cell): JsonValue {
  let at = text.indexOf('{');
  const readList = (): JsonValue[] => {
    const list: JsonValue[] = [];
    at++;
    while (text[at] !== '}') {
      list.push(readElement());
      if (text[at] === delimiter) at++;
    }
    at++;
    return list;
  };
  const readElement = (): JsonValue => {
    if (text[at] === '{') return readList();
    if (text[at] === '"') return cell(readQuoted());
    const start = at;
    while (text[at] !== delimiter && text[at] !== '}') at++;
    const word = text.slice(start, at);
    return word === 'NULL' ? null : cell(word);
  };
  const readQuoted = (): string => {
    let word = '';
    for (at++; text[at] !== '"'; at++) {
      if (text[at] === '\\') at++;
      word += text[at];
    }
    at++;
    return word;
  };
  return readList();
}
