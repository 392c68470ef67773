import { baseOf, type KnownTable } from './known-tables.ts';
import { closingOf, isSign, isWord, splitBy, type Token } from './tokens.ts';

/** What a statement may refer to beside tables. */
export interface Surroundings {
  readonly database: string;
  readonly sessionId: number;
  /** Of the statement before. */
  readonly rowCount: number;
  /** By name in small letters. */
  readonly tables: ReadonlyMap<string, KnownTable>;
  /** Values of `@name`, in small letters: texts of parameters, bytes of what was declared. */
  readonly variables: ReadonlyMap<string, string | Buffer | null>;
}

/** A statement as the engine takes it. */
export interface EngineStatement {
  readonly sql: string;
  readonly parameters: readonly (string | null)[];
}

/** Text as the engine must hold it to compare as the collation does. */
export function engineType(declared: string, collation: string | null): string {
  const base = baseOf(declared);
  const arguments_ = /\((.*)\)/.exec(declared)?.[1];
  const isMax = arguments_ === 'max';
  switch (base) {
    case 'nvarchar':
    case 'varchar':
    case 'nchar':
    case 'char':
      if (isMax) return 'CLOB';
      return `${collation !== null && /_BIN|_CS_/.test(collation) ? 'VARCHAR' : 'VARCHAR_IGNORECASE'}(${arguments_ ?? 30})`;
    case 'ntext':
    case 'text':
    case 'xml':
      return 'CLOB';
    case 'varbinary':
      return isMax ? 'BLOB' : `BINARY VARYING(${arguments_ ?? 30})`;
    case 'binary':
      return `BINARY(${arguments_ ?? 30})`;
    case 'image':
      return 'BLOB';
    case 'timestamp':
      return 'BINARY VARYING(8)';
    case 'tinyint':
      return 'SMALLINT';
    case 'bit':
      return 'BOOLEAN';
    case 'float':
      return 'DOUBLE PRECISION';
    case 'uniqueidentifier':
      return 'UUID';
    case 'money':
    case 'smallmoney':
      return 'DECIMAL(19,4)';
    case 'datetime':
    case 'smalldatetime':
      return 'TIMESTAMP(7)';
    case 'datetime2':
      return `TIMESTAMP(${arguments_ ?? 7})`;
    case 'datetimeoffset':
      return `TIMESTAMP(${arguments_ ?? 7}) WITH TIME ZONE`;
    case 'time':
      return `TIME(${arguments_ ?? 7})`;
    case 'decimal':
    case 'numeric':
      return `DECIMAL(${arguments_ ?? '18,0'})`;
    case 'sql_variant':
      return 'VARCHAR(4000)';
    default:
      return declared.toUpperCase();
  }
}

const textTypes: ReadonlySet<string> = new Set(['nvarchar', 'varchar', 'nchar', 'char', 'ntext', 'text', 'xml', 'sql_variant']);
const binaryTypes: ReadonlySet<string> = new Set(['varbinary', 'binary', 'timestamp', 'image']);

/** What Transact-SQL says otherwise than the engine: conversions, functions, variables, literals. */
export class Translation {
  readonly parameters: (string | null)[] = [];
  readonly #around: Surroundings;
  readonly #mentioned: readonly KnownTable[];

  constructor(around: Surroundings, statement: readonly Token[]) {
    this.#around = around;
    this.#mentioned = statement.flatMap(({ kind, text }) => {
      const table = kind === 'word' || kind === 'name' ? around.tables.get(text.toLowerCase()) : undefined;
      return table === undefined ? [] : [table];
    });
  }

  translate(tokens: readonly Token[]): string {
    let sql = '';
    for (let at = 0; at < tokens.length; at++) {
      const token = tokens[at]!;
      const next = tokens[at + 1];
      const call = isSign(next, '(') && token.kind === 'word' ? this.#call(tokens, at) : undefined;
      if (call !== undefined) {
        sql += call.sql;
        at = call.end;
      } else if (isWord(token, 'COLLATE')) at++;
      else sql += this.#plain(token);
      // `t.[k]` and `a <= b` are put together again as they stood; everything else bears a blank.
      if (!isSign(token, '.') && !isSign(tokens[at + 1], '.')) sql += ' ';
    }
    return sql;
  }

  #plain({ kind, text }: Token): string {
    switch (kind) {
      case 'name':
        return `"${text.replaceAll('"', '""')}"`;
      case 'string':
        return `'${text.replaceAll(`'`, `''`)}'`;
      case 'bytes':
        return `X'${text}'`;
      case 'variable':
        return this.#variable(text.toLowerCase());
      default:
        return text;
    }
  }

  #variable(name: string): string {
    if (name === '@@spid') return String(this.#around.sessionId);
    if (name === '@@rowcount') return String(this.#around.rowCount);
    if (name === '@@version') return `'Microsoft SQL Server (double)'`;
    const value = this.#around.variables.get(name);
    if (value === undefined) throw new UnknownVariable(name);
    if (Buffer.isBuffer(value)) return `X'${value.toString('hex')}'`;
    this.parameters.push(value);
    return '?';
  }

  #call(tokens: readonly Token[], at: number): { sql: string; end: number } | undefined {
    const end = closingOf(tokens, at + 1);
    const inner = tokens.slice(at + 2, end);
    const parts = splitBy(inner, ',');
    const sql = this.#function(tokens[at]!.text.toUpperCase(), parts, inner);
    return sql === undefined ? undefined : { sql, end };
  }

  #function(name: string, parts: Token[][], inner: readonly Token[]): string | undefined {
    switch (name) {
      case 'CONVERT':
        return this.#convert(declaredOf(parts[0]!), parts[1]!, parts[2]?.[0]?.text ?? '0');
      case 'TRY_CONVERT':
        return this.#tryConvert(declaredOf(parts[0]!), parts[1]!, parts[2]?.[0]?.text ?? '0');
      case 'CAST': {
        const as = inner.findLastIndex((token) => isWord(token, 'AS'));
        return this.#convert(declaredOf(inner.slice(as + 1)), inner.slice(0, as), '0');
      }
      case 'SYSUTCDATETIME':
      case 'SYSDATETIME':
        return 'tsqlNow()';
      case 'GETDATE':
      case 'GETUTCDATE':
        return `tsqlRounded(tsqlNow(), 'datetime')`;
      case 'DB_NAME':
        return `'${this.#around.database}'`;
      case 'MIN_ACTIVE_ROWVERSION':
        return 'tsqlMinActiveVersion()';
      case 'HAS_PERMS_BY_NAME':
        return `tsqlHasPermission(${this.translate(parts[0]!)}, ${parts[3] === undefined ? `''` : this.translate(parts[3])})`;
      case 'REPLICATE':
        return `REPEAT(${parts.map((part) => this.translate(part)).join(', ')})`;
      default:
        return undefined;
    }
  }

  #convert(target: string, argument: Token[], style: string): string {
    const from = this.#typeOf(argument);
    const base = baseOf(target);
    const value = this.translate(argument).trim();
    const type = engineType(target, 'BIN: the argument brings its own').replace('VARCHAR_IGNORECASE', 'VARCHAR');
    if (textTypes.has(base)) {
      const padded = from !== undefined && /^n?char\(/.test(from) ? `RPAD(${value}, ${/\d+/.exec(from)![0]})` : value;
      if (from === undefined || textTypes.has(baseOf(from))) return `CAST(${padded} AS ${type})`;
      return `CAST(tsqlText(${value}, '${from}', ${style}) AS ${type})`;
    }
    if (binaryTypes.has(base)) return `CAST(tsqlBytes(${value}, '${from ?? 'nvarchar'}', ${style}) AS ${type})`;
    if (base === 'datetime' || base === 'smalldatetime') return `tsqlRounded(CAST(${value} AS TIMESTAMP(7)), '${base}')`;
    return `CAST(${value} AS ${type})`;
  }

  /** Of texts alone. */
  #tryConvert(target: string, argument: Token[], style: string): string {
    const base = baseOf(target);
    if (textTypes.has(base) || binaryTypes.has(base)) return this.#convert(target, argument, style);
    const type = engineType(target, null);
    const tried = `CAST(tsqlTry(${this.translate(argument)}, '${type}') AS ${type})`;
    return base === 'datetime' || base === 'smalldatetime' ? `tsqlRounded(${tried}, '${base}')` : tried;
  }

  /** As far as conversions need it: a DATETIME2(3) is told with three digits, a DATETIME2(7) with seven. */
  #typeOf(argument: readonly Token[]): string | undefined {
    const [first, second] = argument;
    if (first?.kind === 'string' || first?.kind === 'variable') return 'nvarchar(max)';
    if (first?.kind === 'bytes') return 'varbinary(8000)';
    if (first?.kind === 'word' && isSign(second, '(') && closingOf(argument, 1) === argument.length - 1) {
      const inner = argument.slice(2, -1);
      const parts = splitBy(inner, ',');
      switch (first.text.toUpperCase()) {
        case 'CONVERT':
          return declaredOf(parts[0]!);
        case 'CAST':
          return declaredOf(inner.slice(inner.findLastIndex((token) => isWord(token, 'AS')) + 1));
        case 'MAX':
        case 'MIN':
        case 'COALESCE':
          return this.#typeOf(parts[0]!);
        case 'DATEADD':
          return this.#typeOf(parts[2]!);
        case 'SYSUTCDATETIME':
          return 'datetime2(7)';
        case 'MIN_ACTIVE_ROWVERSION':
          return 'binary(8)';
        default:
          return undefined;
      }
    }
    const named = argument.filter(({ kind }) => kind === 'word' || kind === 'name');
    if (named.length === 0 || argument.length !== named.length * 2 - 1) return undefined;
    const name = named.at(-1)!.text.toLowerCase();
    return this.#mentioned.flatMap(({ columns }) => columns).find((column) => column.name.toLowerCase() === name)?.declared;
  }
}

export class UnknownVariable extends Error {}

/** `decimal ( 38 , 10 )` as `decimal(38,10)`. */
export function declaredOf(tokens: readonly Token[]): string {
  return tokens
    .map(({ text }) => text)
    .join('')
    .toLowerCase();
}
