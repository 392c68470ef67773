import { quoted } from './catalogue.ts';
import { type CharacterSet, characterSetOf } from './character-set.ts';
import type { Column, ColumnType } from './column-type.ts';
import type { Cell, FirebirdTransaction, Parameter } from './firebird-session.ts';

export type Fetch = () => Promise<string>;

/** How the values of a column travel: what is asked for, and what is made of the answer. */
export interface CellCodec {
  /** What stands in the SELECT for it: one or two expressions. */
  readonly expressions: readonly string[];
  /** JSON text of what was answered; a function where a BLOB has to be fetched, which is done one after the other. */
  json(cells: readonly Cell[], at: number, transaction: FirebirdTransaction): string | Fetch;
}

/** So much of a BLOB comes with its row; only what is longer is fetched on its own, which takes several round trips. */
const inlineBytes = 2_000;

/** `alias` is the table's in the statement. */
export function codecOf({ name, type }: Column, alias: string, unspecified: string): CellCodec {
  const column = `${alias}.${quoted(name)}`;
  const plain = (json: (cell: NonNullable<Cell>) => string, expression = column): CellCodec => ({
    expressions: [expression],
    json: (cells, at) => (cells[at] === null || cells[at] === undefined ? 'null' : json(cells[at])),
  });
  switch (type.kind) {
    case 'number':
      // Integers as numbers, what is larger or has a scale as its digits: JSON as it comes.
      return plain(String);
    case 'double':
      return plain(numberJson);
    case 'float':
      return plain((cell) => numberJson(shortestSingle(Number(cell))));
    case 'boolean':
      return plain((cell) => (cell === true ? 'true' : 'false'));
    case 'date':
      return plain(textJson, `CAST(${column} AS VARCHAR(10))`);
    case 'time':
      return plain((cell) => textJson(withoutZeros(String(cell))), `CAST(${column} AS VARCHAR(13))`);
    case 'timestamp':
      return plain((cell) => textJson(isoTime(String(cell))), `CAST(${column} AS VARCHAR(24))`);
    case 'zonedTime':
      return plain(
        (cell) => textJson(`${withoutZeros(String(cell).slice(0, 13))}Z`),
        `CAST(${column} AT TIME ZONE 'UTC' AS VARCHAR(40))`,
      );
    case 'zonedTimestamp':
      return plain(
        (cell) => textJson(`${isoTime(String(cell).slice(0, 24))}Z`),
        `CAST(${column} AT TIME ZONE 'UTC' AS VARCHAR(60))`,
      );
    case 'decimalFloat':
      return plain(numberJson, `CAST(${column} AS VARCHAR(50))`);
    case 'text':
      // Trimmed there: the driver cuts a CHAR of characters beyond U+FFFF too short.
      return plain(textJson, type.padded ? `TRIM(TRAILING FROM ${column})` : column);
    case 'bytes':
      return plain(
        (cell) => textJson(bytesOf(cell).toString('base64')),
        type.padded ? `CAST(${column} AS VARCHAR(${type.length}) CHARACTER SET OCTETS)` : column,
      );
    case 'unspecified': {
      const characterSet = characterSetOf(unspecified);
      const text = (cell: Cell) => characterSet.decode(bytesOf(cell));
      return plain(
        (cell) => textJson(type.padded ? text(cell).replace(/ +$/, '') : text(cell)),
        `CAST(${column} AS VARCHAR(${type.length}) CHARACTER SET OCTETS)`,
      );
    }
    case 'textBlob':
      return blobCodec(column, type.characterSet === 'NONE' ? characterSetOf(unspecified) : utf8, type.characterSet !== 'NONE');
    case 'bytesBlob':
      return blobCodec(column, base64, false);
  }
}

const base64: Pick<CharacterSet, 'decode'> = { decode: (bytes) => bytes.toString('base64') };
const utf8: Pick<CharacterSet, 'decode'> = { decode: (bytes) => bytes.toString('utf8') };

/** `OCTET_LENGTH` of a BLOB is kept with it, so that neither question reads a long one. */
function blobCodec(column: string, meaning: Pick<CharacterSet, 'decode'>, isText: boolean): CellCodec {
  const isShort = `OCTET_LENGTH(${column}) <= ${inlineBytes}`;
  const [short, long] = isText
    ? [`CAST(${column} AS VARCHAR(${inlineBytes}))`, `CAST(${column} AS BLOB SUB_TYPE TEXT CHARACTER SET UTF8)`]
    : [`CAST(${column} AS VARCHAR(${inlineBytes}) CHARACTER SET OCTETS)`, column];
  const decode = (cell: Cell) => (typeof cell === 'string' ? cell : meaning.decode(bytesOf(cell)));
  return {
    expressions: [`IIF(${isShort}, ${short}, NULL)`, `IIF(${isShort}, NULL, ${long})`],
    json(cells, at, transaction) {
      const [inline, blob] = [cells[at], cells[at + 1]];
      if (typeof blob === 'function') return () => transaction.readBlob(blob).then((bytes) => textJson(meaning.decode(bytes)));
      return inline === null || inline === undefined ? 'null' : textJson(decode(inline));
    },
  };
}

/** The text of a key's part as a bound: what `castOf` takes back. */
export function boundTextOf(type: ColumnType, json: string): string {
  const value: unknown = json.startsWith('"') ? JSON.parse(json) : json;
  switch (type.kind) {
    case 'timestamp':
      return String(value).replace('T', ' ');
    case 'zonedTimestamp':
    case 'zonedTime':
      return String(value).replace('T', ' ').replace('Z', ' UTC');
    default:
      return String(value);
  }
}

/** A parameter that arrives as text and becomes the column's own type in the database, digits and all. */
export function castOf(type: ColumnType): string {
  switch (type.kind) {
    case 'text':
      return `CAST(? AS VARCHAR(${type.length}) CHARACTER SET ${type.characterSet})`;
    case 'unspecified':
      return `CAST(CAST(? AS VARCHAR(${type.length}) CHARACTER SET OCTETS) AS VARCHAR(${type.length}) CHARACTER SET NONE)`;
    case 'bytes':
      return `CAST(? AS VARCHAR(${type.length}) CHARACTER SET OCTETS)`;
    case 'textBlob':
      return type.characterSet === 'NONE'
        ? 'CAST(? AS BLOB SUB_TYPE BINARY)'
        : 'CAST(? AS BLOB SUB_TYPE TEXT CHARACTER SET UTF8)';
    case 'bytesBlob':
      return 'CAST(? AS BLOB SUB_TYPE BINARY)';
    default:
      return `CAST(CAST(? AS VARCHAR(64) CHARACTER SET ASCII) AS ${type.sql})`;
  }
}

/** What `castOf` expects for this text. */
export function parameterOf(type: ColumnType, text: string, unspecified: string): Parameter {
  switch (type.kind) {
    case 'bytes':
    case 'bytesBlob':
      return Buffer.from(text, 'base64');
    case 'unspecified':
      return characterSetOf(unspecified).encode(text);
    case 'textBlob':
      return type.characterSet === 'NONE' ? characterSetOf(unspecified).encode(text) : Buffer.from(text, 'utf8');
    default:
      return text;
  }
}

function textJson(cell: Cell): string {
  return JSON.stringify(String(cell));
}

const numberPattern = /^-?(?:0|[1-9]\d*)(?:\.\d+)?(?:[eE][+-]?\d+)?$/;

/** Not-a-number and infinity are texts. */
function numberJson(cell: Cell): string {
  const text = String(cell);
  return numberPattern.test(text) ? text : textJson(text);
}

/** The fewest digits that lead back to the same single-precision number, as PostgreSQL writes it: 0.1, not 0.10000000149011612. */
function shortestSingle(value: number): number {
  if (!Number.isFinite(value)) return value;
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === value) return candidate;
  }
  return Number(value.toPrecision(9));
}

/** `2026-03-01 12:00:00.1200` as `2026-03-01T12:00:00.12`. */
function isoTime(text: string): string {
  const iso = `${text.slice(0, 10)}T${text.slice(11, 19)}`;
  return text.endsWith('.0000') ? iso : iso + withoutZeros(text.slice(19));
}

function withoutZeros(text: string): string {
  return text.includes('.') ? text.replace(/\.?0+$/, '') : text;
}

function bytesOf(cell: Cell | undefined): Buffer {
  return Buffer.isBuffer(cell) ? cell : Buffer.from(String(cell ?? ''), 'latin1');
}
