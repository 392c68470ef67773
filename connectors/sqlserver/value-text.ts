import type { Column } from './column-type.ts';

/** What stands in the SELECT for a column: its text in a form that keeps every digit, or its bytes. */
export function selected({ kind, declared }: Column, expression: string): string {
  switch (kind) {
    case 'number':
      return `CONVERT(varchar(41), ${expression})`;
    case 'money':
      return `CONVERT(varchar(25), ${expression}, 2)`;
    case 'float':
    case 'real':
      // Style 3: seventeen digits, which lead back to the same number.
      return `CONVERT(varchar(30), ${expression}, 3)`;
    case 'bit':
      return `CONVERT(varchar(1), ${expression})`;
    case 'uuid':
      return `CONVERT(varchar(36), ${expression})`;
    case 'datetime':
    case 'datetime2':
    case 'smalldatetime':
      return `CONVERT(varchar(27), ${expression}, 121)`;
    case 'date':
      return `CONVERT(varchar(10), ${expression}, 23)`;
    case 'time':
      return `CONVERT(varchar(16), ${expression}, 121)`;
    case 'offset':
      return `CONVERT(varchar(34), ${expression}, 121)`;
    case 'rowversion':
      return `CONVERT(varchar(18), CONVERT(binary(8), ${expression}), 1)`;
    case 'fixed':
      return `RTRIM(${wide(declared, expression)})`;
    case 'varying':
    case 'long-text':
      return wide(declared, expression);
    case 'bytes':
      return expression;
    case 'long-bytes':
      return declared === 'varbinary(max)' ? expression : `CONVERT(varbinary(max), ${expression})`;
    case 'other':
      return `CONVERT(nvarchar(${unlimited.has(declared) ? 'max' : wideMax}), ${expression})`;
  }
}

const wideMax = 4_000;
const unlimited: ReadonlySet<string> = new Set(['xml', 'json']);

/** The server knows the character set of the column; the client need not. */
function wide(declared: string, expression: string): string {
  if (declared.startsWith('n') && declared !== 'ntext') return expression;
  const length = Number(/\((\d+)\)/.exec(declared)?.[1]);
  return `CONVERT(nvarchar(${length <= wideMax ? length : 'max'}), ${expression})`;
}

/** JSON text of a value. */
export function jsonOf(kind: Column['kind'], cell: string | Buffer | null): string {
  if (cell === null) return 'null';
  if (typeof cell !== 'string') return `"${cell.toString('base64')}"`;
  switch (kind) {
    case 'number':
    case 'money':
      return cell;
    case 'float':
      return String(Number(cell));
    case 'real':
      return String(shortestSingle(Number(cell)));
    case 'bit':
      return cell === '1' ? 'true' : 'false';
    case 'uuid':
    case 'date':
    case 'rowversion':
      return `"${cell}"`;
    case 'time':
    case 'datetime':
    case 'datetime2':
    case 'smalldatetime':
    case 'offset':
      return `"${withoutZeros(boundTextOf(kind, cell))}"`;
    default:
      return JSON.stringify(cell);
  }
}

/** A part of a key, or a watermark, as `boundExpression` takes it back. */
export function boundTextOf(kind: Column['kind'], cell: string | Buffer | null): string {
  if (cell === null) return '';
  if (typeof cell !== 'string') return `0x${cell.toString('hex').toUpperCase()}`;
  switch (kind) {
    case 'float':
    case 'real':
      return String(Number(cell));
    case 'datetime':
    case 'datetime2':
    case 'smalldatetime':
      return cell.replace(' ', 'T');
    case 'offset':
      return cell.replace(' ', 'T').replace(' ', '');
    default:
      return cell;
  }
}

/**
 * A parameter in the column's own type and collation, so that its index is used and nothing is compared as something else.
 * `TRY_CONVERT` makes null of what no value of the column can look like, which equals no row's.
 */
export function boundExpression(
  { kind, declared, collation }: Column,
  parameter: string,
  convert: 'CONVERT' | 'TRY_CONVERT' = 'CONVERT',
): string {
  switch (kind) {
    case 'datetime':
    case 'datetime2':
    case 'smalldatetime':
      return `${convert}(${declared}, ${parameter}, 126)`;
    case 'date':
      return `${convert}(date, ${parameter}, 23)`;
    case 'rowversion':
      return `${convert}(binary(8), ${parameter}, 1)`;
    case 'bytes':
      return `${convert}(${declared}, ${parameter}, 1)`;
    case 'fixed':
    case 'varying':
      return `${convert}(${declared}, ${parameter}${collation === null ? '' : ` COLLATE ${collation}`})`;
    default:
      return `${convert}(${declared}, ${parameter})`;
  }
}

/** What a row tells as a part of its key, as `boundExpression` takes it. */
export function boundOfTold(kind: Column['kind'], told: string): string {
  return kind === 'bytes' ? `0x${Buffer.from(told, 'base64').toString('hex').toUpperCase()}` : told;
}

/** `12:00:00.1200` as `12:00:00.12`, with what stands behind it. */
function withoutZeros(text: string): string {
  return text.replace(/\.(\d*?)0+(?=$|[+-])/, (_whole, digits: string) => (digits === '' ? '' : `.${digits}`));
}

/** The fewest digits that lead back to the same single-precision number: 0.1, not 0.10000000149011612. */
function shortestSingle(value: number): number {
  for (let digits = 6; digits < 9; digits++) {
    const candidate = Number(value.toPrecision(digits));
    if (Math.fround(candidate) === Math.fround(value)) return candidate;
  }
  return Number(value.toPrecision(9));
}
